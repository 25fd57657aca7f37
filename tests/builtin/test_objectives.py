"""`symmetric-contrastive` against a plain telling of cross-entropy, and its scale."""

from __future__ import annotations

from math import exp, log
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from fdakit.builtin.matchers.cosine import COSINE
from fdakit.builtin.objectives.symmetric_contrastive import SYMMETRIC_CONTRASTIVE
from fdakit.plugin import PairFeatures, TextFeatures, VideoFeatures
from fdakit.testing.building import build_part
from fdakit.testing.vectors import check_objective

COSINE_MATCHER: Any = build_part(COSINE)
ANY: Any = None  # the objective looks at neither frames nor batch


def loss_of(objective: Any, texts: torch.Tensor, videos: torch.Tensor) -> float:
    compared = PairFeatures(ANY, VideoFeatures.of_clips(videos), TextFeatures(texts), ANY, COSINE_MATCHER.score)
    losses = objective(compared)
    assert list(losses) == ["contrastive"]
    return float(losses["contrastive"].detach())


def told(texts: np.ndarray, videos: np.ndarray, scale: float, smoothing: float) -> float:
    """Mean of both directions' cross-entropies, in double precision."""
    left = texts / np.linalg.norm(texts, axis=-1, keepdims=True)
    right = videos / np.linalg.norm(videos, axis=-1, keepdims=True)
    logits = scale * left @ right.T
    total = 0.0
    for rows in (logits, logits.T):
        for place, row in enumerate(rows):
            logs = row - row.max() - np.log(np.exp(row - row.max()).sum())
            total -= (1 - smoothing) * logs[place] + smoothing * logs.mean()
    return total / len(logits) / 2


@given(st.integers(1, 7), st.floats(0.1, 100), st.sampled_from([0.0, 0.1, 0.5]), st.integers(0, 99))
@settings(deadline=None)
def test_it_equals_the_formula(count: int, scale: float, smoothing: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    texts = rng.normal(size=(count, 6))
    videos = rng.normal(size=(count, 6))
    objective = build_part(SYMMETRIC_CONTRASTIVE, scale=scale, label_smoothing=smoothing)
    found = loss_of(objective, torch.from_numpy(texts).float(), torch.from_numpy(videos).float())
    assert found == pytest.approx(told(texts, videos, scale, smoothing), rel=1e-4, abs=1e-4)


def test_the_scale_begins_where_it_is_told_to() -> None:
    encoder = SimpleNamespace(logit_scale=log(50))
    assert build_part(SYMMETRIC_CONTRASTIVE).logit_scale.exp().item() == pytest.approx(1 / 0.07)
    for options, expected in (({}, 50), ({"scale": 20.0}, 20), ({"max_scale": 30.0}, 30)):
        objective = build_part(SYMMETRIC_CONTRASTIVE, **options)
        objective.start_from(encoder)
        assert objective.logit_scale.exp().item() == pytest.approx(expected)
    objective.start_from(SimpleNamespace())  # an encoder without a scale
    assert objective.logit_scale.exp().item() == pytest.approx(30)


def test_the_scale_is_held_to_its_limit_after_each_step() -> None:
    objective = build_part(SYMMETRIC_CONTRASTIVE, max_scale=100.0)
    for value, expected in ((log(1000), 100), (log(99), 99), (-3.0, exp(-3))):
        with torch.no_grad():
            objective.logit_scale.fill_(value)
        objective.after_step()
        assert objective.logit_scale.exp().item() == pytest.approx(expected, rel=1e-5)


def test_the_scale_can_be_kept_fixed() -> None:
    assert build_part(SYMMETRIC_CONTRASTIVE).logit_scale.requires_grad
    assert not build_part(SYMMETRIC_CONTRASTIVE, learn_scale=False).logit_scale.requires_grad


def test_the_contracts_laws_hold() -> None:
    check_objective(SYMMETRIC_CONTRASTIVE)
    check_objective(SYMMETRIC_CONTRASTIVE, learn_scale=False, label_smoothing=0.1)
