"""Several reports in one table: results first, controls and rescored lines apart, in every form alike."""

from __future__ import annotations

import csv
import io
import re
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, strategies as st

from fdakit.report.evaluation_report import Report
from fdakit.report.latex import latex_table, latex_text
from fdakit.report.result_tables import (
    HEADINGS,
    ReportedRuns,
    best_lines,
    by_protocol,
    cell,
    metric_columns,
    one_protocol,
    remarks,
    result_lines,
)
from fdakit.report.text_tables import csv_table, results_markdown

METRICS = ("R@1", "R@5", "R@10", "R@50", "MdR", "MnR", "MRR", "RSum")


def both(first: float, **more: Any) -> dict[str, Any]:
    """Metrics that all follow from the first: lower ranks and higher recall for higher values."""
    rising = {"R@1": first, "R@5": first + 1, "R@10": first + 2, "R@50": first + 3}
    found = {**rising, "MdR": 100 - first, "MnR": 100.25 - first, "MRR": first / 100, "RSum": 3 * first}
    return {"t2v": found, "v2t": {name: value + 0.5 for name, value in found.items()}, **more}


def report(first: float, name: str = "fda", **changes: Any) -> Report:
    """A report; `table__key` is replaced."""
    made: dict[str, Any] = {
        "name": name,
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
        **both(first),
        "ci95": {},
        "ties": {"t2v": 0, "v2t": 0},
        "controls": {"rolled": both(first / 2)},
        "rescored": {"dual-softmax": both(90, needs_all_queries=True)},
        "videos": {"counted": 670, "missing": 0, "damaged": 0},
        "captions": {"counted": 27763, "distinct": 21000, "cut": 0},
        "masks": {"mean_coverage": 0.1, "empty_share": 0.05, "full_share": 0.0},
    }
    for place, value in changes.items():
        table, _, key = place.partition("__")
        made[table] = {**made[table], key: value} if key else value
    return Report.from_json(made)


FDA, OTHER = ReportedRuns("fda", (report(48.25),)), ReportedRuns("other", (report(40.0),))
SEEDS = ReportedRuns("three", (report(40.0), report(44.0), report(42.0)))


def test_results_stand_before_controls_and_those_before_rescored_scores() -> None:
    lines = result_lines([FDA, OTHER])
    assert [(line.name, line.kind, line.label) for line in lines] == [
        ("fda", "result", ""),
        ("other", "result", ""),
        ("fda", "control", "same weights, rolled mask"),
        ("other", "control", "same weights, rolled mask"),
        ("fda", "rescored", "rescored: dual-softmax (needs all queries)"),
        ("other", "rescored", "rescored: dual-softmax (needs all queries)"),
    ]
    assert [cell(line, ("t2v", "R@1")) for line in lines] == ["48.2", "40.0", "24.1", "20.0", "90.0", "90.0"]
    assert [cell(line, ("v2t", "R@1")) for line in lines] == ["48.8", "40.5", "24.6", "20.5", "90.5", "90.5"]


def test_several_seeds_are_mean_and_deviation_of_what_all_of_them_have() -> None:
    odd = ReportedRuns("odd", (report(40.0), report(44.0, controls={}), report(42.0)))
    line, control, _ = result_lines([SEEDS])
    assert (cell(line, ("t2v", "R@1")), cell(control, ("t2v", "R@1"))) == ("42.0 ± 2.0", "21.0 ± 1.0")
    assert line.title == "three, mean ± sd of 3 seeds"
    assert [line.kind for line in result_lines([odd])] == ["result", "rescored"]


def test_columns_are_those_that_any_line_fills() -> None:
    older = {way: {name: value for name, value in row.items() if name != "R@50"} for way, row in both(30.0).items()}
    old = report(30.0, rescored={}, controls={}, **older)
    lines = result_lines([ReportedRuns("old", (old,))])
    assert [name for way, name in metric_columns(lines) if way == "t2v"] == ["R@1", "R@5", "R@10", "MdR", "MnR"]
    mixed = result_lines([ReportedRuns("old", (old,)), FDA])
    assert ("v2t", "R@50") in metric_columns(mixed)
    assert cell(mixed[0], ("v2t", "R@50"), absent="--") == "--"


def test_a_rescorer_of_one_direction_leaves_the_other_empty() -> None:
    way = {"bank": {"t2v": both(60)["t2v"], "needs_all_queries": False}}
    line = result_lines([ReportedRuns("fda", (report(1.0, rescored=way, controls={}),))])[-1]
    assert (line.label, cell(line, ("t2v", "R@1")), cell(line, ("v2t", "R@1"))) == ("rescored: bank", "60.0", "")


def test_only_results_compete_and_equal_ones_share_the_first_place() -> None:
    lines = result_lines([FDA, OTHER, ReportedRuns("third", (report(48.21),))])
    assert best_lines(lines, ("t2v", "R@1")) == {0, 2}  # 48.2 both, as shown
    assert best_lines(lines, ("t2v", "MnR")) == {0, 2}  # the lower the better
    assert best_lines(result_lines([FDA]), ("t2v", "R@1")) == set()


