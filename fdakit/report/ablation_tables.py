"""An ablation as Markdown, as LaTeX, and as panels of R@1 against cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from textwrap import fill

from .ablation import Ablation, AblationCell, SystemCost
from .curves import Panel, Point
from .evaluation_report import in_direction
from .latex import latex_text
from .markdown import markdown_table
from .report_tables import DIRECTIONS
from .sweep_tables import METRICS

COST_LABEL = "GFLOPs a video"
NOTE = (
    "In brackets 95% intervals: Student's of the mean over seeds, or the bootstrap over queries for a single seed. "
    "Operations, time and bytes are of one video at the frames of evaluation: encoder and aggregator, without "
    "decoding and masks; an index keeps float32."
)
_TITLE = 48  # letters of a line above a panel
Rows = Mapping[str, Mapping[str, AblationCell]]
_COSTS: Mapping[str, Callable[[SystemCost], str]] = {
    "parameters": lambda cost: f"{cost.parameters:,}",
    "trained": lambda cost: f"{cost.trained:,}",
    COST_LABEL: lambda cost: f"{cost.flops / 1e9:.3g}",
    "ms a video": lambda cost: f"{cost.encode_seconds * 1e3:.3g}",
    "index bytes a video": lambda cost: "none" if cost.index_bytes is None else f"{cost.index_bytes:,}",
}


def ablation_rows(table: Ablation) -> Rows:
    """Return the cells by row and protocol; a system that has two under one protocol has a row for each data set."""
    count = Counter((cell.system, cell.protocol) for cell in table.cells)
    several = {system for (system, _), cells in count.items() if cells > 1}
    rows: dict[str, dict[str, AblationCell]] = {}
    for cell in table.cells:
        label = f"{cell.system}, {cell.data}" if cell.system in several else cell.system
        rows.setdefault(label, {})[cell.protocol] = cell
    return rows


def protocols(table: Ablation) -> list[str]:
    """Return the names of all protocols, each once."""
    return list(dict.fromkeys(cell.protocol for cell in table.cells))


def main_columns(table: Ablation) -> list[str]:
    """Return the titles of the main table's columns."""
    return [
        "system",
        *(f"{name}: {way} R@1" for name in protocols(table) for way in DIRECTIONS),
        *_COSTS,
    ]


def main_rows(table: Ablation) -> list[list[str]]:
    """Return a row for each system: R@1 in both directions under each protocol, then its costs."""
    return [
        [
            _label(label, cells),
            *(
                in_direction(cells[name], way)["R@1"].text() if name in cells else "–"
                for name in protocols(table)
                for way in DIRECTIONS
            ),
            *(_cost(list(cells.values()), text) for text in _COSTS.values()),
        ]
        for label, cells in ablation_rows(table).items()
    ]


def _label(label: str, cells: Mapping[str, AblationCell]) -> str:
    """Return the row's name, with the runs it is of if some failed."""
    short = [cell for cell in cells.values() if cell.finished < cell.of]
    told = "; ".join(f"{cell.finished} of {cell.of} seeds" for cell in short)
    return f"{label} ({told})" if told else label


def _cost(cells: Sequence[AblationCell], text: Callable[[SystemCost], str]) -> str:
    """Return the cost, one for each data set where they differ."""
    told = dict.fromkeys(text(cell.cost) for cell in cells if cell.cost is not None)
    return " / ".join(told) or "–"


def ablation_markdown(table: Ablation) -> str:
    """Return the main table, every metric under each protocol, the machine, and the runs that failed."""
    seeds = ", ".join(map(str, table.seeds))
    lines = [f"Seeds {seeds}. {NOTE}", "", *markdown_table(main_columns(table), main_rows(table)), ""]
    for name in protocols(table):
        for way, title in DIRECTIONS.items():
            rows = [
                [_label(label, {name: cells[name]}), *(in_direction(cells[name], way)[m].text() for m in METRICS)]
                for label, cells in ablation_rows(table).items()
                if name in cells
            ]
            lines += [f"## {name}: {title}", "", *markdown_table(["system", *METRICS], rows), ""]
    lines += [f"Times are of {machine}." for machine in _machines(table)]
    if table.failed:
        failed = [[one.recipe, str(one.seed), one.reason.replace("\n", "; ")] for one in table.failed]
        lines += ["", "## Failed runs", "", *markdown_table(["recipe", "seed", "why"], failed)]
    return "\n".join(lines) + "\n"


def _machines(table: Ablation) -> list[str]:
    costs = [cell.cost for cell in table.cells if cell.cost is not None]
    return sorted({f"{cost.device}, {cost.threads} threads, torch {cost.torch}" for cost in costs})


def ablation_latex(table: Ablation) -> str:
    """Return the main table as a tabular; needs `\\usepackage{booktabs}`."""
    columns = main_columns(table)
    rows = [[latex_text(cell.replace("–", "--")) for cell in row] for row in main_rows(table)]
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            f"% {NOTE}",
            f"\\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}",
            "\\toprule",
            " & ".join(map(latex_text, columns)) + r" \\",
            "\\midrule",
            *(" & ".join(row) + r" \\" for row in rows),
            "\\bottomrule",
            "\\end{tabular}",
            "",
        ]
    )


def ablation_panels(table: Ablation) -> list[Panel]:
    """Return for each protocol R@1 text to video of every system over its operations, with its interval."""
    panels = []
    for name in protocols(table):
        series = []
        for label, cells in ablation_rows(table).items():
            if name in cells and (cost := cells[name].cost) is not None:
                found = cells[name].t2v["R@1"]
                bar = None if found.low is None or found.high is None else (found.low, found.high)
                series.append((label, (Point(cost.flops / 1e9, found.mean, interval=bar),)))
        if series:
            panels.append(Panel(fill(f"R@1 text to video, %: {name}", _TITLE), tuple(series)))
    return panels
