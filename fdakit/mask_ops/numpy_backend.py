"""numpy and scipy alone: the reference's results several times faster, used if OpenCV is not installed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .backend import Connectivity, MaskBackend
from .skimage_backend import SkimageBackend

Levels = NDArray[np.uint8]
Masks = NDArray[np.bool_]


class NumpyBackend(SkimageBackend):
    """The mask backend in numpy and scipy.

    Each row of a footprint must be one centred run, as in disks and squares.
    """

    def close(self, masks: Masks, footprint: Levels) -> Masks:
        return _eroded(_dilated(masks, footprint), footprint)

    def open(self, masks: Masks, footprint: Levels) -> Masks:
        return _dilated(_eroded(masks, footprint), footprint)

    def dilate(self, masks: Masks, footprint: Levels) -> Masks:
        return _dilated(masks, footprint)

    def drop_small(self, masks: Masks, area: int, connectivity: Connectivity) -> Masks:
        def large(mask: Masks) -> Masks:
            labels = _labels(mask, connectivity)
            keep = np.bincount(labels.ravel()) >= area
            keep[0] = False
            return mask if keep[1:].all() else keep[labels]

        return _each(masks, large)

    def fill_holes(self, masks: Masks, connectivity: Connectivity) -> Masks:
        def filled(mask: Masks) -> Masks:
            labels = _labels(~mask, 4 if connectivity == 8 else 8)
            outside = np.zeros(labels.max() + 1, np.bool_)
            outside[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = True
            outside[0] = False  # the mask itself
            return ~outside[labels]

        return _each(masks, filled)


def _dilated(masks: Masks, footprint: Levels) -> Masks:
    """Return the dilation: rows are widened step by step, each width used where the footprint has it."""
    _, height, width = masks.shape
    radius = len(footprint) // 2
    wide = np.pad(masks, ((0, 0), (radius, radius), (radius, radius)))
    reaches = footprint.sum(axis=1, dtype=np.int64) // 2
    across = wide[:, :, radius : radius + width].copy()
    found = np.zeros(masks.shape, np.bool_)
    for reach in range(radius + 1):
        if reach:
            across |= wide[:, :, radius - reach : radius - reach + width]
            across |= wide[:, :, radius + reach : radius + reach + width]
        for row in np.flatnonzero(reaches == reach):
            found |= across[:, row : row + height]
    return found


def _eroded(masks: Masks, footprint: Levels) -> Masks:
    return ~_dilated(~masks, footprint)


def _labels(mask: Masks, connectivity: Connectivity) -> NDArray[np.int32]:
    from scipy.ndimage import label

    found: NDArray[np.int32] = label(mask, np.ones((3, 3)) if connectivity == 8 else None)[0]
    return found


def _each(masks: Masks, step: Callable[[Masks], Masks]) -> Masks:
    return np.stack([step(mask) if mask.any() else mask for mask in masks])


BACKEND: MaskBackend = NumpyBackend()
