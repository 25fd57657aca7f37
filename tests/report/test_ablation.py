"""The table of an ablation: intervals, names of protocols, columns."""

from __future__ import annotations

from typing import Any

import pytest

from fdakit.report.ablation import Ablation, AblationCell, SystemCost, ablation_cell, mean_over_seeds
from fdakit.report.ablation_tables import ablation_latex, ablation_markdown, ablation_panels, main_columns, main_rows
from fdakit.report.evaluation_report import Report
from fdakit.report.result_tables import protocol_names
from fdakit.report.sweep_tables import METRICS, FailedRun

RULES = {"split": "test", "captions": "all-captions", "video_to_text": "grouped", "ties": "expected"}


def report(r1: float = 50.0, *, ids: str = "aa", ci: Any = None, **rules: Any) -> Report:
    numbers = dict.fromkeys(METRICS, r1)
    return Report.from_json(
        {
            "name": "any",
            "protocol": {"dataset": "msvd", **RULES, **rules},
            "t2v": numbers,
            "v2t": numbers,
            "pool": {"t2v": 10, "v2t": 10},
            "videos": {"counted": 10, "id_hash": ids},
            **({"ci95": {"t2v": ci, "v2t": ci}} if ci else {}),
        }
    )


def cost(**changes: Any) -> SystemCost:
    facts: dict[str, Any] = {"parameters": 1000, "trained": 10, "frames": 4, "flops": 2.5e9, "encode_seconds": 0.02}
    more: dict[str, Any] = {"index_bytes": 512, "device": "cpu, 2 cores", "threads": 1, "torch": "2"}
    return SystemCost(**{**facts, **more, **changes})


def cell(system: str, *, protocol: str = "P", data: str = "", price: SystemCost | None = None) -> AblationCell:
    reports = [report(40.0), report(50.0)]
    return ablation_cell(system, data, protocol=protocol, reports=reports, asked=2, cost=price or cost())


def test_the_interval_over_seeds_is_students() -> None:
    found = mean_over_seeds([40.0, 50.0, 60.0], bounds=(0, 100))
    assert (found.mean, found.sd) == (50.0, 10.0)
    # The quantile of three seeds is 4.3027, as in any table.
    assert found.high == pytest.approx(50 + 4.3027 * 10 / 3**0.5, abs=1e-3)
    assert found.text() == "50.0 [25.2, 74.8]"
    # No recall is below 0 or above 100, no rank below 1.
    cell_of_two = ablation_cell("a", "", protocol="P", reports=[report(1.0), report(3.0)], asked=2, cost=None)
    assert (cell_of_two.t2v["R@1"].low, cell_of_two.t2v["MnR"].low) == (0.0, 1.0)
    assert mean_over_seeds([98.0, 99.0], bounds=(0, 100)).high == 100


def test_of_one_seed_it_is_the_bootstrap_over_queries_or_none() -> None:
    told = ablation_cell("a", "", protocol="P", reports=[report(ci={"R@1": [45.0, 55.5]})], asked=1, cost=None)
    assert told.t2v["R@1"].text() == "50.0 [45.0, 55.5]"
    assert told.t2v["R@1"].over == "queries"
    assert told.t2v["R@5"].text() == "50.0"


def test_a_name_states_data_split_and_rules_and_two_protocols_never_share_one() -> None:
    plain = "msvd test (all-captions, grouped, ties expected)"
    assert protocol_names([report(), report(60.0)]) == [plain, plain]
    others = [
        report(split="val"),
        report(captions="first-caption"),
        report(video_to_text="per-caption"),
        report(ties="optimistic"),
        report(dataset="msrvtt"),
    ]
    assert len({plain, *protocol_names(others)}) == 6
    panned = protocol_names([report(dataset_options={"pan": 0.0}), report(dataset_options={"pan": 2.0, "size": 64})])
    assert panned[0] == "msvd pan=0.0 test (all-captions, grouped, ties expected)"
    assert panned[1].startswith("msvd pan=2.0 size=64 test")
    less, whole = protocol_names([report(ids="aaaa"), report(ids="bbbb")])
    assert less == f"{plain}, videos aaaa, captions "
    assert whole != less


def test_different_protocols_are_columns_apart_and_a_system_without_one_has_a_dash() -> None:
    table = Ablation(seeds=[1, 2], cells=[cell("a"), cell("b"), cell("a", protocol="Q")])
    assert main_columns(table)[:5] == ["system", "P: t2v R@1", "P: v2t R@1", "Q: t2v R@1", "Q: v2t R@1"]
    assert [row[0] for row in main_rows(table)] == ["a", "b"]
    assert main_rows(table)[1][3:] == ["–", "–", "1,000", "10", "2.5", "20", "512"]


def test_two_results_of_a_system_under_one_protocol_are_two_rows() -> None:
    table = Ablation(seeds=[1, 2], cells=[cell("a", data="x"), cell("a", data="y")])
    assert [row[0] for row in main_rows(table)] == ["a, x", "a, y"]


def test_costs_that_differ_between_data_sets_are_both_told() -> None:
    longer = cost(flops=5e9, index_bytes=None)
    (row,) = main_rows(Ablation(seeds=[1, 2], cells=[cell("a"), cell("a", protocol="Q", price=longer)]))
    assert row[-5:] == ["1,000", "10", "2.5 / 5", "20", "512 / none"]


def test_markdown_and_latex_have_the_rows_and_nothing_in_them_is_markup() -> None:
    failed = FailedRun(recipe="c_d", seed=2, reason="no | file")
    table = Ablation(seeds=[1, 2], cells=[cell("a_b")]).model_copy(update={"failed": (failed,)})
    text = ablation_markdown(table)
    assert "| a_b | 45.0 \\[" in text
    assert "## P: text to video" in text and "## P: video to text" in text
    assert "| c_d | 2 | no \\| file |" in text
    assert "Times are of cpu, 2 cores, 1 threads, torch 2." in text
    latex = ablation_latex(table)
    assert "a\\_b & 45.0 {[}" in latex
    assert latex.count(r" \\") == 2
    assert "\\begin{tabular}{lrrrrrrr}" in latex


def test_panels_hold_each_system_at_its_cost_with_its_interval() -> None:
    table = Ablation(seeds=[1, 2], cells=[cell("a"), cell("b", price=cost(flops=1e9)), cell("a", protocol="Q")])
    first, second = ablation_panels(table)
    assert [(label, points[0].x) for label, points in first.series] == [("a", 2.5), ("b", 1.0)]
    found = table.cells[0].t2v["R@1"]
    assert first.series[0][1][0].interval == (found.low, found.high)
    assert first.series[0][1][0].bar == (45.0, 55.0)
    assert first.series[0][1][0].words == "2.5 45 from 0 to 100"
    assert second.title == "R@1 text to video, %: Q"
