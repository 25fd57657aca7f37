"""`fdakit cache`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fdakit.cli.options import json_option
from fdakit.cli.printing import print_json, print_table, say
from fdakit.errors import FdakitError


@click.group("cache")
def command() -> None:
    """Show what is cached on disk, or clear it. All of it is made again when needed."""


def folder_option(function: Any) -> Any:
    """Return `--folder`."""
    text = "A frame store outside the cache folder, as in frame_store.folder."
    return click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help=text)(function)


@command.command("info")
@folder_option
@json_option
def info(folder: Path | None, as_json: bool) -> None:
    """Show the content of the cache folder and its size.

    Shows too which recipes wrote it.
    """
    from fdakit.data_pipeline.cache_contents import KINDS, list_contents
    from fdakit.data_pipeline.clip_cache import format_bytes
    from fdakit.system.cache_folder import cache_folder

    found = list_contents(cache_folder(), frames=folder)
    if as_json:
        print_json(found)
        return
    rows = [[words, str(found[kind]["files"]), format_bytes(found[kind]["bytes"])] for kind, words in KINDS.items()]
    rows += [[name, "", format_bytes(size)] for name, size in found["other"].items()]
    say(f"{found['folder']}: {format_bytes(found['bytes'])}")
    print_table("by kind", ["what", "files", "size"], rows)
    kept = found["frames"]["by"]
    if kept:
        rows = [
            [
                row["recipe"],
                row["dataset"],
                str(row["clips"]),
                str(row["masks"]),
                format_bytes(row["bytes"]),
                row["used"].replace("T", " "),
            ]
            for row in kept
        ]
        columns = ["recipe", "data set", "clips", "masks", "size", "last used"]
        say(f"frames and masks in {found['frames']['folder']}")
        print_table("by recipe", columns, rows)


@command.command("clear")
@click.option(
    "--older-than", type=click.FloatRange(min=0), metavar="DAYS", help="Only what was not used for this many days."
)
@click.option(
    "--only",
    type=click.Choice(["frames", "moving-shapes", "moving-order", "bench"]),
    multiple=True,
    help="Only this kind; may be repeated.",
)
@folder_option
@json_option
def clear(older_than: float | None, only: tuple[str, ...], folder: Path | None, as_json: bool) -> None:
    """Remove decoded frames and rendered clips.

    Data, weights, runs and the ledger are never removed.
    """
    from fdakit.data_pipeline.cache_contents import KINDS, clear as clear_cache
    from fdakit.data_pipeline.clip_cache import format_bytes
    from fdakit.system.cache_folder import cache_folder

    cleared = clear_cache(cache_folder(), frames=folder, kinds=only, older_than=older_than or 0.0)
    if as_json:
        kinds = {kind: {"files": cleared.files[kind], "bytes": cleared.bytes[kind]} for kind in KINDS}
        print_json({**kinds, "failed": cleared.failed, "in_use": [str(path) for path in cleared.in_use]})
    else:
        gone = [f"{KINDS[kind]}: {format_bytes(size)}" for kind, size in cleared.bytes.items() if cleared.files[kind]]
        age = f" that was not used for {older_than:g} days" if older_than else ""
        if gone or not cleared.failed:
            say("removed " + ", ".join(gone) if gone else f"nothing there{age}, nothing removed")
        for path in cleared.in_use:
            say(f"left, as a run is reading it: {path}; clear it when that has ended")
    if cleared.failed:
        raise FdakitError("\n".join(cleared.failed))
