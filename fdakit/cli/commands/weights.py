"""`fdakit weights`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from fdakit.cli.options import json_option
from fdakit.cli.printing import print_json, say

_SHOWN = 20
"""Names of tensors; `--json` has them all."""


@click.group("weights")
def command() -> None:
    """Identify a weights file, or convert it to safetensors."""


@command.command("inspect")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def inspect(file: Path, as_json: bool) -> None:
    """Show format, sizes, matching models and SHA-256 of FILE. Runs no code from it."""
    from fdakit.model.weight_conversion import inspect_weights

    found = asdict(inspect_weights(file))
    if as_json:
        print_json(found)
        return
    found["models"] = ", ".join(found["models"]) or "none of open_clip's"
    found["alpha"] = "yes" if found["alpha"] else "no"
    found["types"] = ", ".join(f"{count} {name}" for name, count in found["types"].items())
    more = len(found["other"]) - _SHOWN
    found["other"] = ", ".join(found["other"][:_SHOWN]) + (f" and {more:,} more" if more > 0 else "") or "nothing"
    for key, value in found.items():
        say(f"{key + ':':14}{value}")


@command.command("convert")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The .safetensors file to write.")
@json_option
def convert(file: Path, out: Path, as_json: bool) -> None:
    """Write FILE as safetensors under open_clip's names.

    Its SHA-256 and its format are in the header.
    """
    from fdakit.model.weight_conversion import convert_weights

    found = convert_weights(file, out)
    if as_json:
        print_json({**asdict(found), "out": str(out.absolute())})
    else:
        say(f"{found.format}, {found.architecture}: written to {out}")
