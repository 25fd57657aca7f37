"""qb-norm: Querybank Normalisation. Videos that answer everything are held back, by a bank of training captions.

With S cosines of test captions and videos, B those of the bank's captions and the same videos, A the videos that are
among the `top` best of any caption of the bank: where the best video of a caption lies in A, its whole row becomes

    S'[q, v] = exp(beta S[q, v]) / sum over the bank's captions b of exp(beta B[b, v])

and other rows stay as they are. Rows end on different scales, so only ranks within a row mean anything: there is no
video to text. A query needs no other query, and the sums can be kept beside an index: usable online.
Source: Bogolin et al., *Cross Modal Retrieval with Querybank Normalisation*, CVPR 2022 (dynamic inverted softmax).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fdakit.plugin import BuildContext, Component, Direction, IdleIf, Options, Rescorer, ScoreError, Scores, hookimpl


class QbNormOptions(Options):
    """Sharpness, activation, and whether the gate is used."""

    beta: float = Field(
        20.0, gt=0, description="factor on the cosines; published: 20, 1/1.99 (CLIP2Video), 0.8 (CLIP4Clip on LSMDC)"
    )
    top: Annotated[int, IdleIf(gate=False)] = Field(
        1, ge=1, le=1_000_000, description="videos of each bank caption that count as activated"
    )
    gate: bool = Field(
        True, description="only captions whose best video is activated; false: inverted softmax of all"
    )


class QbNorm:
    """Querybank normalisation of a score matrix."""

    needs_all_queries = False
    needs_bank = True
    directions: tuple[Direction, ...] = ("t2v",)

    def __init__(self, options: QbNormOptions) -> None:
        self._options = options

    def __call__(self, scores: Scores, bank: NDArray[np.float32] | None, direction: Direction) -> Scores:
        """Return scores float64 of the same shape, to be ranked within rows.

        Raises `ScoreError` if the bank is absent, does not fit, or the scores are not cosines.
        """
        known = _checked(scores, bank)
        live = np.flatnonzero(~scores.lost)
        raw, bank_rows = scores.matrix[:, live].astype(np.float64), known[:, live].astype(np.float64)
        logits = self._options.beta * bank_rows
        highest = logits.max(axis=0)
        sums = highest + np.log(np.exp(logits - highest).sum(axis=0))  # of exp(beta B), as a logarithm
        rows = np.flatnonzero(self._gated(raw, bank_rows)) if self._options.gate else np.arange(len(raw))
        raw[rows] = np.exp(self._options.beta * raw[rows] - sums)
        matrix = np.zeros(scores.matrix.shape)
        matrix[:, live] = raw
        return replace(scores, matrix=matrix)

    def _gated(self, raw: NDArray[np.float64], bank: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which captions `(q,)` have an activated video as their best."""
        top = min(self._options.top, bank.shape[1])
        activated = np.zeros(bank.shape[1], np.bool_)
        activated[np.argsort(-bank, axis=1, kind="stable")[:, :top]] = True
        return np.asarray(activated[raw.argmax(axis=1)])


def _checked(scores: Scores, bank: NDArray[np.float32] | None) -> NDArray[np.float32]:
    videos = scores.matrix.shape[1]
    if bank is None or bank.ndim != 2 or bank.shape[1] != videos or not len(bank):
        found = "none" if bank is None else f"{bank.shape}"
        raise ScoreError(f"qb-norm: bank {found}; give similarities of training captions to the {videos} videos")
    live = ~scores.lost
    for name, matrix in (("scores", scores.matrix[:, live]), ("bank", bank[:, live])):
        if not np.isfinite(matrix).all() or np.abs(matrix).max(initial=0.0) > 1.001:
            raise ScoreError(f"qb-norm: {name} beyond -1 to 1; give finite cosines, not logits")
    return bank


def build(options: QbNormOptions, shapes: BuildContext) -> Rescorer:
    """Return the rescorer; nothing is learned."""
    return QbNorm(options)


QB_NORM = Component(
    "qb-norm", "demote videos that are close to every caption, by a bank of training captions", QbNormOptions, build
)


@hookimpl
def fdakit_rescorers() -> Iterable[Component[Any, Rescorer]]:
    """Offer `qb-norm`."""
    return (QB_NORM,)
