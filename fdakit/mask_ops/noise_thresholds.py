"""Differences finer than integer grey levels: averaged over a few pixels, with thresholds from their own noise.

Averaging reduces noise far more than differences that extend over several pixels, so thresholds can be lower. Levels
are float32 `(t, h, w)`, valid where `known` is true.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .differencing import thresholds
from .medians import lower_median
from .options import ThresholdOptions

Levels = NDArray[np.float32]
Known = NDArray[np.bool_]

_ENOUGH = 10_000  # pixels that a median is computed from


def box_average(levels: NDArray[np.uint8], radius: int) -> Levels:
    """Return the means over squares of `2 radius + 1` pixels of uint8 `(h, w)`, with replicated borders."""
    side = 2 * radius + 1
    if side == 1:
        return levels.astype(np.float32)
    found = np.pad(levels, radius, mode="edge").astype(np.uint32)
    height, width = levels.shape
    found = sum((found[step : step + height] for step in range(1, side)), found[:height])
    found = sum((found[:, step : step + width] for step in range(1, side)), found[:, :width])
    return found * np.float32(1 / side**2)


def level_thresholds(levels: Levels, known: Known, options: ThresholdOptions) -> NDArray[np.float64]:
    """Return the threshold of each frame `(t,)` by `threshold_rule`, from its known levels."""
    if options.threshold_rule == "otsu":
        seen = [np.minimum(np.rint(_seen(*pair)), 255).astype(np.int64) for pair in zip(levels, known, strict=True)]
        return thresholds(np.stack([np.bincount(one, minlength=256) for one in seen]), options)
    found = np.full(len(levels), options.threshold, np.float64)
    if options.threshold_rule == "mad":
        for place, pair in enumerate(zip(levels, known, strict=True)):
            one = _seen(*pair)
            middle = lower_median(one)
            spread = 1.4826 * lower_median(np.abs(one - middle))
            found[place] = max(found[place], middle + options.mad_factor * spread)
    return found


def level_cuts(levels: Levels, known: Known, limit: float) -> Known:
    """Return bool `(t,)`: whether the mean of `|level - median|` exceeds `limit` grey levels; 0: none does."""
    if limit == 0:
        return np.zeros(len(levels), np.bool_)
    means = [float(np.abs(seen - lower_median(seen)).mean()) for seen in map(_seen, levels, known)]
    return np.array(means) > limit


def _seen(levels: Levels, known: Known) -> Levels:
    """Return the known levels of one frame, subsampled evenly if there are many; all levels if none is known."""
    step = max(1, int((levels.size / _ENOUGH) ** 0.5))
    seen = levels[::step, ::step][known[::step, ::step]]
    return seen if seen.size else levels.ravel()
