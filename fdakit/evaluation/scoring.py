"""Similarities of captions and videos: the whole matrix if it fits, else ranked in tiles."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fdakit.choices import VideoToTextRule
from fdakit.features import TextFeatures, VideoFeatures
from fdakit.plugin.abilities import InnerProduct
from fdakit.plugin.contracts import DIRECTIONS, Direction, Progress
from fdakit.query_ranks import Ranking
from fdakit.ranking.ranks import rank_captions, rank_videos
from fdakit.ranking.scored_tiles import Pairs
from fdakit.ranking.streamed import Vectors, rank_pairs, rank_vectors
from fdakit.values import Scores

Similarities = Scores | Vectors | Pairs
Rankings = Mapping[Direction, Ranking]


def product_vectors(
    matcher: InnerProduct, texts: TextFeatures, videos: VideoFeatures
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return texts `(q, d)` and videos `(v, d)` whose inner products are the scores."""
    return matcher.product_vectors(texts.vectors).numpy(), matcher.product_vectors(videos.vector).numpy()


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
