"""Vectors in place of a matrix: only of a matcher whose products are its scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from fdakit import PluginError
from fdakit.builtin.matchers.cosine import COSINE
from fdakit.evaluation.scoring import product_vectors
from fdakit.plugin import TextFeatures, VideoFeatures
from fdakit.testing import build_part

TEXTS, VIDEOS = TextFeatures(torch.randn(12, 4)), VideoFeatures.of_clips(torch.randn(10, 4))


class Comparing:
    """Scores by cosine; its vectors are changed."""

    def __init__(self, change: Callable[[torch.Tensor], Any]) -> None:
        own: Any = build_part(COSINE)
        self.scores = own.score
        self.matcher: Any = type("Changed", (type(own),), {"product_vectors": lambda self, v: change(v)})()


def test_products_of_cosines_vectors_are_the_scores() -> None:
    unit = torch.nn.functional.normalize
    rows, columns = product_vectors(Comparing(lambda v: unit(v, dim=-1)), TEXTS, VIDEOS, label="matcher 'mine'")
    np.testing.assert_allclose(rows @ columns.T, build_part(COSINE).score(TEXTS, VIDEOS), atol=1e-6)


@pytest.mark.parametrize(
    "change", [lambda v: v.abs(), lambda v: v[:3], lambda v: v[:, :3], lambda v: None, lambda v: 1 / 0]
)
def test_a_matcher_whose_products_are_no_scores_is_named(change: Callable[[torch.Tensor], Any]) -> None:
    with pytest.raises(PluginError, match=r"^matcher 'mine' failed in product_vectors: "):
        product_vectors(Comparing(change), TEXTS, VIDEOS, label="matcher 'mine'")
