"""A comparison of runs as text and tables: the same for the terminal, Markdown and HTML.

Everything reads the document of `fdakit.analysis.compare_files`, as stored in compare.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fdakit.plugin.contracts import Direction

from .html_page import PageTable
from .markdown import markdown_table, markdown_text
from .mean_std import MeanStd
from .report_tables import DIRECTIONS

Document = Mapping[str, Any]
_FEW_SEEDS = {
    1: "one seed on a side: how far training seeds move these numbers is not estimated",
    2: "two seeds on a side: two numbers hardly show how far seeds move them",
}
_FEW_VIDEOS = 30


def comparison_title(document: Document) -> str:
    """Return every side's name, the baseline last."""
    first, *others = (side["name"] for side in document["sides"])
    return f"{', '.join(others)} against {first}"


def comparison_lines(document: Document) -> list[str]:
    """Return which run is which, what was ranked, and the differences of the runs."""
    lines = [
        f"{side['label']}: {side['name']}, {_seeds(side)}: {', '.join(run['folder'] for run in side['runs'])}"
        for side in document["sides"]
    ]
    rules = document["protocol"]
    lines.append(
        f"{rules['dataset']} {rules['split']}, {rules['captions']}; ties ranked by the {rules['ties']} rule; "
        f"video to text {rules['video_to_text']}"
    )
    if missing := document.get("missing"):
        lines.append(f"{missing:,} absent video{'s'[: missing > 1]} left out: not the full {rules['split']} split")
    for pair in document["pairs"]:
        said = "; ".join(
            f"{key} {_value(its)} instead of {_value(other)}" for key, (other, its) in pair["differs_in"].items()
        )
        second, first = pair["other"], pair["baseline"]
        lines.append(f"{second} differs from {first} in {said}" if said else f"{second} and {first} have one recipe")
    return lines


def comparison_notes(document: Document) -> list[str]:
    """Return the notes to be read with the numbers, and what they do not cover."""
    found = [pair[way] for pair in document["pairs"] for way in DIRECTIONS]
    rows = sum(len(one["tests"]) for one in found)
    notes = [
        f"interval: {_share(document)} percentile bootstrap of the difference; p: paired randomisation test, "
        f"two-sided, {document['draws']:,} draws, so never below {1 / (1 + document['draws']):.1g}; what belongs to "
        "one video is drawn and swapped together",
        "interval and p cover the choice of queries from this split alone: not another training seed, not another "
        "data set, not how a checkpoint or an option was chosen",
    ]
    fewest = min(len(side["runs"]) for side in document["sides"])
    notes.append(
        _FEW_SEEDS.get(fewest, "± is the standard deviation over seeds; the test takes their mean as it stands")
    )
    if rows > 1:
        notes.append(f"p is not corrected for the {rows} rows that stand here together")
    videos = min(one["clusters"] for one in found)
    if videos < _FEW_VIDEOS:
        notes.append(f"intervals and p rest on {videos} videos, which is few")
    shared = set.intersection(*(set(side.get("remarks", ())) for side in document["sides"]))
    notes += [
        f"{side['label']}: data: {remark}"
        for side in document["sides"]
        for remark in side.get("remarks", ())
        if remark not in shared
    ]
    notes += [
        f"{pair['other']} and {pair['baseline']} did not read the videos alike ({', '.join(pair['read_unlike'])}): "
        "the difference is not that of the models alone"
        for pair in document["pairs"]
        if pair["read_unlike"]
    ]
    return notes


def comparison_tables(document: Document) -> list[PageTable]:
    """Return a table for each pair and direction, then, with several seeds, every seed as measured."""
    tables = [_tests(document, pair, way) for pair in document["pairs"] for way in DIRECTIONS]
    if any(len(side["runs"]) > 1 for side in document["sides"]):
        tables += [_measured(document, way) for way in DIRECTIONS]
    return tables


def change_tables(pair: Document) -> list[PageTable]:
    """Return captions won and lost, text to video, with the ranks on both sides."""
    columns = ("caption", "video", f"rank in {pair['baseline']}", f"rank in {pair['other']}")
    return [
        PageTable(
            change_title(pair, kind),
            columns,
            tuple((one["query"], one["target"], *map(rank_words, one["ranks"])) for one in pair["t2v"][kind]),
        )
        for kind in ("won", "lost")
        if pair["t2v"][kind]
    ]


