"""One frame of the overlay video: the frame and its masks, side by side above a line of text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from .contact_sheet import ShownMask, enlargement, percent
from .overlays import Picture, mask_colour, overlay
from .text_drawing import PALE, PAPER, draw_text

_GAP, _STRIP, _SIZE, _INDENT = 4, 28, 15, 18
_GROUND, _ALARM = "#000000", "#ff8a80"


def overlay_frame(frame: Picture, time: float, masks: Sequence[ShownMask], place: int) -> Picture:
    """Return frame `place` with its overlays, uint8 RGB with even sides, as codecs require."""
    times = enlargement(frame.shape[:2])
    tiles = [frame, *(overlay(frame, mask.alpha[place], colour=mask_colour(n)) for n, mask in enumerate(masks))]
    tiles = [tile.repeat(times, axis=0).repeat(times, axis=1) for tile in tiles]
    height, width = tiles[0].shape[:2]
    whole = len(tiles) * width + (len(tiles) - 1) * _GAP
    canvas = Image.new("RGB", (whole + whole % 2, height + _STRIP + height % 2), _GROUND)
    draw, base = ImageDraw.Draw(canvas), height + _STRIP - 9
    for number, tile in enumerate(tiles):
        canvas.paste(Image.fromarray(tile), (number * (width + _GAP), 0))
    draw_text(draw, (6, base), f"{time:.2f} s", size=_SIZE, colour=PAPER, room=width - 12)
    for number, mask in enumerate(masks):
        left = (number + 1) * (width + _GAP)
        end = left + width
        draw.rectangle((left + 1, base - 11, left + 11, base - 1), fill=mask_colour(number))
        left += _INDENT
        words = (
            (percent(float(mask.coverage[place])), PAPER),
            (mask.remarks[place], _ALARM),
            (mask.title or mask.name, PAPER),
            (mask.options, PALE),
        )
        for text, colour in words:
            if text:
                left += (
                    round(draw_text(draw, (left, base), text, size=_SIZE, colour=colour, room=end - left)) + _INDENT
                )
    return np.asarray(canvas)
