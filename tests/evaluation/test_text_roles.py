"""An encoder that encodes queries otherwise than documents: each direction is ranked by its own vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from fdakit.evaluation.evaluator import EvaluationResult, Evaluator
from fdakit.inference.factory import build_retriever
from fdakit.plugin import Scores, Split, TextFeatures
from fdakit.ranking.ranks import rank_captions, rank_videos
from fdakit.recipe.recipe import Recipe

pytestmark = pytest.mark.integration

CPU = torch.device("cpu")
PAIRS = (("red-across", "a red square"), ("blue-down", "a blue square"), ("pink-down", "a square"))


@pytest.fixture
def evaluated(
    make_recipe: Callable[..., Recipe], split: Callable[..., Split], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., EvaluationResult]:
    """Evaluates three pairs with documents that differ from queries by some factor of their first number."""

    def evaluate(*, asymmetric: bool) -> EvaluationResult:
        recipe = make_recipe()
        retriever = build_retriever(recipe, device=CPU)
        encoder: Any = retriever.encoder
        plain = type(encoder).encode_texts

        def encode_texts(self: Any, texts: Sequence[str], role: str = "query") -> TextFeatures:
            found = plain(self, texts)
            shift = torch.zeros_like(found.vectors)
            shift[:, 0] = 9.0 if role == "document" else 0.0
            return TextFeatures(found.vectors + shift)

        monkeypatch.setattr(type(encoder), "encode_texts", encode_texts)
        if asymmetric:
            encoder.asymmetric, encoder.instructions = True, {"query": "find:", "document": ""}
        return Evaluator.of(recipe, split(*PAIRS), retriever, device=CPU, progress=lambda *told: None).run(retriever)

    return evaluate


def matrix(found: Any) -> Scores:
    assert isinstance(found, Scores)
    return found


def test_captions_are_queries_one_way_and_documents_the_other(evaluated: Callable[..., EvaluationResult]) -> None:
    found = evaluated(asymmetric=True)
    queries, documents = matrix(found.scores["none"]), matrix(found.document_scores["none"])
    assert not np.allclose(queries.matrix, documents.matrix, atol=1e-2)
    rankings = found.rankings["none"]
    np.testing.assert_array_equal(rankings["t2v"].better, rank_captions(queries).better)
    np.testing.assert_array_equal(rankings["v2t"].better, rank_videos(documents).better)
    assert found.cut is None  # this encoder does not tell


def test_an_encoder_without_roles_is_asked_once(evaluated: Callable[..., EvaluationResult]) -> None:
    found = evaluated(asymmetric=False)
    assert found.document_scores == {}
    np.testing.assert_array_equal(
        found.rankings["none"]["v2t"].better, rank_videos(matrix(found.scores["none"])).better
    )
