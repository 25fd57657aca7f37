"""The pictures of clips on report and compare pages: some frames of each, and what the run's mask marks in them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fdakit.catalog import Catalog
from fdakit.errors import VideoError
from fdakit.report.overlays import mask_colour, overlay
from fdakit.values import VideoRef
from fdakit.video.thumbnails import frames_jpeg, thumbnail

from .mask_choices import choose_masks
from .run_files import RECIPE
from .saved_run import SavedRun
from .seeing import Viewer

Draw = Callable[[VideoRef], bytes | None]

_MASKED_HEIGHT = 112  # px of a frame with its mask: as the model sees it, smaller


def clip_pictures(run: SavedRun, *, frames: int = 1, masks: bool = False, catalog: Catalog | None = None) -> Draw:
    """Return what draws a video of the run as JPEG, None where it cannot be read.

    `frames` uniform frames stand side by side. With `masks` they are those that the run's mask is given in an
    evaluation, each over what the mask marks in it; `catalog` is needed then. Raises `RecipeError` where the run's
    recipe cannot be read or its mask built.
    """
    if not masks:
        return thumbnail if frames == 1 else partial(thumbnail, frames=frames)
    assert catalog is not None
    viewer = Viewer(choose_masks(recipe=str(run.folder / RECIPE), catalog=catalog), size=_MASKED_HEIGHT)
    return partial(_masked, viewer, frames=frames)


def _masked(viewer: Viewer, video: VideoRef, *, frames: int) -> bytes | None:
    try:
        seen = viewer.see(video, frames=frames)
    except VideoError:
        return None
    (mask,) = seen.masks
    marked = [
        overlay(frame, alpha, colour=mask_colour(0)) for frame, alpha in zip(seen.frames, mask.alpha, strict=True)
    ]
    rows: list[NDArray[np.uint8]] = [np.concatenate(pair) for pair in zip(seen.frames, marked, strict=True)]
    return frames_jpeg(np.stack(rows))
