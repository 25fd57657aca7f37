"""Checks that samplers and masks return what their contracts require, so that errors name the part at fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.errors import PartError
from fdakit.values import Clip, describe

_NOISE = 0.01  # mean difference of two masks of one clip that a GPU's order of summation may cause


def check_indices(chosen: Any, count: int, asked: int, *, label: str, where: str) -> None:
    """Raise `PartError` if a sampler's indices are not 1 to `asked` ascending ones below `count`."""
    indices = np.asarray(chosen)
    good = indices.ndim == 1 and indices.dtype.kind in "iu" and 1 <= len(indices) <= asked
    if not (good and indices[0] >= 0 and indices[-1] < count and (np.diff(indices) > 0).all()):
        raise PartError(
            f"{label} failed {where}: returned {indices.tolist()}; wanted 1 to {asked} indices, ascending and "
            f"below {count}"
        )


def check_alpha(alpha: Any, shape: tuple[int, ...], *, label: str, where: str) -> None:
    """Raise `PartError` if a mask is not float32 `(t, h, w)`, finite and in [0, 1]."""
    if not isinstance(alpha, np.ndarray) or alpha.shape != shape or alpha.dtype != np.float32:
        raise PartError(f"{label} failed {where}: returned {describe(alpha)}; wanted float32{tuple(shape)}")
    low, high = float(alpha.min()), float(alpha.max())
    if not (low >= 0 and high <= 1):
        raise PartError(f"{label} failed {where}: values from {low} to {high}; wanted 0 to 1")


def check_same_indices(chosen: Any, again: Any, *, label: str, where: str) -> None:
    """Raise `PartError` if a sampler chose differently with equal generators."""
    if not np.array_equal(chosen, again):
        raise PartError(
            f"{label} failed {where}: chose {np.asarray(chosen).tolist()}, then {np.asarray(again).tolist()}, by the "
            "same generator; draw from the rng it is given alone, and keep nothing between calls"
        )


def tried_alpha(
    make: Callable[[Clip], NDArray[np.float32]], clip: Clip, *, label: str, on_device: bool
) -> NDArray[np.float32]:
    """Return the mask of a clip, computed twice.

    Raises `PartError` if the two differ or the clip was modified.
    """
    where, before = f"on video {clip.id!r}", clip.frames.copy()
    alpha, again = make(clip), make(clip)
    if not np.array_equal(clip.frames, before):
        raise PartError(f"{label} failed {where}: changed the frames it was given; work on a copy")
    same = np.abs(alpha - again).mean() <= _NOISE if on_device else np.array_equal(alpha, again)
    if not same:
        raise PartError(
            f"{label} failed {where}: two calls on the same clip gave different masks; draw from clip.rng() alone, "
            "and keep nothing between calls"
        )
    return alpha


def check_optimiser(made: Any, *, label: str) -> None:
    """Raise `PartError` if an optimiser's factory returned nothing that steps like torch's optimisers."""
    lacking = [name for name in ("param_groups", "zero_grad", "step", "state_dict") if not hasattr(made, name)]
    if lacking:
        raise PartError(
            f"{label} failed while it was made: returned {made!r}, without {', '.join(lacking)}; wanted a "
            "torch.optim.Optimizer"
        )
