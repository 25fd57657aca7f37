"""Similarities of captions and videos: the whole matrix if it fits, else ranked in tiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fdakit.choices import VideoToTextRule
from fdakit.errors import PartError, attribute_errors
from fdakit.features import TextFeatures, VideoFeatures
from fdakit.plugin.abilities import InnerProduct
from fdakit.plugin.contracts import DIRECTIONS, Direction, Progress
from fdakit.query_ranks import Ranking
from fdakit.ranking.ranks import rank_captions, rank_videos
from fdakit.ranking.scored_tiles import Pairs
from fdakit.ranking.streamed import Vectors, rank_pairs, rank_vectors
from fdakit.values import Scores

if TYPE_CHECKING:
    from fdakit.inference.score_matrix import Scorer

Similarities = Scores | Vectors | Pairs
Rankings = Mapping[Direction, Ranking]
_TRIED = 8  # texts and videos whose products are compared with their scores


def product_vectors(
    scorer: Scorer, texts: TextFeatures, videos: VideoFeatures, *, label: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return texts `(q, d)` and videos `(v, d)` whose inner products are the scores, which is tried on a few.

    Raises `PartError` naming the matcher if they are not, and `TypeError` for one that is no inner product.
    """
    matcher, where = scorer.matcher, "in product_vectors"
    if not isinstance(matcher, InnerProduct):
        raise TypeError(f"{label} is no InnerProduct")
    with attribute_errors(label, where):
        rows, columns = (matcher.product_vectors(vectors).float() for vectors in (texts.vectors, videos.vector))
    counts = len(rows), len(columns)
    few = slice(_TRIED)
    tried = scorer.scores(texts.rows(few), videos.rows(few)).cpu()
    same = counts == (len(texts.vectors), len(videos.vectors)) and rows.shape[1:] == columns.shape[1:]
    if not same or not tried.allclose(rows[few] @ columns[few].T, rtol=1e-4, atol=1e-4):
        raise PartError(f"{label} failed {where}: inner products of its vectors are not its scores")
    return rows.numpy(), columns.numpy()


def rank_both_directions(
    similarities: Similarities, *, mode: VideoToTextRule, device: str = "cpu", progress: Progress | None = None
) -> dict[Direction, Ranking]:
    """Return the rankings of both directions; vectors are multiplied on the device."""
    if isinstance(similarities, Vectors):
        captions, videos = rank_vectors(similarities, mode=mode, device=device, progress=progress)
        return {"t2v": captions, "v2t": videos}
    if isinstance(similarities, Pairs):
        captions, videos = rank_pairs(similarities, mode=mode, progress=progress)
        return {"t2v": captions, "v2t": videos}
    return {way: rank(similarities, way, mode=mode) for way in DIRECTIONS}


def rank(scores: Scores, direction: Direction, *, mode: VideoToTextRule) -> Ranking:
    """Return the ranking of one direction; `mode` is the rule for several captions of a video, video to text."""
    return rank_captions(scores) if direction == "t2v" else rank_videos(scores, mode=mode)
