"""dsl: dual softmax. A caption's score for a video is weighed by how much of all captions' interest in it is its own.

With S cosines of captions q and videos v and temperature T = 100:

    text to video   S'[q, v] = S[q, v] * exp(T S[q, v]) / sum over captions q' of exp(T S[q', v]), ranked in rows
    video to text   S'[q, v] = S[q, v] * exp(T S[q, v]) / sum over videos  v' of exp(T S[q, v']), ranked in columns

Source: Cheng et al., *Improving Video-Text Retrieval by Multi-Stream Corpus Alignment and Dual Softmax Loss*, arXiv
2109.04290 (CAMoE), used at test time. It needs all queries at once, so a search that answers one query after another
cannot have it, and it takes each video to have one query, which is wrong where videos have many captions (MSVD).
CLIP-ViP and T-MASS rank the text-to-video scores in columns too: `video_to_text = "transposed"`. While cosines are
positive that changes no rank, because within a column the divisor is constant.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fdakit.plugin import BuildContext, Component, Direction, Options, Rescorer, Scores, hookimpl


class DslOptions(Options):
    """The temperature, and the scores used for video to text."""

    temperature: float = Field(100.0, gt=0, description="factor on the cosines before the softmax")
    video_to_text: Literal["own", "transposed"] = Field(
        "own",
        description="own: softmax over the videos; transposed: the text-to-video scores again, as CLIP-ViP does",
    )


class Dsl:
    """Dual softmax of a score matrix."""

    needs_all_queries = True
    needs_bank = False
    directions: tuple[Direction, ...] = ("t2v", "v2t")

    def __init__(self, options: DslOptions) -> None:
        self._temperature = options.temperature
        self._own = options.video_to_text == "own"

    def __call__(self, scores: Scores, bank: NDArray[np.float32] | None, direction: Direction) -> Scores:
        """Return scores float64 of the same shape; columns of unreadable videos are zero and have no effect."""
        over_videos = direction == "v2t" and self._own
        live = np.flatnonzero(~scores.lost)
        cosines = scores.matrix[:, live].astype(np.float64)
        matrix = np.zeros(scores.matrix.shape)
        matrix[:, live] = cosines * _softmax(self._temperature * cosines, axis=1 if over_videos else 0)
        return replace(scores, matrix=matrix)

    def remarks(self, scores: Scores) -> Iterable[str]:
        """Return a warning if videos have several captions."""
        if len(np.unique(scores.owners)) < len(scores.owners):
            yield "dual softmax assumes one caption a video, and here some have several"


def _softmax(logits: NDArray[np.float64], *, axis: int) -> NDArray[np.float64]:
    """Return the softmax `(q, v)` along an axis; the largest logit is subtracted first, against overflow."""
    weights = np.exp(logits - logits.max(axis=axis, keepdims=True, initial=-np.inf))
    return np.asarray(weights / weights.sum(axis=axis, keepdims=True))


def build(options: DslOptions, shapes: BuildContext) -> Rescorer:
    """Return the rescorer; nothing is learned."""
    return Dsl(options)


DSL = Component(
    "dsl", "dual softmax: popular videos are shared among the queries; needs all of them", DslOptions, build
)


@hookimpl
def fdakit_rescorers() -> Iterable[Component[Any, Rescorer]]:
    """Offer `dsl`."""
    return (DSL,)
