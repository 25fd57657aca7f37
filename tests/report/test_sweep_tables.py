"""The tables of a sweep: no number without the protocol that it was found under."""

from __future__ import annotations

from typing import Any

from fdakit.experiment.option_grid import OptionGrid, grid_panels
from fdakit.report.evaluation_report import Report
from fdakit.report.sweep_tables import METRICS, SweepSummary, sweep_markdown, sweep_rows, sweep_summary, sweep_title

RULES = {"dataset": "msvd", "split": "test", "captions": "multi-caption", "video_to_text": "grouped"}
MSVD = "msvd test (multi-caption, grouped, ties expected)"


def report(r1: float = 50.0, *, ids: str = "aa", **rules: Any) -> Report:
    numbers = {way: dict.fromkeys(METRICS, r1) for way in ("t2v", "v2t")}
    return Report.from_json(
        {
            "name": "any",
            "protocol": {**RULES, "ties": "expected", **rules},
            **numbers,
            "pool": {"t2v": 10, "v2t": 10},
            "videos": {"counted": 10, "id_hash": ids},
            "controls": {"zero": numbers},
        }
    )


def summary(**reports: Report) -> SweepSummary:
    return sweep_summary({name: [found] for name, found in reports.items()}, [24], {})


def labels(told: SweepSummary) -> list[str]:
    return [row[0] for row in sweep_rows(told, "t2v")]


def test_one_protocol_is_in_the_titles() -> None:
    told = summary(a=report(), b=report(60.0))
    assert labels(told) == ["a", "a, same weights, zero mask", "b", "b, same weights, zero mask"]
    assert sweep_title(told, "v2t") == f"video to text, {MSVD}"
    assert f"## Text to video, {MSVD}" in sweep_markdown(told)
    assert {row.protocol for row in told.rows} == {MSVD}
    assert SweepSummary.from_json(told.to_json()) == told


def test_several_are_in_the_names_of_the_rows() -> None:
    told = summary(a=report(), b=report(captions="first-caption"), c=report(dataset="msrvtt"), d=report(ids="bb"))
    assert labels(told)[0] == f"a: {MSVD}, videos aa, captions "
    assert labels(told)[3] == "b, same weights, zero mask: msvd test (first-caption, grouped, ties expected)"
    assert labels(told)[4].startswith("c: msrvtt test (")
    assert sweep_title(told, "t2v") == "text to video"
    text = sweep_markdown(told)
    assert "## Text to video\n" in text and f"| b: {MSVD.replace('multi', 'first')} |" in text


def test_a_summary_of_an_older_fdakit_has_no_protocols() -> None:
    older = summary(a=report()).to_json()
    for row in older["rows"]:
        del row["protocol"]
    told = SweepSummary.from_json(older)
    assert (labels(told)[0], sweep_title(told, "t2v")) == ("a", "text to video")


def test_curves_under_different_protocols_are_named_by_them() -> None:
    recipes = [f"{name}-share-{value}" for name in ("a", "b") for value in (1, 2)]
    varied = OptionGrid("fusion.share", (1, 2), {name: (name[0], int(name[-1])) for name in recipes})

    def names(reports: dict[str, Report]) -> list[str]:
        return [label for label, _ in grid_panels(summary(**reports), varied)[0].series]

    assert names({name: report() for name in recipes}) == ["a", "b"]
    sets = {name: report(dataset="msvd" if name < "b" else "lsmdc") for name in recipes}
    assert names(sets) == [f"a: {MSVD}", f"b: {MSVD.replace('msvd', 'lsmdc')}"]
    pans = {name: report(dataset_options={"pan": int(name[-1])}) for name in recipes}
    assert names(pans) == ["a", "b"]  # what is varied is on the axis
