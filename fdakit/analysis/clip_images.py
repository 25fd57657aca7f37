"""Images of clips on report and compare pages: some frames of each, and what the run's mask marks in them.

Modules that read videos are imported when an image is made, so that tables of runs need neither torch nor PyAV.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fdakit.errors import VideoError
from fdakit.inference.run_files import RECIPE
from fdakit.values import VideoRef

from .saved_run import SavedRun

if TYPE_CHECKING:
    from fdakit.catalog import Catalog
    from fdakit.mask_inspection.viewer import MaskViewer

Draw = Callable[[VideoRef], bytes]
"""Renders a video as JPEG. Raises `VideoError` if it cannot be read."""

_MASKED_HEIGHT = 112  # px of a frame with its mask: the model's input, smaller


def clip_pictures(run: SavedRun, *, frames: int = 1, masks: bool = False, catalog: Catalog | None = None) -> Draw:
    """Return a function that renders a video of the run as JPEG.

    `frames` uniform frames are side by side. With `masks` they are the frames that the run's mask gets in an
    evaluation, each above its mask; `catalog` is needed then. Raises `RecipeError` if the run's recipe cannot be read
    or its mask built.
    """
    if not masks:
        return partial(uniform_frames, frames=frames)
    assert catalog is not None
    from fdakit.mask_inspection.selection import choose_masks
    from fdakit.mask_inspection.viewer import MaskViewer

    viewer = MaskViewer(choose_masks(recipe=str(run.folder / RECIPE), catalog=catalog), size=_MASKED_HEIGHT)
    return partial(_masked, viewer, frames=frames)


def uniform_frames(video: VideoRef, *, frames: int = 1) -> bytes:
    """Return uniform frames of a video side by side as JPEG. Raises `VideoError` if it cannot be read."""
    from fdakit.video.thumbnails import thumbnail

    return thumbnail(video, frames=frames)


def _masked(viewer: MaskViewer, video: VideoRef, *, frames: int) -> bytes:
    from fdakit.report.overlays import mask_colour, overlay
    from fdakit.video.thumbnails import frames_jpeg

    seen = viewer.see(video, frames=frames)
    (mask,) = seen.masks
    marked = [
        overlay(frame, alpha, colour=mask_colour(0)) for frame, alpha in zip(seen.frames, mask.alpha, strict=True)
    ]
    rows: list[NDArray[np.uint8]] = [np.concatenate(pair) for pair in zip(seen.frames, marked, strict=True)]
    return frames_jpeg(np.stack(rows))


def picture_of(draw: Draw, files: Iterable[VideoRef], reasons: list[str]) -> bytes | None:
    """Return the image of the first of a video's files that can be read.

    None if none can; the causes are then appended to `reasons`.
    """
    said = []
    for file in files:
        try:
            return draw(file)
        except VideoError as error:
            said.append(str(error).partition("\n")[0])
    reasons.append(said[0])
    return None


def warn_of_missing(reasons: Sequence[str], count: int) -> None:
    """Warn how many of `count` images are missing on a page, and why the first one is."""
    if reasons:
        warnings.warn(f"{len(reasons)} of {count} images are missing on the page; first: {reasons[0]}", stacklevel=2)
