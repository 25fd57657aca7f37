"""A table of results for a paper: a LaTeX tabular with booktabs, for the author's own table environment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from .report_tables import DIRECTIONS, report_notes
from .result_tables import (
    HEADINGS,
    Column,
    ReportedRuns,
    ResultLine,
    best_lines,
    by_protocol,
    cell,
    metric_columns,
    one_protocol,
    protocol_line,
    remarks,
    result_lines,
)

# A bracket or star at the start of a line would be parsed as an argument of the preceding line break.
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",
    "*": "{*}",
    "±": r"$\pm$",
    **{sign: f"\\{sign}" for sign in "{}$&#%_"},
}
_NARROWER = (
    "too wide? \\small \\setlength{\\tabcolsep}{3pt} before it, \\resizebox{\\linewidth}{!}{...} around it, or table*"
)
_GONE = re.compile(r"[\x00-\x1f\x7f]+")


def latex_text(text: str) -> str:
    """Return text for LaTeX: special characters escaped, line breaks and control characters as spaces."""
    plain = _GONE.sub(" ", text.encode("utf-8", "backslashreplace").decode("utf-8"))
    escaped = "".join(_SPECIAL.get(sign, sign) for sign in plain)
    return re.sub("-(?=-)", "-{}", escaped)  # two hyphens would become a dash


def latex_table(runs: Sequence[ReportedRuns]) -> str:
    """Return both directions of every run in one row, recall in percent; needs `\\usepackage{booktabs}`.

    The best results of a column are bold if the runs share a protocol and miss no video; controls and rescored rows
    are below under headings of their own and are never bold. Remarks to be read with the numbers follow as notes, and
    in full as comments. Runs of other data or rules have tables of their own.
    """
    groups = by_protocol(runs)
    if len(groups) > 1:
        return "\n".join(f"% {protocol_line(group[0].reports[0])}\n{latex_table(group)}" for group in groups)
    lines = result_lines(runs)
    columns = metric_columns(lines)
    width = 1 + len(columns)
    written = ["% needs \\usepackage{booktabs}", f"% {_NARROWER}"]
    for run in runs:
        written += [f"% {_GONE.sub(' ', f'{run.name}: {note}')}" for note in report_notes(run.reports[0])]
    written += [f"\\begin{{tabular}}{{l{'r' * len(columns)}}}", "\\toprule", *_head(columns), "\\midrule"]
    bold = {column: best_lines(lines, column) if one_protocol(runs) else set() for column in columns}
    for kind, group in groupby(enumerate(lines), key=lambda pair: pair[1].kind):
        if HEADINGS[kind]:
            written += ["\\midrule", f"\\multicolumn{{{width}}}{{l}}{{\\emph{{{latex_text(HEADINGS[kind])}}}}} \\\\"]
        for place, line in group:
            best = {column for column in columns if place in bold[column]}
            written.append(_row(_title(line, alone=len(runs) == 1), line, columns, best))
    written.append("\\bottomrule")
    written += [
        f"\\multicolumn{{{width}}}{{l}}{{\\footnotesize {latex_text(f'{name}: {text}' if name else text)}}} \\\\"
        for name, text in [*_seeds(runs), *remarks(runs)]
    ]
    return "\n".join([*written, "\\end{tabular}"]) + "\n"


def _head(columns: Sequence[Column]) -> list[str]:
    titles, rules, start = [], [], 2
    for way, words in DIRECTIONS.items():
        count = sum(column[0] == way for column in columns)
        if count:
            titles.append(f"\\multicolumn{{{count}}}{{c}}{{{words.capitalize()}}}")
            rules.append(f"\\cmidrule(lr){{{start}-{start + count - 1}}}")
            start += count
    arrows = {True: "$\\uparrow$", False: "$\\downarrow$"}
    names = [f"{name}{arrows[name.startswith('R@')]}" for _, name in columns]
    return [f" & {' & '.join(titles)} \\\\", "".join(rules), f"Run & {' & '.join(names)} \\\\"]


def _title(line: ResultLine, *, alone: bool) -> str:
    """Return a short title, as the table is wide: without what the heading above or a note below states."""
    if line.kind == "result":
        return line.name
    label = line.label.removeprefix("same weights, ").removeprefix("rescored: ")
    return label if alone else f"{line.name}, {label}"


def _seeds(runs: Sequence[ReportedRuns]) -> list[tuple[str, str]]:
    """Return the meaning of ±, for each run if they differ."""
    counts = {run.name: len(run.reports) for run in runs}
    told = {name: f"mean ± sd of {count} seeds" if count > 1 else "one seed" for name, count in counts.items()}
    if max(counts.values(), default=1) == 1:
        return []
    return [("", next(iter(told.values())))] if len(set(told.values())) == 1 else list(told.items())


def _row(title: str, line: ResultLine, columns: Sequence[Column], bold: set[Column]) -> str:
    cells = [cell(line, column, sign="$\\pm$", absent="--") for column in columns]
    shown = [f"\\textbf{{{text}}}" if column in bold else text for text, column in zip(cells, columns, strict=True)]
    return f"{latex_text(title)} & {' & '.join(shown)} \\\\"
