"""The report as a value: what is stored comes back, and what a table needs and does not find is named."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from fdakit.report.evaluation_report import COLUMNS, Report, in_direction

ROW = dict.fromkeys((*COLUMNS, "MRR", "RSum"), 1.0)
BOTH = {"t2v": ROW, "v2t": {**ROW, "R@1": 2.0}}
STORED: dict[str, Any] = {
    "name": "fda",
    "protocol": {
        "dataset": "msvd",
        "dataset_options": {"root": None, "parts": [1, 2]},
        "split": "test",
        "captions": "multi-caption",
        "video_to_text": "grouped",
        "ties": "expected",
        "checkpoint_chosen_by": "last epoch",
        "checkpoint_chosen_on": None,
        "sampler": {"use": "uniform", "eval_frames": 12},
        "mask": "flow",
        "mask_control": "none",
    },
    **BOTH,
    "metrics": {"mean-precision": {"t2v": {"P@5": 3.0}, "v2t": {"P@5": 4.0}}},
    "ci95": {"t2v": {"R@1": [0.5, 1.5]}, "v2t": {}},
    "ties": {"t2v": 3, "v2t": 1},
    "pool": {"t2v": 670, "v2t": 670},
    "controls": {"zero": BOTH},
    "rescored": {"dsl": {"options": {"temperature": 100.0}, "needs_all_queries": True, "v2t": ROW}},
    "videos": {"counted": 670, "missing": 0, "damaged": 1, "damaged_reasons": {"a\udcff": "torn"}},
    "captions": {"counted": 27763, "distinct": 21000, "cut": 0, "best_t2v_R@1": 99.5},
    "masks": {"mean_coverage": 0.1, "empty_share": 0.05, "full_share": 0.0},
    "provenance": {"fdakit": "0.1.0", "seed": 24, "parts": ["mask 'flow' (fdakit 0.1.0)"]},
    "of a later version": [{"a": 1}],
}


def changed(place: str, value: Any = None) -> dict[str, Any]:
    """Return the document with the key at a dotted place replaced, or removed for None."""
    document = deepcopy(STORED)
    *tables, key = place.split(".")
    table = document
    for name in tables:
        table = table[name]
    if value is None:
        del table[key]
    else:
        table[key] = value
    return document


def test_a_report_is_written_as_it_was_read() -> None:
    report = Report.from_json(STORED)
    assert report.to_json() == STORED
    assert report == Report.from_json(report.to_json())
    assert (report.captions.best_t2v, report.rescored["dsl"].needs_all_queries) == (99.5, True)
    assert [in_direction(report, way)["R@1"] for way in ("t2v", "v2t")] == [1.0, 2.0]
    assert report.ci95.t2v["R@1"] == (0.5, 1.5)
    assert report.lacking() == ""


@pytest.mark.parametrize(
    ("place", "lacking"),
    [
        *((place, place) for place in ("masks", "captions", "ties", "ci95", "controls", "rescored", "videos")),
        *((place, place) for place in ("protocol.mask", "videos.missing", "captions.cut", "masks.full_share")),
        ("t2v.R@50", "R@50"),
        ("controls.zero.v2t.MnR", "MnR"),
        ("rescored.dsl.v2t.R@5", "R@5"),
    ],
)
def test_what_a_table_needs_and_an_older_report_lacks_is_named(place: str, lacking: str) -> None:
    report = Report.from_json(changed(place))
    assert report.lacking() == lacking
    assert report.to_json() == changed(place)


@pytest.mark.parametrize("place", ["name", "protocol", "t2v", "v2t", "pool", "protocol.ties", "protocol.dataset"])
def test_without_these_it_is_no_report(place: str) -> None:
    with pytest.raises(ValueError, match=rf"not the report of a run of this fdakit: {place}: field required"):
        Report.from_json(changed(place))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        *(("t2v.R@1", odd) for odd in ("1", True, [])),
        *(("pool.t2v", odd) for odd in (-1, 1.5, "6")),
        *(("ci95.t2v.R@1", odd) for odd in ([1.0], [1, 2, 3], 5.0)),
        *(("protocol.ties", odd) for odd in ("by hand", 3)),
        *(("videos.damaged_reasons", odd) for odd in (["a"], {"a": 1})),
        *(("controls.zero", odd) for odd in ({"t2v": {}}, [])),
    ],
)
def test_odd_values_are_named(place: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"not the report of a run of this fdakit: {place}"):
        Report.from_json(changed(place, value))
