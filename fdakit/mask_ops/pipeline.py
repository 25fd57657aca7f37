"""From levels of change to masks: threshold, cut, soft alpha, cleaning, fallback, with one set of options."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .backend import MaskBackend
from .differencing import histogram_cuts, soft_strength, thresholds
from .options import PostprocessOptions, ThresholdOptions
from .postprocess import Masks, postprocess_masks


class ChangeOptions(ThresholdOptions, PostprocessOptions):
    """What a mask that thresholds whole grey levels of change is told."""


def threshold_changes(
    changes: Any,
    *,
    options: ChangeOptions,
    engine: MaskBackend,
    shape: tuple[int, int],
    cut: NDArray[np.bool_] | None = None,
) -> Masks:
    """Levels uint8 `(t, h, w)` of the engine -> masks of `shape (h, w)`.

    `cut (t,)` says which frames were compared with another scene; left out, that is found by the rule `level`.
    Levels are counted only where the threshold adapts or cuts are looked for: with OpenCV that costs as much as all
    the rest.
    """
    cutting = cut is None and options.fallback != "none" and options.cut > 0
    counted = cutting or options.threshold_rule != "fixed"
    counts = engine.counts(changes) if counted else np.ones((len(changes), 256), np.int64)
    limits = thresholds(counts, options)
    return postprocess_masks(
        engine.above(changes, limits),
        options=options,
        engine=engine,
        shape=shape,
        strength=soft_strength(engine.numpy(changes), limits) if options.alpha == "soft" else None,
        cut=histogram_cuts(counts, options.cut) if cutting else cut,
    )
