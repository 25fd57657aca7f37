"""The figures of `fdakit bench batches` as rows of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fdakit.report.markdown import markdown_table, markdown_text

from .tables import Table


def batch_table(found: Mapping[str, Any]) -> Table:
    """Return one row a question, one column a loader; the ratio is the second's to the first's seconds."""
    names = [one["name"] for one in found["warm"]]
    speeds = [f"{found['batch'] / one['median']:,.0f}" for one in found["warm"]]
    rows = [("clips a second and core, warm store to batch", *speeds, _ratio(found["warm"]))]
    for key, label in (("first", "seconds to the first batch"), ("last", "seconds to the last batch")):
        seconds = [f"{one['median']:.2f}" for one in found[key]]
        rows.append((f"{label}, decoded by {found['workers']} workers", *seconds, _ratio(found[key])))
    title = f"batches of {found['batch']} clips, {found['frames']} frames of {found['size']} px"
    return Table(title, ("what", *names, "ratio of seconds"), tuple(rows))


def _ratio(timed: list[Mapping[str, Any]]) -> str:
    return f"{timed[1]['ratio']:.2f}"


def batch_notes(found: Mapping[str, Any]) -> list[str]:
    """Return notes to be read with the figures."""
    readers = ", ".join(f"{name} {version}" for name, version in found["readers"].items())
    return [
        f"batches of {found['batch']} of {found['clips']} clips, {found['frames']} frames of {found['size']} px, "
        "mask frame-difference; as many batches as workers",
        f"medians of {found['rounds']} interleaved rounds (a third of them where clips are decoded); processor "
        f"seconds of one thread from the store, elapsed seconds for the rest; {found['machine']}; {readers}",
    ]


def markdown(found: Mapping[str, Any]) -> str:
    """Return the table in Markdown, and the notes as a list under it."""
    table = batch_table(found)
    notes = [f"- {markdown_text(note, code=True)}" for note in batch_notes(found)]
    return "\n".join([*markdown_table(table.columns, table.rows), "", *notes])
