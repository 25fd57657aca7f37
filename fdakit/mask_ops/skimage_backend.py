"""The reference backend: numpy, and scikit-image for morphology and components."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .backend import Connectivity, MaskBackend

Levels = NDArray[np.uint8]
Masks = NDArray[np.bool_]

# Integers over 1000; the tiny bias makes halves round up in float32 too (tested on all inputs).
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_HALF = np.float32(0.5 + 2e-4)


class SkimageBackend:
    """The reference mask backend."""

    def grey(self, frames: Levels) -> Levels:
        luma = frames.reshape(-1, 3).astype(np.float32) @ _LUMA
        luma += _HALF
        return luma.astype(np.uint8).reshape(frames.shape[:3])

    def channels(self, frames: Levels) -> Levels:
        return np.ascontiguousarray(np.moveaxis(frames, -1, 0))

    def difference(self, one: Levels, other: Levels) -> Levels:
        return np.maximum(one, other) - np.minimum(one, other)

    def largest(self, layers: Levels) -> Levels:
        return np.asarray(layers.max(axis=0))

    def smallest(self, layers: Levels) -> Levels:
        return np.asarray(layers.min(axis=0))

    def stack(self, layers: list[NDArray[Any]]) -> NDArray[Any]:
        return np.stack(layers)

    def counts(self, levels: Levels) -> NDArray[np.int64]:
        return np.stack([np.bincount(frame.ravel(), minlength=256) for frame in levels])

    def above(self, levels: Levels, thresholds: NDArray[np.float64]) -> Masks:
        # An integer level exceeds a threshold iff it exceeds its integer part.
        return np.asarray(levels > np.minimum(thresholds, 255).astype(np.uint8)[:, None, None])

    def close(self, masks: Masks, footprint: Levels) -> Masks:
        from skimage.morphology import closing

        return _each(masks, lambda mask: closing(mask, footprint))

    def open(self, masks: Masks, footprint: Levels) -> Masks:
        from skimage.morphology import opening

        return _each(masks, lambda mask: opening(mask, footprint))

    def dilate(self, masks: Masks, footprint: Levels) -> Masks:
        from skimage.morphology import dilation

        return _each(masks, lambda mask: dilation(mask, footprint))

    def drop_small(self, masks: Masks, area: int, connectivity: Connectivity) -> Masks:
        from skimage.morphology import remove_small_objects

        rank = 2 if connectivity == 8 else 1
        return _each(masks, lambda mask: remove_small_objects(mask, max_size=area - 1, connectivity=rank))

    def fill_holes(self, masks: Masks, connectivity: Connectivity) -> Masks:
        from scipy.ndimage import binary_fill_holes, generate_binary_structure

        ground = generate_binary_structure(2, 1 if connectivity == 8 else 2)
        return _each(masks, lambda mask: binary_fill_holes(mask, ground))

    def numpy(self, array: Any) -> NDArray[Any]:
        return np.asarray(array)


def _each(masks: Masks, step: Callable[[Masks], Masks]) -> Masks:
    """Return the step applied to each mask alone: a stack would be taken for a volume."""
    return np.stack([step(mask) if mask.any() else mask for mask in masks])


BACKEND: MaskBackend = SkimageBackend()
