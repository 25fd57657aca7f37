"""Reports as tables: every row in its place, and beside the numbers what must be read with them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from fdakit.report.evaluation_report import COLUMNS, Report
from fdakit.report.report_tables import DIRECTIONS, cells, report_markdown, report_notes, report_rows


def metrics(first: float) -> dict[str, float]:
    return {"R@1": first, "R@5": 61.25, "R@10": 100.0, "R@50": 100.0, "MdR": 2.0, "MnR": 3.349}


def both(first: float) -> dict[str, Any]:
    return {"t2v": metrics(first), "v2t": metrics(first + 0.5)}


STORED: dict[str, Any] = {
    "name": "fda-msvd",
    "pool": {"t2v": 670, "v2t": 670},
    "protocol": {
        "dataset": "msvd",
        "split": "test",
        "captions": "multi-caption",
        "video_to_text": "grouped",
        "ties": "expected",
        "checkpoint_chosen_by": "last epoch",
        "mask": "frame-difference",
        "mask_control": "none",
    },
    **both(48.2),
    "ci95": {"t2v": {"R@1": [46.04, 50.06]}, "v2t": {"R@1": [44.0, 52.0]}},
    "ties": {"t2v": 3, "v2t": 1},
    "controls": {"rolled": both(40.0), "zero": both(30.0)},
    "rescored": {"dual-softmax": {**both(55.0), "needs_all_queries": True}},
    "videos": {"counted": 670, "missing": 0, "damaged": 0},
    "captions": {"counted": 27763, "distinct": 21000, "cut": 0},
    "masks": {"mean_coverage": 0.1234, "empty_share": 0.05, "full_share": 0.0},
}


REPORT = Report.from_json(STORED)


def report(**changes: Any) -> Report:
    """The report with `table__key` replaced."""
    changed = deepcopy(STORED)
    for name, value in changes.items():
        table, _, key = name.partition("__")
        if key:
            changed[table][key] = value
        else:
            changed[table] = value
    return Report.from_json(changed)


def test_rows_hold_the_result_then_swapped_masks_then_rescored_scores_for_each_direction() -> None:
    labels = [
        "frame-difference",
        "same weights, rolled mask",
        "same weights, zero mask",
        "rescored: dual-softmax (needs all queries)",
    ]
    rows = report_rows(REPORT)
    assert [(way, label) for way, label, _ in rows] == [(way, label) for way in ("t2v", "v2t") for label in labels]
    assert [found["R@1"] for _, _, found in rows] == [48.2, 40.0, 30.0, 55.0, 48.7, 40.5, 30.5, 55.5]


def test_the_true_mask_is_a_row_of_its_own_where_a_control_was_trained_with() -> None:
    swapped = report(protocol__mask_control="rolled", controls={"none": both(50.0)})
    assert [label for _, label, _ in report_rows(swapped)][1] == "same weights, the true mask"


def test_a_mask_that_was_trained_under_a_control_says_so() -> None:
    assert report_rows(report(protocol__mask_control="rolled"))[0][1] == "frame-difference, rolled"


def test_rescoring_that_works_query_by_query_is_not_marked() -> None:
    rescored = {"bank": {**both(1.0), "needs_all_queries": False}}
    assert report_rows(report(rescored=rescored, controls={}))[1][1] == "rescored: bank"


def test_cells_stand_in_the_order_of_the_columns_with_one_digit() -> None:
    assert cells(metrics(48.25)) == ["48.2", "61.2", "100.0", "100.0", "2.0", "3.3"]
    assert len(cells(metrics(0))) == len(COLUMNS)


def test_the_notes_tell_protocol_ties_checkpoint_and_masks() -> None:
    assert report_notes(REPORT) == [
        "msvd test: 27,763 captions, 670 videos, multi-caption; video to text grouped",
        "ties ranked by the expected rule; tied queries: 3 text to video, 1 video to text",
        "checkpoint: last epoch",
        "masks: mean coverage 12.3%, empty 5.0% of frames, full 0.0%",
    ]


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        ({"videos__missing": 3}, 0, "3 videos are absent and were left out: not the full test split"),
        ({"videos__damaged": 2}, 0, "2 videos could not be read: their queries count as misses"),
        ({"videos__repaired": 1}, 0, "1 video is damaged in part: only frames that decode were used"),
        (
            {"videos__remarks": ["test: 27,000 captions, published 27,763"]},
            0,
            "data: test: 27,000 captions, published 27,763",
        ),
        ({"videos__published": 671}, 0, "not the published test split: 670 videos instead of 671"),
        (
            {"videos__training": {"skipped": 2, "repaired": 0}},
            0,
            "training met damaged videos: 2 left out, 0 used in part",
        ),
        (
            {"protocol__checkpoint_chosen_on": "test"},
            -2,
            "the checkpoint was chosen on this very split, so these numbers flatter it",
        ),
        ({"captions__cut": 1}, -2, "1 caption was longer than the text tower's context and was cut"),
        (
            {"videos__training": {"skipped": 0, "repaired": 0, "counted": 8, "missing": 1992, "shared": 0}},
            0,
            "trained on 8 of 2,000 videos; the others are absent and were left out",
        ),
        ({"captions__cut": 5}, -2, "5 captions were longer than the text tower's context and were cut"),
    ],
)
def test_what_was_lost_is_told(change: dict[str, Any], place: int, words: str) -> None:
    notes = report_notes(report(**change))
    assert notes[place] == words
    assert len(notes) == len(report_notes(REPORT)) + 1


def test_absent_videos_come_before_unreadable_ones() -> None:
    first, second, *_ = report_notes(report(videos__missing=1, videos__damaged=1))
    assert "absent" in first
    assert "could not be read" in second


def tables(page: str) -> list[list[list[str]]]:
    """The tables of a Markdown page as rows of cells."""
    found: list[list[list[str]]] = [[]]
    for line in page.splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


def test_the_markdown_page_holds_both_tables_with_every_row() -> None:
    page = report_markdown(REPORT)
    assert page.startswith("# fda-msvd\n\n")
    assert page.endswith("\n")
    assert [line for line in page.splitlines() if line.startswith("## ")] == ["## Text to video", "## Video to text"]
    for table, direction in zip(tables(page), DIRECTIONS, strict=True):
        head, rule, *rows = table
        assert head == ["mask", *COLUMNS]
        assert rule == ["---"] * (1 + len(COLUMNS))
        assert rows == [[label, *cells(found)] for way, label, found in report_rows(REPORT) if way == direction]


def test_the_markdown_page_tells_the_first_note_first_and_all_of_them_below() -> None:
    lost = report(videos__missing=3)
    lines = report_markdown(lost).splitlines()
    assert lines[2] == "3 videos are absent and were left out: not the full test split."
    assert [line.removeprefix("- ") for line in lines if line.startswith("- ")] == report_notes(lost)


def test_intervals_stand_under_their_own_direction_and_only_where_there_are_any() -> None:
    page = report_markdown(REPORT)
    above, below = page.split("## Video to text")
    assert "95% interval of R@1 over queries: 46.0 to 50.1." in above
    assert "95% interval of R@1 over queries: 44.0 to 52.0." in below
    assert "interval" not in report_markdown(report(ci95={}))
