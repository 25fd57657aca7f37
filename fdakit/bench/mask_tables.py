"""What `fdakit bench masks` found as rows of text: for the terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fdakit.report.markdown import markdown_table, markdown_text

from .tables import Table

MEASURES: Mapping[str, str] = {
    "iou": "IoU: what both mark of what either marks",
    "precision": "precision: what moves of what is marked",
    "recall": "recall: what is marked of what moves",
}


def mask_tables(found: Mapping[str, Any]) -> tuple[Table, ...]:
    """IoU, precision and recall: a row a mask with its ms a frame, a column a condition; `-` if there is none."""
    masks = list(dict.fromkeys(row["mask"] for row in found["results"]))
    shown = found["measured"]
    rows = {(row["mask"], row["condition"]): row for row in found["results"]}
    ms = {row["mask"]: _number(row["ms_per_frame"]) for row in found["results"]}

    def cells(mask: str, measure: str) -> tuple[str, ...]:
        return tuple(_number(rows.get((mask, condition), {}).get(measure)) for condition in shown)

    return tuple(
        Table(title, ("mask", "ms", *shown), tuple((mask, ms[mask], *cells(mask, measure)) for mask in masks))
        for measure, title in MEASURES.items()
    )


def fitted(table: Table, width: int) -> list[Table]:
    """Return the table, split so that none is wider than `width` characters, with the first two columns in each."""
    widths = [max(map(len, column)) + 3 for column in zip(table.columns, *table.rows, strict=True)]
    parts: list[list[int]] = [[0, 1]]
    for place in range(2, len(widths)):
        if len(parts[-1]) > 2 and sum(widths[one] for one in [*parts[-1], place]) > width:
            parts.append([0, 1])
        parts[-1].append(place)
    return [
        Table(
            table.title if not number else f"{table.title} (continued)",
            tuple(table.columns[place] for place in places),
            tuple(tuple(row[place] for place in places) for row in table.rows),
        )
        for number, places in enumerate(parts)
    ]


def mask_notes(found: Mapping[str, Any]) -> list[str]:
    """Return what must be read beside the figures: how they were measured, versions, and who is left out."""
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    said = [
        f"{found['clips']} clips a condition, {found['frames']} frames of each at {found['size']} px, "
        f"all pixels together; clips encoded by {found['codec']}",
        f"ms: a frame of 224 px, medians of {found['rounds']} interleaved rounds, one thread; device "
        f"{found['device']}; {found['machine']}",
        versions,
    ]
    shares = {row["truth"] for row in found["results"]}
    if shares:
        said.insert(1, f"the mover covers {_percents(shares)} of a frame: the precision of a mask that marks all")
    return said + [f"left out: {label}: {reason}" for label, reason in found["failed"].items()]


def mask_markdown(found: Mapping[str, Any]) -> str:
    """Return the three tables as Markdown, and the notes as a list under them."""
    lines = []
    for table in mask_tables(found):
        rules = ("---", *("---:",) * (len(table.columns) - 1))
        lines += [f"{markdown_text(table.title)}:", "", *markdown_table(table.columns, table.rows, rules=rules), ""]
    return "\n".join([*lines, *(f"- {markdown_text(note, code=True)}" for note in mask_notes(found))])


def _percents(shares: set[float]) -> str:
    low, high = (f"{100 * share:.1f}" for share in (min(shares), max(shares)))
    return f"{low} %" if low == high else f"{low} to {high} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
