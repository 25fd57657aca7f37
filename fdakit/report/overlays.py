"""Masks as pictures: the mask itself, and the frame with what is marked standing out from the rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Alpha = NDArray[np.float32]
Colour = tuple[int, int, int]

COLOURS: tuple[Colour, ...] = ((255, 45, 110), (0, 178, 240), (112, 196, 46), (255, 150, 20), (150, 100, 255))
"""RGB of the masks that stand side by side, in their order."""

_INSIDE = 0.5  # alpha from which on a pixel counts as marked: half, as the neutral alpha
_TINT = 0.2  # share of the colour where alpha is 1
_DIMMED = 0.55  # share of its light that is left to a pixel where alpha is 0
_FADED = 0.65  # and of its colour, how much becomes grey
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def mask_colour(place: int) -> Colour:
    """Return the colour of mask number `place`; they come again after the last."""
    return COLOURS[place % len(COLOURS)]


def mask_image(alpha: Alpha) -> Picture:
    """Alpha `(h, w)` in [0, 1] -> grey levels uint8 `(h, w)`, 255 where it is 1."""
    return np.rint(alpha * 255).astype(np.uint8)


def overlay(frame: Picture, alpha: Alpha, *, colour: Colour) -> Picture:
    """Return the frame uint8 `(h, w, 3)`, dimmed at low alpha `(h, w)`, tinted and outlined at high alpha.

    The outline is inside the mask, along the frame's border too, and twice as wide in a frame of 480 px.
    """
    picture, share = frame.astype(np.float32), alpha[..., None]
    grey = (picture @ _LUMA)[..., None]
    away = _DIMMED * (picture + _FADED * (grey - picture))
    marked = picture + _TINT * (np.array(colour, np.float32) - picture)
    shown = away + share * (marked - away)
    edge = outline(alpha >= _INSIDE, width=max(1, round(min(alpha.shape) / 160)))
    shown[edge] = colour
    return np.rint(shown).astype(np.uint8)


def outline(inside: NDArray[np.bool_], *, width: int) -> NDArray[np.bool_]:
    """Return the pixels of a mask bool `(h, w)` less than `width` steps from outside.

    All beyond the frame is outside.
    """
    from scipy.ndimage import binary_erosion

    core: NDArray[np.bool_] = binary_erosion(inside, iterations=width)
    return inside & ~core
