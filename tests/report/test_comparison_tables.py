"""A comparison in words: numbers rounded honestly, and texts that a table can hold."""

from __future__ import annotations

from typing import Any

import pytest

from fdakit.report.comparison_tables import (
    change_tables,
    comparison_lines,
    comparison_markdown,
    comparison_notes,
    comparison_tables,
    comparison_title,
    rank_words,
)


def numbers(difference: float, p: float, first: float = 40.0) -> dict[str, Any]:
    return {
        "first": first,
        "second": first + difference,
        "difference": difference,
        "interval": [difference - 1.5, difference + 0.25],
        "p": p,
    }


def document(tests: dict[str, Any], *, seeds: tuple[int, ...] = (24,), clusters: int = 670) -> dict[str, Any]:
    """Two sides, the second with one seed, and the same in both directions."""

    def side(label: str, seeds: tuple[int, ...]) -> dict[str, Any]:
        spread = {
            name: {"mean": test["first"], "sd": None if len(seeds) == 1 else 0.26} for name, test in tests.items()
        }
        measured = {way: {name: test["first"] for name, test in tests.items()} for way in ("t2v", "v2t")}
        runs = [{"folder": f"/runs/{label}-{seed}", "seed": seed, **measured} for seed in seeds]
        return {"label": label, "name": f"recipe-{label.lower()}", "runs": runs, "t2v": spread, "v2t": spread}

    tally = {"won": 1200, "lost": 2, "equal": 0}
    way = {"queries": 27763, "clusters": clusters, "tests": tests, "by_rank": tally, "by_first": tally}
    lists = {
        "won": [{"query": "a | b\\\nc", "target": "v1", "ranks": [3.0, 1.5], "rows": [0, 0]}],
        "lost": [{"query": q, "target": "v2", "ranks": [1.0, 7 / 3], "rows": [1, 1]} for q in ("d", "e")],
    }
    rules = {"dataset": "msvd", "split": "test", "captions": "multi-caption", "video_to_text": "grouped"}
    return {
        "protocol": {**rules, "ties": "expected"},
        "draws": 10_000,
        "level": 0.999,
        "sides": [side("A", seeds), side("B", (7,))],
        "pairs": [
            {
                "baseline": "A",
                "other": "B",
                "differs_in": {"train.max_steps": [None, 5]},
                "read_unlike": [],
                "t2v": {**way, **lists},
                "v2t": {**way, "queries": clusters, "won": [], "lost": []},
            }
        ],
    }


def test_a_row_has_both_means_the_change_its_interval_and_p() -> None:
    tests = {"R@1": numbers(-0.001, 0.03128), "MRR": numbers(0.01234, 1.0, 0.5), "MnR": numbers(2.0, 1e-6)}
    table, back = comparison_tables(document(tests))
    assert table.title == "B against A, text to video: 27,763 captions of 670 videos"
    assert back.title == "B against A, video to text: 670 videos"
    assert table.columns == ("metric", "A", "B", "Δ", "99.9% interval", "p")
    assert table.rows == (
        ("R@1", "40.0", "40.0", "+0.00", "-1.50 to +0.25", "0.0313"),
        ("MRR", "0.500", "0.500", "+0.0123", "-1.4877 to +0.2623", "1"),
        ("MnR", "40.0", "40.0", "+2.00", "+0.50 to +2.25", "1.0e-06"),
    )
    assert table.note == (
        "queries by rank: 1,200 won by B, 2 lost, 0 alike; by R@1: 1,200 won, 2 lost; MnR: lower is better"
    )
    assert "lower" not in comparison_tables(document({"R@1": numbers(1, 1)}))[0].note


def test_seeds_are_shown_as_measured_before_their_mean() -> None:
    *_, there, back = comparison_tables(document({"R@1": numbers(1.0, 0.5)}, seeds=(24, 42)))
    assert there.title == "Every seed as measured, text to video"
    assert there.rows == (
        ("A, seed 24", "40.0"),
        ("A, seed 42", "40.0"),
        ("A, mean ± sd", "40.0 ± 0.3"),
        ("B, seed 7", "40.0"),
    )
    assert back.title == "Every seed as measured, video to text"


def test_which_run_is_which_and_what_they_differ_in() -> None:
    told = document({"R@1": numbers(1.0, 0.5)}, seeds=(24, 42))
    assert comparison_title(told) == "recipe-b against recipe-a"
    assert comparison_lines(told) == [
        "A: recipe-a, seeds 24, 42: /runs/A-24, /runs/A-42",
        "B: recipe-b, seed 7: /runs/B-7",
        "msvd test, multi-caption; ties ranked by the expected rule; video to text grouped",
        "B differs from A in train.max_steps 5 instead of not set",
    ]
    assert comparison_lines({**told, "missing": 1991})[3] == "1,991 absent videos left out: not the full test split"


@pytest.mark.parametrize(("clusters", "few"), [(29, True), (30, False)])
def test_few_videos_are_remarked(clusters: int, few: bool) -> None:
    notes = comparison_notes(document({"R@1": numbers(1.0, 0.5)}, clusters=clusters))
    assert any("which is few" in note for note in notes) == few


def test_changes_are_told_in_tables_and_markdown() -> None:
    told = document({"R@1": numbers(1.0, 0.5)})
    won, lost = change_tables(told["pairs"][0])
    assert won.title == "won by B against A, text to video: the largest change of 1,200"
    assert won.rows == (("a | b\\\nc", "v1", "3", "1.5"),)
    assert lost.title == "lost by B against A, text to video: all 2"
    assert [rank_words(rank) for rank in (1.0, 20.0, 2.25, 7 / 3)] == ["1", "20", "2.2", "2.3"]
    markdown = comparison_markdown(told)
    assert "| a \\| b\\\\ c | v1 | 3 | 1.5 |\n" in markdown
    assert "## Lost by B against A, text to video: all 2\n" in markdown
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert all(line.replace("\\|", "").count("|") in (5, 7) for line in rows)
