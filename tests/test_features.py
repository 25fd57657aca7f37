"""Features: rows that are joined, taken apart and moved as a whole."""

from __future__ import annotations

import torch

from fdakit.plugin import TextFeatures, VideoFeatures


def texts(count: int, length: int) -> TextFeatures:
    mask = torch.ones(count, length, dtype=torch.bool)
    return TextFeatures(torch.randn(count, 4), torch.randn(count, length, 4), mask, ids=mask.long())


def test_texts_of_different_lengths_are_joined_with_padded_tokens() -> None:
    one, other = texts(2, 3), texts(1, 5)
    whole = TextFeatures.cat([one, other])
    assert whole.tokens is not None
    assert whole.mask is not None
    assert one.tokens is not None
    assert whole.tokens.shape == (3, 5, 4)
    assert whole.mask.tolist() == [[True] * 3 + [False] * 2] * 2 + [[True] * 5]
    assert torch.equal(whole.tokens[:2, :3], one.tokens)
    assert whole.cut is None
    assert TextFeatures.cat([TextFeatures(torch.zeros(2, 4)), other]).tokens is None


def test_videos_of_different_numbers_of_vectors_are_joined_and_an_absent_row_has_none() -> None:
    one = VideoFeatures(torch.randn(2, 3, 4), torch.ones(2, 3, dtype=torch.bool), kind="patch")
    other = VideoFeatures(torch.randn(1, 1, 4), torch.ones(1, 1, dtype=torch.bool), kind="patch")
    whole = VideoFeatures.cat([one, other])
    assert (whole.vectors.shape, whole.kind) == ((3, 3, 4), "patch")
    assert whole.valid.sum(1).tolist() == [3, 3, 1]
    taken = whole.rows(torch.tensor([2, -1, 0]))
    assert taken.valid.sum(1).tolist() == [1, 0, 3]
    assert torch.equal(taken.vectors[2], whole.vectors[0])
    assert not whole.without_vectors().valid.any()
