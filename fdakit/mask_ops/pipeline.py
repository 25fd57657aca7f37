"""From difference levels to masks: threshold, cut, soft alpha, cleaning, fallback, with one set of options."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .backend import MaskBackend
from .differencing import histogram_cuts, soft_strength, thresholds
from .options import PostprocessOptions, ThresholdOptions
from .postprocess import Masks, postprocess_masks


class ChangeOptions(ThresholdOptions, PostprocessOptions):
    """The options of a mask that thresholds integer difference levels."""


def threshold_changes(
    changes: Any,
    *,
    options: ChangeOptions,
    backend: MaskBackend,
    shape: tuple[int, int],
    cut: NDArray[np.bool_] | None = None,
) -> Masks:
    """Return masks of `shape (h, w)` from difference levels uint8 `(t, h, w)` in a backend's arrays.

    `cut (t,)` marks frames that were compared with another scene; if left out, they are found by the rule `level`.
    Histograms are computed only if the threshold adapts or cuts are looked for: with OpenCV that costs as much as all
    the rest.
    """
    cutting = cut is None and options.fallback != "none" and options.cut > 0
    counted = cutting or options.threshold_rule != "fixed"
    counts = backend.counts(changes) if counted else np.ones((len(changes), 256), np.int64)
    limits = thresholds(counts, options)
    return postprocess_masks(
        backend.above(changes, limits),
        options=options,
        backend=backend,
        shape=shape,
        strength=soft_strength(backend.numpy(changes), limits) if options.alpha == "soft" else None,
        cut=histogram_cuts(counts, options.cut) if cutting else cut,
    )
