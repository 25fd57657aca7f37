"""What a page about a run says: protocol in words, tables apart, ranks counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fdakit.report.evaluation_report import Report
from fdakit.report.run_tables import page_lines, protocol_words, rank_bars, run_tables

RESULT = {"R@1": 48.25, "MdR": 2.0, "MRR": 0.61234}
STORED: dict[str, Any] = {
    "name": "fda",
    "pool": {"t2v": 670, "v2t": 670},
    "protocol": {
        "dataset": "msvd",
        "split": "test",
        "captions": "multi-caption",
        "video_to_text": "per-caption",
        "ties": "expected",
        "checkpoint_chosen_by": "last epoch",
    },
    "t2v": RESULT,
    "v2t": RESULT,
    "ci95": {"t2v": {"R@1": [46.04, 50.06]}},
    "ties": {"t2v": 3, "v2t": 1},
    "controls": {"rolled": {"t2v": {"R@1": 1.0}, "v2t": {"R@1": 2.0}}},
    "rescored": {"dual-softmax": {"needs_all_queries": True, "t2v": {"R@1": 90.0}}},
    "videos": {"counted": 670, "missing": 2, "damaged": 0},
    "captions": {"counted": 27763, "distinct": 21000, "cut": 0},
    "masks": {"mean_coverage": 0.1, "empty_share": 0.05, "full_share": 0.0},
}
REPORT = Report.from_json(STORED)


def test_the_result_has_its_intervals_below_it() -> None:
    result = run_tables(REPORT)[0]
    assert result.columns == ("", "R@1", "MdR", "MRR")
    assert result.rows == (
        ("text to video", "48.2", "2.0", "0.612"),
        ("95% interval", "46.0 to 50.1", "", ""),
        ("video to text", "48.2", "2.0", "0.612"),
    )
    assert "bootstrap" in result.note
    assert "bootstrap" not in run_tables(Report.from_json({**STORED, "ci95": {}}))[0].note


def test_controls_stand_under_the_result_and_rescored_scores_alone() -> None:
    _, *tables = run_tables(REPORT)
    assert [(table.title, [row[:2] for row in table.rows]) for table in tables] == [
        ("Controls, text to video", [("the result", "48.2"), ("rolled mask", "1.0")]),
        ("Controls, video to text", [("the result", "48.2"), ("rolled mask", "2.0")]),
        ("Rescored, text to video", [("dual-softmax, needs all queries", "90.0")]),
    ]
    assert "not comparable" in tables[-1].note
    assert len(run_tables(Report.from_json({**STORED, "controls": {}, "rescored": {}}))) == 1


def test_the_protocol_is_told_in_words_and_what_has_none_by_its_name() -> None:
    assert page_lines(REPORT)[0] == "2 videos are absent and were left out: not the full test split"
    words = protocol_words(REPORT)
    assert page_lines(REPORT)[-1] == words
    assert "each of them a query" in words
    assert "ranked among those of all others" in words
    odd = Report.from_json({**STORED, "protocol": {**STORED["protocol"], "captions": "by-hand"}})
    assert "captions: by-hand" in protocol_words(odd)


@pytest.mark.parametrize(
    ("pool", "names"),
    [
        (1, ["rank 1"]),
        (2, ["rank 1", "rank 2"]),
        (6, ["rank 1", "2 to 5", "rank 6"]),
        (10, ["rank 1", "2 to 5", "6 to 10"]),
        (670, ["rank 1", "2 to 5", "6 to 10", "11 to 50", "51 to 100", "101 to 500", "501 to 670"]),
    ],
)
def test_bins_end_with_the_pool(pool: int, names: list[str]) -> None:
    bars = rank_bars(np.array([float(pool)]), pool=pool, title="t")
    assert [name for name, _ in bars.bins] == names
    assert [count for _, count in bars.bins] == [0] * (len(names) - 1) + [1]


@given(st.lists(st.integers(2, 2400), max_size=40))
def test_each_bin_up_to_k_counts_what_recall_at_k_counts(doubled: list[int]) -> None:
    ranks = np.array(doubled, float) / 2
    counts = [count for _, count in rank_bars(ranks, pool=1200, title="t").bins]
    for place, k in enumerate((1, 5, 10, 50, 100, 500, 1000, 1200)):
        assert sum(counts[: place + 1]) == int((ranks <= k).sum())
