"""The figures of `fdakit bench search` as rows of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fdakit.bench.tables import Table
from fdakit.report.markdown import markdown_table, markdown_text

from .synthetic_vectors import KINDS


def search_table(found: Mapping[str, Any]) -> Table:
    """Return one row for each setting of each contestant."""
    columns = ("index", "build CPU s", "memory MB", "files MB", "median ms", "p99 ms", "CPU ms")
    recalls = tuple(f"recall@{found['k']}, {kind}" for kind in KINDS)
    title = f"{found['rows']:,} vectors of {found['width']} numbers, one thread"
    return Table(title, (*columns, *recalls), tuple(_row(one) for one in found["measured"]))


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    setting = ", ".join(f"{name} {value}" for name, value in one["setting"].items())
    memory = "-" if one["memory_mb"] is None else f"{one['memory_mb']:,.0f}"
    times = (f"{one[name]:.2f}" for name in ("median_ms", "p99_ms", "cpu_ms"))
    return (
        f"{one['name']} ({setting})" if setting else one["name"],
        f"{one['build_cpu_s']:,.1f}",
        memory,
        f"{one['disk_mb']:,.1f}",
        *times,
        *(f"{one['recall'][kind]:.3f}" for kind in KINDS),
    )


def search_notes(found: Mapping[str, Any]) -> list[str]:
    """Return notes to be read with the figures."""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    cosines = ", ".join(
        f"{kind} {one['nearest']:.2f} and {one['last']:.2f}" for kind, one in found["cosines"].items()
    )
    said = [
        f"{found['queries']} queries of each kind, one at a time; mean cosine with the nearest vector and the "
        f"{found['k']}th: {cosines}",
        "memory: of the process that searches, without files that it maps; files: written by the index; stores of "
        f"fdakit read the vectors of the table, {found['vectors_mb']:,.0f} MB, beside them, others hold copies",
        f"one index after the other, in processes of their own; {found['machine']}; {versions}",
    ]
    said += [f"not timed: {name}: {reason}" for name, reason in found["absent"].items()]
    said += [f"failed: {name}: {reason}" for name, reason in found["failed"].items()]
    return said if found["whole"] else [*said, "ended before all were measured"]


def markdown(found: Mapping[str, Any]) -> str:
    """Return the table in Markdown, and the notes as a list under it."""
    table = search_table(found)
    notes = [f"- {markdown_text(note, code=True)}" for note in search_notes(found)]
    return "\n".join([*markdown_table(table.columns, table.rows), "", *notes])
