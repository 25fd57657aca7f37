"""The reference page: every table and part with its options, generated from the declarations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import BaseModel

from .markdown import markdown_table
from .option_tables import option_rows, preset_rows

Entry = tuple[str, str, type[BaseModel]]


def reference_page(
    parts: Mapping[str, Iterable[Entry]],
    own: Mapping[str, type[BaseModel]],
    settings: Mapping[str, type[BaseModel]],
) -> str:
    """Return Markdown of `kind -> (name, summary, options)`, fdakit's `own` keys of a kind, and its tables."""
    lines = [
        "# Reference",
        "",
        "Every part that comes with fdakit and every option, as `fdakit show` prints them. Made by",
        "`FDAKIT_PLUGINS= fdakit show --markdown`; a test compares this page with the code.",
        "",
    ]
    for kind, entries in parts.items():
        lines += [f"## {kind}", ""]
        if option_rows(own[kind]):
            lines += [f"In every {kind} table, whatever it uses:", "", *_table(own[kind])]
        for name, summary, model in entries:
            lines += [f"### {kind} `{name}`", "", f"{summary[0].upper()}{summary[1:]}.", "", *_table(model)]
            lines += [f"- preset `{preset}`: {sets}" for preset, sets in preset_rows(model)]
            lines += [""] if preset_rows(model) else []
    lines += ["## Tables of fdakit itself", ""]
    for table, model in settings.items():
        lines += [f"### `[{table}]`", "", *_table(model)]
    return "\n".join(lines).rstrip() + "\n"


def _table(model: type[BaseModel]) -> list[str]:
    rows = option_rows(model)
    if not rows:
        return ["No options.", ""]
    cells = [(f"`{row.name}`", row.type, row.default, row.help) for row in rows]
    return [*markdown_table(("option", "type", "default", "what"), cells, code=True), ""]
