"""Dual softmax and Querybank Normalisation: formulas by hand, lost videos, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fdakit import ScoreError
from fdakit.builtin.rescorers.dsl import DSL
from fdakit.builtin.rescorers.qb_norm import QB_NORM
from fdakit.plugin import Scores
from fdakit.testing.building import build_part
from fdakit.testing.vectors import check_rescorer


@pytest.mark.parametrize(
    ("part", "options"),
    [(DSL, {}), (DSL, {"video_to_text": "transposed"}), (QB_NORM, {}), (QB_NORM, {"gate": False, "top": 9})],
)
def test_the_laws_hold(part, options):
    check_rescorer(part, **options)


def scores(matrix, lost=()):
    matrix = np.array(matrix, np.float32)
    marks = np.zeros(matrix.shape[1], np.bool_)
    marks[list(lost)] = True
    return Scores(matrix, np.arange(len(matrix)), marks)


def test_dual_softmax_by_hand():
    given = scores([[0.5, 0.25], [0.5, 0.125]])
    part = build_part(DSL, temperature=8.0)
    column = part(given, None, "t2v").matrix
    assert column[0, 0] == column[1, 0] == pytest.approx(0.25)  # two captions share the first video
    assert column[0, 1] == pytest.approx(0.25 * math.e**2 / (math.e**2 + math.e))
    rows = part(given, None, "v2t").matrix
    assert rows[0, 0] == pytest.approx(0.5 * math.e**4 / (math.e**4 + math.e**2))


def test_a_lost_video_weighs_on_nothing():
    whole = scores([[0.5, 0.25], [0.375, 0.125]])
    holed = scores([[0.5, np.nan, 0.25], [0.375, np.nan, 0.125]], lost=[1])
    for way in ("t2v", "v2t"):
        found = build_part(DSL)(holed, None, way).matrix
        np.testing.assert_array_equal(found[:, [0, 2]], build_part(DSL)(whole, None, way).matrix)
        assert (found[:, 1] == 0).all()
    bank = np.array([[0.5, 9.0, 0.25]], np.float32)
    found = build_part(QB_NORM)(holed, bank, "t2v").matrix
    np.testing.assert_array_equal(found[:, [0, 2]], build_part(QB_NORM)(whole, bank[:, [0, 2]], "t2v").matrix)


def test_querybank_holds_back_the_video_that_is_near_everything():
    given = scores([[0.5, 0.4375], [0.25, 0.5]])
    bank = np.array([[0.5, 0.0], [0.5, 0.125]], np.float32)
    found = build_part(QB_NORM)(given, bank, "t2v").matrix
    assert found[0, 0] == pytest.approx(0.5)  # exp(20 * 0.5) / (2 * exp(20 * 0.5))
    assert found[0, 1] > found[0, 0]
    np.testing.assert_array_equal(found[1], given.matrix[1])  # its best video answers no bank caption: the gate
    assert (build_part(QB_NORM, gate=False)(given, bank, "t2v").matrix[1] != given.matrix[1]).all()


@pytest.mark.parametrize(
    ("bank", "words"),
    [
        (None, r"bank none; give similarities of training captions to the 2 videos"),
        (np.zeros((3, 5), np.float32), r"bank \(3, 5\)"),
        (np.zeros((0, 2), np.float32), r"bank \(0, 2\)"),
        (np.full((1, 2), 30.0, np.float32), r"bank beyond -1 to 1; give finite cosines, not logits"),
    ],
)
def test_a_bank_that_does_not_fit_is_refused(bank, words):
    with pytest.raises(ScoreError, match=words):
        build_part(QB_NORM)(scores([[0.5, 0.25], [0.25, 0.5]]), bank, "t2v")
