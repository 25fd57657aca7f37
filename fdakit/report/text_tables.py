"""The table of results as CSV and as Markdown, with the same rows as in LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from itertools import groupby

from .markdown import markdown_table, markdown_text
from .result_tables import (
    EVERY,
    HEADINGS,
    ReportedRuns,
    by_protocol,
    cell,
    metric_columns,
    protocol_line,
    remarks,
    result_lines,
    run_titles,
)


def csv_table(runs: Sequence[ReportedRuns]) -> str:
    """Return CSV: run, protocol, kind (result, control or rescored), label, seeds, every metric unrounded.

    With several seeds a metric is their mean, and its deviation is in a column `... sd` after it.
    """
    lines = result_lines(runs)
    titled = list(zip(run_titles(runs), runs, strict=True))
    columns, seeds = metric_columns(lines, EVERY), {title: len(run.reports) for title, run in titled}
    protocols = {title: protocol_line(run.reports[0]) for title, run in titled}
    spread = max(seeds.values(), default=1) > 1
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    names = [f"{way} {name}" for way, name in columns]
    table.writerow(
        [
            *("run", "protocol", "kind", "label", "seeds"),
            *(n for name in names for n in [name, f"{name} sd"][: 1 + spread]),
        ]
    )
    for line in lines:
        row: list[str | int | float | None] = [
            line.name,
            protocols[line.name],
            line.kind,
            line.label if line.kind != "result" else "",
            seeds[line.name],
        ]
        for column in columns:
            found = line.metrics.get(column)
            row += [None if found is None else found.mean, None if found is None else found.sd][: 1 + spread]
        table.writerow(row)
    return text.getvalue()


def results_markdown(runs: Sequence[ReportedRuns]) -> str:
    """Return tables of results, controls and rescored scores, as far as there are any, then remarks.

    Runs of other data or rules have tables of their own.
    """
    groups = by_protocol(runs)
    if len(groups) > 1:
        return "\n".join(f"# {protocol_line(group[0].reports[0])}\n\n{results_markdown(group)}" for group in groups)
    lines = result_lines(runs)
    columns = metric_columns(lines)
    head = ["run", *(f"{way} {name}" for way, name in columns)]
    written = ["Text to video (t2v) and video to text (v2t); recall in percent.", ""]
    for kind, group in groupby(lines, key=lambda line: line.kind):
        written += [f"## {HEADINGS[kind]}", ""] if HEADINGS[kind] else []
        rows = [[line.title, *(cell(line, c) for c in columns)] for line in group]
        written += [*markdown_table(head, rows, rules=["---", *("---:" for _ in columns)]), ""]
    said = (f"{name}: {text}" if name else text for name, text in remarks(runs))
    return "\n".join([*written, *(f"- {markdown_text(text, code=True)}" for text in said)]) + "\n"