def change_title(pair: Document, kind: str) -> str:
    """Return the heading of the queries `won` or `lost`."""
    shown, counted = len(pair["t2v"][kind]), pair["t2v"]["by_rank"][kind]
    largest = "the largest change" if shown == 1 else f"the {shown} largest changes"
    which = f"all {counted:,}" if shown == counted else f"{largest} of {counted:,}"
    return f"{kind} by {pair['other']} against {pair['baseline']}, text to video: {which}"


def rank_words(rank: float) -> str:
    """Return a rank, which may be a mean over seeds or ties, as text."""
    return f"{rank:.1f}".removesuffix(".0")


def comparison_markdown(document: Document) -> str:
    """Return the comparison as a Markdown page."""
    lines = [f"# {markdown_text(comparison_title(document))}", ""]
    lines += [f"- {markdown_text(line)}" for line in comparison_lines(document)]
    changed = [table for pair in document["pairs"] for table in change_tables(pair)]
    for table in [*comparison_tables(document), *changed]:
        title = markdown_text(_sentence(table.title))
        lines += ["", f"## {title}", "", *markdown_table(table.columns, table.rows)]
        lines += ["", f"{markdown_text(_sentence(table.note))}."] if table.note else []
    notes = (markdown_text(note, code=True) for note in comparison_notes(document))
    return "\n".join([*lines, "", *(f"- {note}" for note in notes)]) + "\n"


def _tests(document: Document, pair: Document, way: Direction) -> PageTable:
    found, first, second = pair[way], pair["baseline"], pair["other"]
    spread = {side["label"]: side[way] for side in document["sides"]}
    rows = tuple(
        (
            metric,
            _mean(metric, spread[first][metric]),
            _mean(metric, spread[second][metric]),
            _number(metric, test["difference"], change=True),
            " to ".join(_number(metric, end, change=True) for end in test["interval"]),
            _p(test["p"]),
        )
        for metric, test in found["tests"].items()
    )
    rank, top = found["by_rank"], found["by_first"]
    what = (
        f"{found['queries']:,} captions of {found['clusters']:,} videos"
        if way == "t2v"
        else f"{found['queries']:,} videos"
    )
    lower = "; MnR: lower is better" if "MnR" in found["tests"] else ""
    return PageTable(
        f"{second} against {first}, {DIRECTIONS[way]}: {what}",
        ("metric", first, second, "Δ", f"{_share(document)} interval", "p"),
        rows,
        f"queries by rank: {rank['won']:,} won by {second}, {rank['lost']:,} lost, {rank['equal']:,} alike; "
        f"by R@1: {top['won']:,} won, {top['lost']:,} lost{lower}",
    )


def _measured(document: Document, way: Direction) -> PageTable:
    metrics = tuple(document["pairs"][0][way]["tests"])
    rows: list[tuple[str, ...]] = []
    for side in document["sides"]:
        for run in side["runs"]:
            measured = (_number(metric, run[way][metric]) for metric in metrics)
            rows.append((f"{side['label']}, seed {run['seed']}", *measured))
        if len(side["runs"]) > 1:
            rows.append((f"{side['label']}, mean ± sd", *(_mean(metric, side[way][metric]) for metric in metrics)))
    return PageTable(f"Every seed as measured, {DIRECTIONS[way]}", ("run", *metrics), tuple(rows))


def _mean(metric: str, spread: object) -> str:
    return MeanStd.from_json(spread).text(digits=_digits(metric))


def _number(metric: str, value: float, *, change: bool = False) -> str:
    digits = _digits(metric) + change
    rounded = round(value, digits) + 0.0  # no minus before a zero
    return f"{rounded:+.{digits}f}" if change else f"{rounded:.{digits}f}"


def _digits(metric: str) -> int:
    return 3 if metric == "MRR" else 1


def _p(p: float) -> str:
    return "1" if p == 1 else f"{p:.4f}" if p >= 5e-5 else f"{p:.1e}"


def _share(document: Document) -> str:
    return f"{100 * document['level']:g}%"


def _seeds(side: Document) -> str:
    seeds = [str(run["seed"]) for run in side["runs"]]
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(seeds)}"


def _value(value: Any) -> str:
    return "not set" if value is None else repr(value)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
