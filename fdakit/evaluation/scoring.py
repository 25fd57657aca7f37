"""Similarities of captions and videos: the whole matrix if it fits, else vectors that are ranked in tiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fdakit.choices import VideoToTextRule
from fdakit.plugin.contracts import DIRECTIONS, Direction, Progress
from fdakit.ranking.ranks import Ranking, rank_captions, rank_videos
from fdakit.ranking.streamed import Vectors, rank_vectors
from fdakit.values import FrameFeatures, Scores, TextFeatures

if TYPE_CHECKING:
    import torch

    from fdakit.model.retriever import Retriever

Similarities = Scores | Vectors
Rankings = Mapping[Direction, Ranking]


def score_matrix(
    retriever: Retriever, frames: FrameFeatures, texts: TextFeatures, *, block: int
) -> NDArray[np.float32]:
    """Return cosines `(q, v)` float32; text-conditioned aggregators get `block` texts at a time."""
    if not retriever.text_conditioned:
        return retriever.scores(retriever.video_vectors(frames), texts).float().cpu().numpy()
    rows = []
    for start in range(0, len(texts.vectors), block):
        chosen = _sliced(texts, slice(start, start + block))
        rows.append(retriever.scores(retriever.video_vectors(frames, chosen), chosen).float().cpu().numpy())
    return np.concatenate(rows)


def unit_vectors(
    retriever: Retriever, frames: FrameFeatures, texts: TextFeatures
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return texts `(q, d)` and videos `(v, d)` of unit length, whose products are the cosines."""
    from torch import nn

    found = (texts.vectors, retriever.video_vectors(frames))
    first, second = (nn.functional.normalize(vectors.float(), dim=-1) for vectors in found)
    return first, second


def rank_both_directions(
    similarities: Similarities, *, mode: VideoToTextRule, device: str = "cpu", progress: Progress | None = None
) -> dict[Direction, Ranking]:
    """Return the rankings of both directions; vectors are multiplied on the device."""
    if isinstance(similarities, Vectors):
        captions, videos = rank_vectors(similarities, mode=mode, device=device, progress=progress)
        return {"t2v": captions, "v2t": videos}
    return {way: rank(similarities, way, mode=mode) for way in DIRECTIONS}


def rank(scores: Scores, direction: Direction, *, mode: VideoToTextRule) -> Ranking:
    """Return the ranking of one direction; `mode` is the rule for several captions of a video, video to text."""
    return rank_captions(scores) if direction == "t2v" else rank_videos(scores, mode=mode)


def _sliced(texts: TextFeatures, rows: slice) -> TextFeatures:
    return TextFeatures(texts.vectors[rows], texts.ids[rows], texts.mask[rows], texts.cut[rows])
