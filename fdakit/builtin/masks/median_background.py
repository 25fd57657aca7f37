"""What differs from the clip's background, the median of each pixel over all its frames.

An object that covers a pixel in less than half of the frames does not affect the median. Source: temporal median
background, as in Cucchiara et al., Detecting Moving Objects, Ghosts, and Shadows in Video Streams (PAMI 2003).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fdakit.mask_ops import (
    ChangeOptions,
    GreyRule,
    Masks,
    by_scenes,
    difference,
    get_backend,
    grey_layers,
    outside_longest_scene,
    replace_masks,
    sampled_cuts,
    threshold_changes,
)
from fdakit.plugin import BuildContext, Clip, Component, IdleIf, MaskGenerator, Needs, Place, hookimpl


class MedianBackgroundOptions(ChangeOptions):
    """The median is that of the sampled frames and, with `warmup`, of native frames around them."""

    grey: GreyRule = Field("bt601", description="see frame-difference")
    warmup: int = Field(
        4, ge=0, le=64, description="further native frames around each sampled one for the background"
    )
    gap: Annotated[int, IdleIf(warmup=0)] = Field(
        10, ge=1, le=250, description="native frames from one of those to the next"
    )
    threshold: float = Field(20, ge=0, le=255, description="grey levels by which a pixel must differ, strictly more")
    closing: int = Field(3, ge=0, le=64, description="radius of the closing in px at 224; 0: none")
    working_size: int = Field(
        0, ge=0, le=4096, description="shorter side in px that frames are averaged to first; 0: as they are"
    )
    backend: Literal["auto", "scikit-image", "numpy", "opencv"] = Field(
        "auto", description="library that computes it, equal to the bit; see frame-difference"
    )


class MedianBackground:
    """One background for each clip. Of two frames it is their mean, so both are marked where they differ.

    A clip of one frame that equals its background is marked whole.
    """

    place: Place = "worker"

    def __init__(self, options: MedianBackgroundOptions) -> None:
        self.options = options
        self.backend = get_backend(options.backend)
        self.needs = Needs(neighbours=spread_gaps(options.warmup, options.gap), luma=options.grey == "decoder-luma")

    def __call__(self, clip: Clip) -> NDArray[np.float32]:
        """Return the alpha float32 `(t, h, w)` of uint8 frames `(t, h, w, 3)`."""
        return self._masks(clip).alpha

    def remarks(self, clip: Clip) -> tuple[str, ...]:
        """Return why each frame has a fallback: "cut", "empty", "full", "alone" (nothing to compare with), or ""."""
        return self._masks(clip).remarks

    def _masks(self, clip: Clip) -> Masks:
        options, backend = self.options, self.backend
        layers = grey_layers(clip, backend=backend, rule=options.grey, short_side=options.working_size)
        now = layers[0]
        ground = middle(np.concatenate([layers[gap] for gap in (0, *self.needs.neighbours)], axis=1))
        changes = difference(now, np.broadcast_to(ground[:, None], now.shape), backend=backend)
        # The background is that of the scene which most frames show.
        cut = outside_longest_scene(sampled_cuts(clip.frames)) if by_scenes(options) else None
        masks = threshold_changes(changes, options=options, backend=backend, shape=clip.frames.shape[1:3], cut=cut)
        alone = np.array([len(changes) == 1 and not changes.any()] * len(changes))
        return replace_masks(masks, alone, alpha=1.0, remark="alone")


def spread_gaps(count: int, gap: int) -> tuple[int, ...]:
    """Return `count` multiples of the gap around 0, half of them before it; of an odd number one more."""
    before = (count + 1) // 2
    return tuple(gap * step for step in range(-before, count - before + 1) if step)


def middle(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the median `(c, h, w)` of each pixel of `(c, n, h, w)`.

    Of an even number it is the mean of the middle two, truncated to a level: unlike rounding to even, truncation
    commutes with adding a level to all.
    """
    count = pictures.shape[1]
    low, high = (count - 1) // 2, count // 2
    parted = np.partition(pictures, (low, high), axis=1)
    return ((parted[:, low].astype(np.uint16) + parted[:, high]) // 2).astype(np.uint8)


def build(options: MedianBackgroundOptions, shapes: BuildContext) -> MaskGenerator:
    """Return the mask. Raises `PluginError` if the backend's library is not installed."""
    return MedianBackground(options)


MEDIAN_BACKGROUND = Component(
    "median-background",
    "what differs from the median of the clip's frames",
    MedianBackgroundOptions,
    build,
    when="the camera is still for the whole clip and objects pass through it or move slowly",
    remedies={
        "empty": "lower the mask's threshold, or sample fewer frames, which are then further apart",
        "full": "try compensated-difference",
    },
    declares={"place": "worker"},
)


@hookimpl
def fdakit_masks() -> Iterable[Component[Any, MaskGenerator]]:
    return (MEDIAN_BACKGROUND,)
