"""Moment retrieval: predicted windows of time against the true ones of a query, as QVHighlights' script has it.

A window is `(start, end)` in seconds. Sources: recall as in Gao et al., *TALL: Temporal Activity Localization via
Language Query*, ICCV 2017; with several true windows, and average precision, as in Lei et al., *QVHighlights:
Detecting Moments and Highlights in Videos via Natural Language Queries*, NeurIPS 2021, and `standalone_eval/` of
github.com/jayleicn/moment_detr. All functions take windows in the order of their scores: see `ranked_overlaps`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.errors import ScoreError

Floats = NDArray[np.float64]

DEPTH = 10
"""Windows of a query that count: those with the highest scores."""
CUTOFFS = (1, 5, 10)
RECALL_AT = (0.3, 0.5, 0.7)
PRECISION_AT = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
LENGTHS: Mapping[str, tuple[float, float]] = {"short": (0, 10), "middle": (10, 30), "long": (30, inf)}
"""True windows by their length in seconds, above the first number and up to the second; QVHighlights ends at 150."""


def temporal_iou(windows: Floats, moments: Floats) -> Floats:
    """Return intersection over union `(n, m)` of `windows (n, 2)` with `moments (m, 2)`, in [0, 1].

    It is 0 for a window that does not end after it starts, whatever it lies in.
    """
    starts, ends = windows[:, :1], windows[:, 1:]
    shared = np.clip(np.minimum(ends, moments[:, 1]) - np.maximum(starts, moments[:, 0]), 0, None)
    union = (ends - starts) + (moments[:, 1] - moments[:, 0]) - shared
    found = np.zeros(shared.shape)
    np.divide(shared, union, out=found, where=(shared > 0) & (ends > starts))
    return found


def ranked_overlaps(predicted: Floats, moments: Floats, *, depth: int = DEPTH) -> Floats:
    """Return the IoU `(k, m)` of the `depth` best windows, k of them, with the true `moments (m, 2)`, best first.

    `predicted (n, 3)` are start, end and score; equal scores stay in the order given. A window in another video than
    the true ones has a row of zeros.
    """
    order = np.argsort(-predicted[:, 2], kind="stable")[:depth]
    return temporal_iou(predicted[order, :2], moments)


def of_length(moments: Floats, bounds: tuple[float, float]) -> NDArray[np.bool_]:
    """Return which of `moments (m, 2)` are longer than the first of the bounds and not longer than the second."""
    lengths = moments[:, 1] - moments[:, 0]
    return (lengths > bounds[0]) & (lengths <= bounds[1])


def moment_metrics(overlaps: Sequence[Floats]) -> dict[str, float]:
    """Return the means over all queries of `moment_values`, in percent, unrounded."""
    return {name: float(values.mean()) for name, values in moment_values(overlaps).items()}


def moment_values(overlaps: Sequence[Floats]) -> dict[str, Floats]:
    """Return what each query counts `(q,)`, in percent; `overlaps` holds one `ranked_overlaps` a query.

    `R1@0.3` to `R10@0.7`: 100 if one of the first 1, 5 or 10 windows has at least this IoU with any true one.
    `mAP@0.5`, `mAP@0.75`: average precision at this IoU; `mAP`: its mean over 0.5, 0.55, ... 0.95. `mIoU`: the best
    IoU of the first window with a true one. A query without windows counts 0 everywhere.

    Average precision of a query: its windows are taken in their order, and each is right if a true window is left
    that it overlaps by at least the threshold; it takes the one with the highest IoU, of equal ones the last. Each
    true window is taken once at most, at each threshold anew. The average is that of VOC 2011: at each right window
    the highest precision from there on, summed, and divided by the number of true windows.

    Raises `ScoreError` if there is no query, or one without a true window.
    """
    if not overlaps:
        raise ScoreError("moments: no query; give annotations with moments")
    without = [row for row, found in enumerate(overlaps) if found.shape[1] == 0]
    if without:
        raise ScoreError(
            f"moments: {len(without)} of {len(overlaps)} queries have no true window, first row {without[0]}; "
            "leave them out"
        )
    padded = _padded(overlaps)
    best = padded.max(axis=2, initial=0.0)
    found = {f"R{k}@{bound}": _percent(best[:, :k].max(axis=1) >= bound) for k in CUTOFFS for bound in RECALL_AT}
    counts = np.array([each.shape[1] for each in overlaps])
    precision = {bound: _percent(_average_precision(_matched(padded, bound), counts)) for bound in PRECISION_AT}
    found["mAP"] = np.stack(list(precision.values())).mean(axis=0)
    return found | {f"mAP@{bound}": precision[bound] for bound in (0.5, 0.75)} | {"mIoU": _percent(best[:, 0])}


def _percent(values: NDArray[Any]) -> Floats:
    return 100.0 * values.astype(np.float64)


def _padded(overlaps: Sequence[Floats]) -> Floats:
    """Return all overlaps `(q, k, m)`, k at least 1, with -1 where a query has fewer windows or moments."""
    ranks, moments = (max(found.shape[axis] for found in overlaps) for axis in (0, 1))
    padded = np.full((len(overlaps), max(1, ranks), moments), -1.0)
    for row, found in enumerate(overlaps):
        padded[row, : found.shape[0], : found.shape[1]] = found
    return padded


def _matched(overlaps: Floats, bound: float) -> NDArray[np.bool_]:
    """Return which windows `(q, k)` are right at a threshold above 0, for `overlaps (q, k, m)`."""
    queries, ranks, moments = overlaps.shape
    rows = np.arange(queries)
    free = np.ones((queries, moments), np.bool_)
    right = np.zeros((queries, ranks), np.bool_)
    for rank in range(ranks):
        left = np.where(free, overlaps[:, rank], -1.0)
        taken = moments - 1 - left[:, ::-1].argmax(axis=1)
        right[:, rank] = left[rows, taken] >= bound
        free[rows, taken] &= ~right[:, rank]
    return right


def _average_precision(right: NDArray[np.bool_], counts: NDArray[np.int64]) -> Floats:
    """Return the interpolated average precision `(q,)` of windows `right (q, k)` with `counts (q,)` true ones."""
    precision = right.cumsum(axis=1) / np.arange(1, right.shape[1] + 1)
    onwards = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    return np.asarray((onwards * right).sum(axis=1) / counts, np.float64)
