"""FDA-CLIP's mask: where neighbouring sampled frames differ.

Grey (BT.601 luma, rounded) -> absolute difference to the frame before -> strictly above the threshold ->
closing -> opening -> small components dropped. Source: FDA-CLIP (arXiv 2510.21806), section 2.3; what the
paper leaves open is an option here. Disks and areas are stated at 224 px and scale with the picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fdakit import Clip, Component, MaskGenerator, Needs, Options, Place, Shapes, hookimpl


class FrameDifferenceOptions(Options):
    """The paper's setting is the default; `fallback` is off in it."""

    threshold: float = Field(25, ge=0, le=255, description="grey levels a pixel must change by, strictly more")
    closing: int = Field(2, ge=0, description="radius of the closing disk in px at 224; 0: none")
    opening: int = Field(1, ge=0, description="radius of the opening disk in px at 224; 0: none")
    min_area: int = Field(64, ge=0, description="smallest 8-connected component kept, in px at 224")
    first_frame: Literal["as-second", "empty", "whole-frame"] = Field(
        "as-second", description="mask of the first frame, which has none before it"
    )
    fallback: Literal["none", "whole-frame"] = Field(
        "none", description="what a mask outside the coverage limits becomes; none: it stays as it is"
    )
    min_coverage: float = Field(0.002, ge=0, le=1, description="fallback below this share of the frame")
    max_coverage: float = Field(0.9, ge=0, le=1, description="fallback above this share of the frame")


class FrameDifference:
    """Hard masks, 0 or 1. A clip of one frame has nothing to compare and is marked whole."""

    needs = Needs()
    place: Place = "worker"

    def __init__(self, options: FrameDifferenceOptions) -> None:
        self.options = options

    def __call__(self, clip: Clip) -> NDArray[np.float32]:
        """uint8 frames `(t, h, w, 3)` -> float32 `(t, h, w)`, exactly 0 or 1."""
        grey = luma(clip.frames)
        if len(grey) == 1:
            return np.ones(grey.shape, np.float32)
        changed = np.abs(np.diff(grey, axis=0)) > self.options.threshold
        masks = np.stack([self._first(changed[0]), *(self._clean(frame) for frame in changed)])
        if self.options.first_frame == "as-second":
            masks[0] = masks[1]
        return self._fall_back(masks).astype(np.float32)

    def _first(self, like: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.full(like.shape, self.options.first_frame == "whole-frame")

    def _clean(self, changed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        from skimage.morphology import closing, disk, opening, remove_small_objects

        scale = min(changed.shape) / 224
        for morph, radius in ((closing, self.options.closing), (opening, self.options.opening)):
            if round(radius * scale) > 0:
                changed = morph(changed, disk(round(radius * scale)))
        area = round(self.options.min_area * scale**2)
        if area > 1:
            changed = remove_small_objects(changed, max_size=area - 1, connectivity=2)
        return changed

    def _fall_back(self, masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if self.options.fallback == "whole-frame":
            coverage = masks.mean(axis=(1, 2))
            masks[(coverage < self.options.min_coverage) | (coverage > self.options.max_coverage)] = True
        return masks


def luma(frames: NDArray[np.uint8]) -> NDArray[np.int16]:
    """BT.601 luma of uint8 RGB `(..., 3)`, rounded, as int16 so that differences do not wrap around."""
    weights = np.array([299, 587, 114], np.int32)
    return ((frames @ weights + 500) // 1000).astype(np.int16)


def build(options: FrameDifferenceOptions, shapes: Shapes) -> MaskGenerator:
    """Depends on the options alone."""
    return FrameDifference(options)


FRAME_DIFFERENCE = Component(
    "frame-difference", "where neighbouring sampled frames differ (FDA-CLIP)", FrameDifferenceOptions, build
)


@hookimpl
def fdakit_masks() -> Iterable[Component[Any, MaskGenerator]]:
    return (FRAME_DIFFERENCE,)
