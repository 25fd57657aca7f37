"""`fdakit embed`."""

from __future__ import annotations

from pathlib import Path

import click

from fdakit.cli.options import json_option, set_option
from fdakit.cli.printing import print_json, say

_SHOWN = 10


@click.command("embed")
@click.argument("given", nargs=-1, required=True, metavar="VIDEOS|CAPTIONS...")
@click.option("--model", required=True, help="Run folder, checkpoint, or recipe.")
@click.option("--out", "folder", type=click.Path(path_type=Path), required=True, help="Folder for both files.")
@click.option("--window", type=click.FloatRange(min=0.1), help="Seconds of a segment.  [default: the whole video]")
@click.option("--step", type=click.FloatRange(min=0.1), help="Seconds between segments.  [default: half a window]")
@click.option("--workers", type=click.IntRange(min=0, max=256), help="Reading processes, instead of loader.workers.")
@set_option
@json_option
def command(
    given: tuple[str, ...],
    model: str,
    folder: Path,
    window: float | None,
    step: float | None,
    workers: int | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write the vectors of VIDEOS or CAPTIONS for other tools.

    VIDEOS are folders, files, patterns, or @list.txt; CAPTIONS is one file: .txt with one a line, .json or .jsonl.
    vectors.npy holds the vectors (n, d) in float32, of length 1 where the model compares cosines; rows.parquet says
    of each video, segment or caption which of them are its own.
    """
    from fdakit.search.embedding_files import (
        ROWS,
        VECTORS,
        are_texts,
        embed_texts,
        embed_videos,
        read_texts,
        write_embedded,
    )
    from fdakit.search.file_inventory import find_roots, list_files
    from fdakit.search.model_identity import load_model
    from fdakit.search.table.index_info import WHOLE, Segmentation
    from fdakit.system.terminal import ProgressBar

    texts = read_texts(Path(given[0])) if are_texts(given) else []
    files = [] if texts else list_files(find_roots(given), told=lambda said: say(said, err=True))
    if not texts and not files:
        raise click.UsageError("there is no video below these folders")
    if texts and (window or step):
        raise click.UsageError("--window and --step cut videos; captions have none")
    cut = WHOLE if window is None else Segmentation(window=window, step=step or window / 2)
    loaded, identity = load_model(model, settings)
    with ProgressBar() as bar:
        if texts:
            found = embed_texts(loaded, texts, progress=bar.progressed)
        else:
            found = embed_videos(loaded, files, cut, workers=workers, progress=bar.progressed)
    write_embedded(found, folder, width=identity.width)
    lost = {row["path"]: row["reason"] for row in found.rows if row.get("status") == "unreadable"}
    if as_json:
        facts = {"rows": len(found.rows), "vectors": found.count, "width": identity.width, "unreadable": lost}
        print_json({"folder": str(folder.absolute()), "model": model, "weights": identity.weights, **facts})
        return
    for path, reason in list(lost.items())[:_SHOWN]:
        say(f"could not be read: {path}: {reason.removeprefix(f'{path}: ')}")
    say(f"{folder / VECTORS}: {found.count:,} vectors of {identity.width}; {folder / ROWS}: {len(found.rows):,} rows")
