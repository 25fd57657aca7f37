"""Whether samplers and masks gave what their contracts promise: a fault of the part is said where it happens."""

from __future__ import annotations

from typing import Any

import numpy as np

from fdakit.errors import PartError
from fdakit.values import describe


def check_indices(chosen: Any, count: int, asked: int, *, label: str, where: str) -> None:
    """Raises `PartError` where a sampler's indices are not 1 to `asked` ascending ones below `count`."""
    indices = np.asarray(chosen)
    good = indices.ndim == 1 and indices.dtype.kind in "iu" and 1 <= len(indices) <= asked
    if not (good and indices[0] >= 0 and indices[-1] < count and (np.diff(indices) > 0).all()):
        raise PartError(
            f"{label} failed {where}: returned {indices.tolist()}; wanted 1 to {asked} indices, ascending and "
            f"below {count}"
        )


def check_alpha(alpha: Any, shape: tuple[int, ...], *, label: str, where: str) -> None:
    """Raises `PartError` where a mask is not float32 `(t, h, w)`, finite and in [0, 1]."""
    if not isinstance(alpha, np.ndarray) or alpha.shape != shape or alpha.dtype != np.float32:
        raise PartError(f"{label} failed {where}: returned {describe(alpha)}; wanted float32{tuple(shape)}")
    low, high = float(alpha.min()), float(alpha.max())
    if not (low >= 0 and high <= 1):
        raise PartError(f"{label} failed {where}: values from {low} to {high}; wanted 0 to 1")