def test_what_was_lost_is_told_first_and_then_the_protocol() -> None:
    assert remarks([FDA, OTHER]) == [
        ("", "msvd test, multi-caption, video to text grouped, ties by the expected rule")
    ]
    lost = ReportedRuns("lost", (report(1.0, videos__missing=3), report(2.0, videos__damaged=1)))
    told = remarks([FDA, lost])
    assert told[:2] == [
        ("lost", "3 absent videos left out: not the full split"),
        ("lost", "1 unreadable video: their queries count as misses"),
    ]
    seen = ReportedRuns("seen", (report(1.0, videos__training={"shared": 3}), report(2.0)))
    assert remarks([FDA, seen])[0] == ("seen", "3 of these videos trained on")
    assert not one_protocol([FDA, seen])
    other = ReportedRuns("val", (report(1.0, protocol__split="val"),))
    assert remarks([FDA, other])[-1] == ("", "runs of different protocols: their numbers do not compare")
    assert [one_protocol(runs) for runs in ([FDA, OTHER], [FDA, lost], [FDA, other])] == [True, False, False]


def latex_rows(text: str) -> list[list[str]]:
    """The cells of every line of the table, without comments and rules."""
    body = text.partition("\\midrule\n")[2]
    rows = [line.removesuffix(" \\\\") for line in body.splitlines() if line.endswith("\\\\")]
    return [re.split(r"(?<!\\) & ", row) for row in rows]


def test_the_latex_table_is_whole_with_labelled_lines_apart() -> None:
    text = latex_table([FDA, OTHER])
    tabular = [line for line in text.splitlines() if not line.startswith("%")]
    assert tabular[0] == f"\\begin{{tabular}}{{l{'r' * 12}}}"
    assert tabular[-1] == "\\end{tabular}"
    assert [text.count(rule) for rule in ("\\toprule", "\\midrule", "\\bottomrule", "\\cmidrule")] == [1, 3, 1, 2]
    rows = [row for row in latex_rows(text) if not row[0].startswith("\\multicolumn")]
    assert {len(row) for row in rows} == {13}
    labels = ["", ", rolled mask", ", dual-softmax (needs all queries)"]  # the rest is in the headings
    assert [row[0] for row in rows] == [f"{name}{label}" for label in labels for name in ("fda", "other")]
    alone = [row[0] for row in latex_rows(latex_table([FDA])) if not row[0].startswith("\\multicolumn")]
    assert alone == ["fda", "rolled mask", "dual-softmax (needs all queries)"]
    headings = [row[0] for row in latex_rows(text) if "\\emph" in row[0]]
    assert headings == [f"\\multicolumn{{13}}{{l}}{{\\emph{{{HEADINGS[kind]}}}}}" for kind in ("control", "rescored")]
    assert text.count("{") == text.count("}")


def test_bold_is_the_best_result_and_never_a_labelled_line() -> None:
    bold = [[value.startswith("\\textbf") for value in row[1:]] for row in latex_rows(latex_table([FDA, OTHER]))]
    assert bold[0] == [True] * 12
    assert not any(value for row in bold[1:] for value in row)
    for runs in ([FDA], [FDA, ReportedRuns("val", (report(1.0, protocol__split="val"),))]):
        assert "\\textbf" not in latex_table(runs)


def test_a_latex_mean_carries_its_deviation() -> None:
    assert "42.0 $\\pm$ 2.0" in latex_table([SEEDS])
    assert "three & 42.0" in latex_table([SEEDS])
    assert "{\\footnotesize mean $\\pm$ sd of 3 seeds}" in latex_table([SEEDS])
    both = latex_table([SEEDS, FDA])
    assert "{\\footnotesize three: mean $\\pm$ sd of 3 seeds}" in both
    assert "{\\footnotesize fda: one seed}" in both


def test_latex_notes_are_in_full_as_comments_and_shortly_below_the_table() -> None:
    text = latex_table([ReportedRuns("a_b", (report(1.0, videos__missing=3),))])
    assert "% a_b: 3 videos are absent and were left out: not the full test split\n" in text
    assert (
        "{\\footnotesize a\\_b: 3 absent videos left out: not the full split} \\\\\n"
        in text.partition("bottomrule")[2]
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a_b & 50% #1 $x$ {y}", r"a\_b \& 50\% \#1 \$x\$ \{y\}"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("[1] * --set", "{[}1] {*} -{}-set"),
        ("two\nlines", "two lines"),
    ],
)
def test_latex_specials_are_escaped(text: str, wanted: str) -> None:
    assert latex_text(text) == wanted


