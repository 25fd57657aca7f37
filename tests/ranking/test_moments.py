"""Moment retrieval: by hand, beside a plain second implementation, and its laws."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fdakit.errors import ScoreError
from fdakit.ranking.moments import (
    LENGTHS,
    PRECISION_AT,
    moment_metrics,
    moment_values,
    of_length,
    ranked_overlaps,
    temporal_iou,
)


def overlaps(predicted, moments):
    return ranked_overlaps(np.array(predicted, np.float64).reshape(-1, 3), np.array(moments, np.float64))


def measured(predicted, moments):
    return moment_metrics([overlaps(predicted, moments)])


def test_overlap_by_hand():
    windows = np.array([[0.0, 10.0], [5.0, 15.0], [20.0, 30.0], [10.0, 10.0], [9.0, 1.0]])
    moments = np.array([[0.0, 10.0], [10.0, 20.0]])
    wanted = [[1.0, 0.0], [1 / 3, 1 / 3], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    np.testing.assert_allclose(temporal_iou(windows, moments), wanted)


def test_precision_by_hand():
    """Right, wrong, right: 1 and 2/3, halved; the best precision from a window on counts."""
    predicted = [[0, 10, 0.9], [40, 50, 0.8], [20, 30, 0.7]]
    found = measured(predicted, [[0, 10], [20, 30]])
    assert [found["mAP"], found["mAP@0.5"]] == pytest.approx([100 * (1 + 2 / 3) / 2] * 2)
    assert (found["R1@0.7"], found["mIoU"]) == (100, 100)
    late = measured([[40, 50, 0.9], [0, 10, 0.8], [20, 30, 0.7]], [[0, 10], [20, 30]])
    assert late["mAP"] == pytest.approx(100 * 2 / 3)  # at the first right one 1/2, but 2/3 is reached later
    assert (late["R1@0.3"], late["R5@0.7"], late["mIoU"]) == (0, 100, 0)


def test_a_true_window_is_found_once():
    twice = measured([[0, 10, 0.9], [0, 10, 0.8]], [[0, 10], [20, 30]])
    assert twice["mAP"] == pytest.approx(50)
    assert twice["R5@0.7"] == 100


def test_a_threshold_that_is_met_exactly_counts():
    half = measured([[0, 5, 1]], [[0, 10]])
    assert (half["R1@0.3"], half["R1@0.5"], half["R1@0.7"], half["mAP@0.5"], half["mAP@0.75"]) == (
        100,
        100,
        0,
        100,
        0,
    )
    assert half["mAP"] == pytest.approx(10)
    assert half["mIoU"] == 50


def test_of_two_equal_overlaps_the_last_is_taken():
    """So does the official script: the window over both leaves the first, which the second window finds."""
    assert measured([[0, 10, 0.9], [0, 5, 0.8]], [[0, 5], [5, 10]])["mAP@0.5"] == 100
    assert measured([[0, 10, 0.9], [5, 10, 0.8]], [[0, 5], [5, 10]])["mAP@0.5"] == 50


def test_scores_give_the_order_and_ten_windows_count():
    wrong = [[50 + i, 51 + i, 0.5] for i in range(10)]
    assert measured([*wrong, [0, 10, 0.9]], [[0, 10]])["R1@0.7"] == 100
    last = measured([*wrong, [0, 10, 0.1]], [[0, 10]])
    assert (last["R10@0.7"], last["mAP"]) == (0, 0)
    assert measured([*wrong[1:], [0, 10, 0.5]], [[0, 10]])["R10@0.7"] == 100  # equal scores: the order given


def test_a_query_without_windows_counts_as_missed():
    found = moment_values([overlaps([[0, 10, 1]], [[0, 10]]), overlaps([], [[0, 10]])])
    assert {name: values.tolist() for name, values in found.items()} == {name: [100.0, 0.0] for name in found}
    assert moment_metrics([overlaps([], [[0, 10]])])["mAP"] == 0


def test_lengths_take_each_true_window_once():
    moments = np.array([[0.0, 2.0], [0.0, 10.0], [0.0, 10.5], [5.0, 35.0], [0.0, 31.0], [0.0, 500.0]])
    found = {name: of_length(moments, bounds).tolist() for name, bounds in LENGTHS.items()}
    assert found == {
        "short": [True, True, False, False, False, False],
        "middle": [False, False, True, True, False, False],
        "long": [False, False, False, False, True, True],
    }


def test_queries_without_truth_are_refused():
    with pytest.raises(ScoreError, match="no query"):
        moment_metrics([])
    with pytest.raises(ScoreError, match=r"1 of 2 queries have no true window, first row 1"):
        moment_metrics([overlaps([[0, 1, 1]], [[0, 1]]), np.zeros((3, 0))])


def plain_overlap(window, moment):
    shared = min(window[1], moment[1]) - max(window[0], moment[0])
    if shared <= 0 or window[1] <= window[0]:
        return Fraction(0)
    return Fraction(shared, max(window[1], moment[1]) - min(window[0], moment[0]))


def plain_values(predicted, moments):
    """The definitions in words, in exact fractions, for one query."""
    first = [w for _, w in sorted(enumerate(predicted), key=lambda item: (-item[1][2], item[0]))][:10]
    found = {}
    for k in (1, 5, 10):
        for percent in (30, 50, 70):
            hit = any(plain_overlap(w, m) >= Fraction(percent, 100) for w in first[:k] for m in moments)
            found[f"R{k}@{percent / 100}"] = 100 * hit
    precisions = {}
    for percent in range(50, 100, 5):
        free, right = list(range(len(moments))), []
        for window in first:
            fitting = [m for m in free if plain_overlap(window, moments[m]) >= Fraction(percent, 100)]
            right.append(bool(fitting))
            if fitting:
                free.remove(max(fitting, key=lambda m: (plain_overlap(window, moments[m]), m)))
        shares = [Fraction(sum(right[: i + 1]), i + 1) for i in range(len(right))]
        gained = [max(shares[i:]) for i in range(len(right)) if right[i]]
        precisions[percent] = 100 * sum(gained, Fraction(0)) / len(moments)
    found["mAP"] = sum(precisions.values()) / len(precisions)
    best = max((plain_overlap(first[0], m) for m in moments), default=Fraction(0)) if first else Fraction(0)
    return found | {"mAP@0.5": precisions[50], "mAP@0.75": precisions[75], "mIoU": 100 * best}


SECONDS = st.integers(0, 24)
WINDOWS = st.lists(st.tuples(SECONDS, SECONDS, st.integers(0, 3)), max_size=13)
MOMENTS = st.lists(
    st.tuples(SECONDS, st.integers(1, 12)).map(lambda drawn: (drawn[0], drawn[0] + drawn[1])), min_size=1, max_size=5
)


@settings(deadline=None)
@given(st.lists(st.tuples(WINDOWS, MOMENTS), min_size=1, max_size=4))
def test_every_number_is_that_of_the_plain_definition(queries):
    found = moment_values([overlaps(predicted, moments) for predicted, moments in queries])
    wanted = [plain_values(predicted, moments) for predicted, moments in queries]
    assert found.keys() == wanted[0].keys()
    for name, values in found.items():
        np.testing.assert_allclose(values, [float(each[name]) for each in wanted], atol=1e-9, err_msg=name)
    means = moment_metrics([overlaps(predicted, moments) for predicted, moments in queries])
    assert means == {name: values.mean() for name, values in found.items()}


@given(WINDOWS, MOMENTS)
def test_law_the_true_windows_themselves_are_perfect_and_more_windows_never_lower_recall(predicted, moments):
    perfect = measured([[*moment, 1] for moment in moments], moments)
    assert all(math.isclose(value, 100) for value in perfect.values())
    with_more = measured([*predicted, [*moments[0], -1]], moments)
    without = measured(predicted, moments)
    assert all(with_more[name] >= without[name] for name in without if name.startswith("R"))


def test_thresholds_are_those_of_the_official_script():
    assert tuple(float(f"{bound:.2f}") for bound in np.linspace(0.5, 0.95, 10)) == PRECISION_AT
