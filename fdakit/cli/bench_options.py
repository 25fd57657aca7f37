"""What the commands of `fdakit bench` that compare with peers share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click


def names(listed: str | None) -> list[str] | None:
    """`a,b` as a list; None where the option was left out."""
    return None if listed is None else [name.strip() for name in listed.split(",") if name.strip()]


def check_targets(*, plot: Path | None, out: Path | None, **others: Any) -> None:
    """What cannot be written is found out before anything is measured."""
    from fdakit.bench.plot import check_plot

    if plot is not None:
        check_plot()
    for option, path in (("--plot", plot), ("--out", out)):
        if path is not None and not path.absolute().parent.is_dir():
            raise click.BadParameter(f"{path.absolute().parent}: no such folder; make it first", param_hint=option)


def write_json(found: Mapping[str, Any], out: Path | None) -> None:
    """The document of `--out`, where one is asked for."""
    if out is not None:
        out.write_text(json.dumps(found, indent=2, allow_nan=False) + "\n", encoding="utf-8")
