"""The score matrix in blocks: equal to the whole, and within the room it is given."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from fdakit.builtin.matchers.cosine import COSINE
from fdakit.builtin.matchers.mean_max_sim import MEAN_MAX_SIM
from fdakit.inference.score_matrix import score_matrix
from fdakit.model.retriever import Retriever
from fdakit.plugin import Ranking, Scores, TextFeatures, VideoFeatures
from fdakit.ranking.ranks import rank_captions, rank_videos
from fdakit.testing import build_part

CPU = torch.device("cpu")


class Attending:
    """A matcher as X-Pool's: frames weighted by the text, `(q, v, d)` at once."""

    stores, needs_tokens = "vectors", False

    def __init__(self) -> None:
        self.largest = 0

    def score(self, texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
        weights = torch.einsum("qd,vmd->qvm", texts.vectors, videos.vectors)
        weights = weights.masked_fill(~videos.valid, -torch.inf).softmax(-1)
        pooled = torch.einsum("qvm,vmd->qvd", weights, videos.vectors)
        self.largest = max(self.largest, weights.numel() + pooled.numel())
        return torch.nn.functional.cosine_similarity(texts.vectors[:, None], pooled, dim=-1)


class Comparing:
    """A retriever of which only the matcher is looked at."""

    def __init__(self, matcher: Any) -> None:
        self.matcher = matcher

    def scores(self, texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
        found: torch.Tensor = self.matcher.score(texts, videos)
        return found


def of(matcher: Any) -> Retriever:
    return cast(Retriever, Comparing(matcher))


def features(texts: int, videos: int, *, vectors: int = 6, width: int = 8) -> tuple[TextFeatures, VideoFeatures]:
    generator = torch.Generator().manual_seed(texts * 100 + videos)
    asked = torch.randn(texts, width, generator=generator)
    tokens = torch.randn(texts, 4, width, generator=generator)
    shown = torch.randn(videos, vectors, width, generator=generator)
    valid = torch.rand(videos, vectors, generator=generator) < 0.7
    valid[:, 0] = True
    return TextFeatures(asked, tokens, torch.ones(texts, 4, dtype=torch.bool)), VideoFeatures(shown, valid)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 3000))
@settings(deadline=None, max_examples=40)
def test_blocks_of_any_size_give_the_whole_matrix(texts: int, videos: int, room: int) -> None:
    asked, shown = features(texts, videos)
    for matcher in (Attending(), build_part(MEAN_MAX_SIM)):
        whole = matcher.score(asked, shown).numpy()
        np.testing.assert_allclose(score_matrix(of(matcher), asked, shown, device=CPU, room=room), whole, atol=1e-5)
    clips = VideoFeatures.of_clips(shown.vectors[:, 0])
    cosine = build_part(COSINE)
    found = score_matrix(of(cosine), asked, clips, device=CPU, room=room)
    np.testing.assert_allclose(found, cosine.score(asked, clips).numpy(), atol=1e-6)


def ranked(matrix: np.ndarray) -> tuple[Ranking, Ranking]:
    scores = Scores(matrix, np.arange(len(matrix)) % matrix.shape[1], np.zeros(matrix.shape[1], np.bool_))
    return rank_captions(scores), rank_videos(scores)


@pytest.mark.parametrize("room", [2_000, 50_000])
def test_attention_by_text_stays_in_its_room_and_ranks_as_the_whole(room: int) -> None:
    asked, shown = features(150, 90)
    whole, blocked = Attending(), Attending()
    wanted = whole.score(asked, shown).numpy()
    asked = TextFeatures(asked.vectors)
    found = score_matrix(of(blocked), asked, shown, device=CPU, room=room)
    assert blocked.largest <= room < whole.largest
    for one, other in zip(ranked(found), ranked(wanted), strict=True):
        np.testing.assert_array_equal(one.better, other.better)
        np.testing.assert_array_equal(one.equal, other.equal)


def test_one_block_where_there_is_room() -> None:
    asked, shown = features(7, 5)
    clips = VideoFeatures.of_clips(shown.vectors[:, 0])
    cosine = build_part(COSINE)
    assert (score_matrix(of(cosine), asked, clips, device=CPU) == cosine.score(asked, clips).numpy()).all()
