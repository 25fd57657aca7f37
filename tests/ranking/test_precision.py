"""Ranks from vectors are those of full precision, whatever the program around allows, and it gets its choice back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fdakit.ranking.precision import full_precision
from fdakit.ranking.streamed import Vectors, rank_vectors


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    rng = np.random.default_rng(0)
    videos = rng.standard_normal((1500, 64)).astype(np.float32)
    texts = videos + rng.normal(0, 2, videos.shape).astype(np.float32)
    return Vectors(texts, videos, np.arange(1500), np.zeros(1500, np.bool_))


def allowed() -> list[object]:
    """What products may do, by the old switch for all and by the new ones where this torch has them."""
    backends = torch.backends.cuda.matmul, getattr(torch.backends.mkldnn, "matmul", None)
    return [torch.get_float32_matmul_precision(), *(getattr(one, "fp32_precision", None) for one in backends)]


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_ranks_do_not_depend_on_the_precision_that_others_allow(vectors: Vectors, precision: str) -> None:
    wanted = rank_vectors(vectors)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision(precision)
        given = allowed()
        with torch.autocast("cpu", torch.bfloat16):
            found = rank_vectors(vectors)
            assert torch.is_autocast_enabled("cpu")
        assert allowed() == given
    finally:
        torch.set_float32_matmul_precision(before)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one.better, other.better)


def test_the_precision_is_put_back_after_a_failure() -> None:
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        given = allowed()
        with pytest.raises(KeyError), full_precision("cpu"):
            raise KeyError
        assert allowed() == given
    finally:
        torch.set_float32_matmul_precision(before)
