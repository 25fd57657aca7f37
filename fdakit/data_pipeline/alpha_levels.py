"""Alpha as uint8 levels, multiples of 1/255, where that is exact: a quarter of the bytes on the way to the device."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Alpha = NDArray[np.float32] | NDArray[np.uint8]
"""Masks `(t, s, s)`: float32 in [0, 1], or uint8 levels, of which k stands for k / 255."""

TOP = np.float32(255)
"""The level of alpha 1."""


def smallest(alpha: Alpha) -> Alpha:
    """Return the levels of float32 masks if they give the same float32 again, bit for bit; else the masks."""
    if alpha.dtype == np.uint8:
        return alpha
    levels = np.empty(alpha.shape, np.uint8)
    for found, mask in zip(levels, alpha, strict=True):  # frame by frame: most soft masks show it in the first
        found[:] = np.rint(mask * TOP)
        if not np.array_equal(_shares(found), mask):
            return alpha
    return levels


def plain(alpha: Alpha) -> NDArray[np.float32]:
    """Return masks in float32."""
    return _shares(alpha) if alpha.dtype == np.uint8 else alpha.astype(np.float32, copy=False)


def _shares(levels: Alpha) -> NDArray[np.float32]:
    return levels.astype(np.float32) / TOP