@given(st.text(max_size=30))
def test_no_name_ends_a_line_a_cell_or_a_group(name: str) -> None:
    text = latex_text(name)
    bare = re.sub(r"\\[{}$&#%_]", "", text)
    assert not set(bare) & set("$&#%_^~\n\r") or "±" in name
    assert bare.count("{") == bare.count("}")
    assert not re.search(r"\\(?!textbackslash|textascii|textless|textgreater|textbar|pm)", bare)


def test_csv_holds_every_line_unrounded() -> None:
    head, *rows = csv.reader(io.StringIO(csv_table([FDA, OTHER])))
    metrics = [f"{way} {m}" for way in ("t2v", "v2t") for m in METRICS]
    assert head == ["run", "protocol", "kind", "label", "seeds", *metrics]
    rules = "msvd test, multi-caption, video to text grouped, ties by the expected rule"
    assert [row[:5] for row in rows[:3]] == [
        ["fda", rules, "result", "", "1"],
        ["other", rules, "result", "", "1"],
        ["fda", rules, "control", "same weights, rolled mask", "1"],
    ]
    assert [float(value) for value in rows[0][5:13]] == list(both(48.25)["t2v"].values())
    assert len(rows) == 6


def test_csv_of_seeds_has_a_column_for_the_deviation() -> None:
    head, *rows = csv.reader(io.StringIO(csv_table([FDA, SEEDS])))
    first = head.index("t2v R@1")
    assert head[first + 1] == "t2v R@1 sd"
    assert [row[first : first + 2] for row in rows[:2]] == [["48.25", ""], ["42.0", "2.0"]]
    assert {len(row) for row in rows} == {len(head)}


def test_markdown_has_a_table_a_kind_and_the_remarks_below() -> None:
    named = ReportedRuns("a|b", deepcopy(FDA.reports))
    text = results_markdown([named, OTHER])
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    assert {len(row) for row in rows} == {13}
    assert len(rows) == 3 * 2 + 6
    assert rows[2][0] == " a\\|b "
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == [
        HEADINGS["control"],
        HEADINGS["rescored"],
    ]
    assert text.endswith("- msvd test, multi-caption, video to text grouped, ties by the expected rule\n")


FIRST, FIVE = (
    ReportedRuns(name, (report(value, protocol__captions=name),))
    for name, value in (("first-caption", 73.5), ("five-captions", 61.5))
)


def test_a_number_of_some_captions_is_named_by_its_protocol() -> None:
    run = ReportedRuns("fda", FIRST.reports)
    assert {line.name for line in result_lines([run])} == {"fda (first-caption)"}
    assert "fda (first-caption) &" in latex_table([run])
    assert "| fda (first-caption) |" in results_markdown([run])
    assert {line.name for line in result_lines([FDA])} == {"fda"}


def test_numbers_of_other_protocols_are_never_in_one_column() -> None:
    runs = [FDA, FIRST, OTHER, FIVE]
    assert by_protocol(runs) == [(FDA, OTHER), (FIRST,), (FIVE,)]
    tables = latex_table(runs).split("\\begin{tabular}")[1:]
    markdown = results_markdown(runs).split("# msvd test")[1:]
    assert len(tables) == len(markdown) == 3
    for number, value in enumerate(("48.2", "73.5", "61.5")):
        for text in (tables, markdown):
            assert [value in one for one in text] == [place == number for place in range(3)]
    assert "first-caption" in markdown[1]
    assert "\\textbf{48.2}" in tables[0]  # the best of those scored alike
    rows = list(csv.DictReader(io.StringIO(csv_table(runs))))
    assert {row["protocol"].split(", ")[1] for row in rows} == {"multi-caption", "first-caption", "five-captions"}


def test_data_split_and_every_rule_count_and_runs_scored_alike_stay_in_one_table() -> None:
    assert by_protocol([FIRST, FIRST]) == [(FIRST, FIRST)]
    others = {"dataset": "vatex", "split": "val", "video_to_text": "per-caption", "ties": "average"}
    for key, value in others.items():
        other = ReportedRuns("other", (report(1.0, **{f"protocol__{key}": value}),))
        assert by_protocol([FDA, other]) == [(FDA,), (other,)]


def test_options_of_a_data_set_that_differ_are_part_of_the_names() -> None:
    still, panned, other = (
        ReportedRuns(name, (report(40.0, protocol__dataset_options=options),))
        for name, options in (("a", {"pan": 0.0, "clips": 8}), ("b", {"pan": 2.0, "clips": 8}), ("c", {"pan": 2.0}))
    )
    assert by_protocol([still, panned]) == [(still, panned)]
    assert [line.name for line in result_lines([still, panned]) if line.kind == "result"] == [
        "a (pan=0.0)",
        "b (pan=2.0)",
    ]
    assert "a (pan=0.0)" in csv_table([still, panned]) and "a (pan=0.0) &" in latex_table([still, panned])
    assert [line.name for line in result_lines([panned])][:1] == ["b"]
    assert [line.name for line in result_lines([panned, other])][:2] == ["b (clips=8)", "c"]
