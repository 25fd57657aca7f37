"""Annotated windows: what is kept of them, and QVHighlights' lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from fdakit import DatasetError
from fdakit.dataset_files import MomentCheck, MomentQuery, parse_windows, read_moment_queries
from fdakit.plugin import Caption

LINE = {
    "qid": 8737,
    "query": "A family plays.",
    "duration": 126,
    "vid": "bP5_660.0_810.0",
    "relevant_windows": [[0, 16]],
}


def write(path: Path, *lines: Any) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_windows_that_cannot_be_true_are_left_out_or_cut_and_counted() -> None:
    check = MomentCheck()
    assert check([(0, 5), (5, 5), (7, 3)]) == ((0, 5),)
    assert check([(-2, 4), (-3, -1)]) == ((0, 4),)
    assert check([(8, 12), (10, 11), (2, 3)], duration=10) == ((8, 10), (2, 3))
    assert check([(8, 1200)]) == ((8, 1200),)  # the duration is not known
    assert check.remarks("val") == (
        "val: 2 of 9 moments do not end after they start, left out",
        "val: 2 of 9 moments reach beyond their video, cut to it",
        "val: 2 of 9 moments lie outside of their video, left out",
    )
    assert MomentCheck().remarks("val") == ()


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50))), st.none() | st.floats(0.1, 40))
def test_law_what_is_kept_makes_a_caption(windows: list[tuple[float, float]], duration: float | None) -> None:
    kept = MomentCheck()(windows, duration=duration)
    assert Caption("a", "v", kept).moments == kept
    assert duration is None or all(end <= duration for _, end in kept)
    again = MomentCheck()
    assert again(kept, duration=duration) == kept
    assert again.remarks("x") == ()


def test_lines_are_read_in_their_order(tmp_path: Path) -> None:
    other = {"qid": "b7", "query": " x ", "vid": " v ", "other": None}
    found = read_moment_queries(write(tmp_path / "a.jsonl", LINE, other))
    assert found == (
        MomentQuery("8737", 1, "A family plays.", "bP5_660.0_810.0", 126, ((0, 16),)),
        MomentQuery("b7", 2, " x ", "v", None, None),
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"qid": True}, "line 2: qid is 'True'; wanted a whole number, or text"),
        ({"qid": 1.5}, "line 2: qid is '1.5'"),
        ({"qid": " "}, "line 2: qid is ' '"),
        ({"qid": "8737"}, "line 2: qid 8737 is that of line 1 too"),
        ({"query": None}, "line 2: query is 'None'; wanted text"),
        ({"vid": ""}, "line 2: vid is ''; wanted the name of a video"),
        ({"duration": 0}, "line 2: duration is '0'; wanted seconds"),
        ({"duration": "150"}, "line 2: duration is '150'"),
        ({"relevant_windows": [[0, 1, 2]]}, r"line 2: relevant_windows is '\[\[0, 1, 2\]\]'; wanted a list of"),
        ({"relevant_windows": [[0, float("nan")]]}, "line 2: relevant_windows is"),
    ],
)
def test_what_has_another_form_is_refused_with_its_line(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = write(tmp_path / "a.jsonl", LINE, {**LINE, "qid": 1, **change})
    with pytest.raises(DatasetError, match=said):
        read_moment_queries(path)


def test_an_absent_key_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {key: value for key, value in LINE.items() if key != "vid"})
    with pytest.raises(DatasetError, match="line 1: no column 'vid'"):
        read_moment_queries(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3),
)


@given(JSON)
def test_law_parsed_windows_are_pairs_of_finite_numbers_or_none(value: Any) -> None:
    found = parse_windows(value)
    if found is not None:
        assert [list(window) for window in found] == value
        assert all(abs(second) < float("inf") for window in found for second in window)
