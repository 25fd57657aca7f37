"""`fdakit bench search`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from fdakit.cli.bench_options import Shown, check_targets, give, names
from fdakit.cli.options import json_option
from fdakit.cli.printing import say_progress


@click.command("search")
@click.option("--rows", type=click.IntRange(min=100), default=100_000, show_default=True, help="Vectors.")
@click.option("--width", type=click.IntRange(min=8), default=512, show_default=True, help="Numbers in a vector.")
@click.option("--queries", type=click.IntRange(min=1), default=150, show_default=True, help="Of each kind.")
@click.option("--k", type=click.IntRange(1, 100), default=10, show_default=True, help="Results that are asked for.")
@click.option(
    "--store",
    "stores",
    multiple=True,
    metavar="'NAME KEY=VALUE ...'",
    help="A vector store with its options; several in turn.  [default: exact, rabitq]",
)
@click.option(
    "--peers", metavar="A,B", help="Other indexes, as 'faiss HNSW,lance IVF_PQ'; '' for none.  [default: all]"
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Keep the vectors there, for the next time.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the JSON to this file.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print a Markdown table.")
@json_option
def search(
    rows: int,
    width: int,
    queries: int,
    k: int,
    stores: tuple[str, ...],
    peers: str | None,
    keep: Path | None,
    **told: Any,
) -> int:
    """Time vector stores on synthetic vectors, beside FAISS and Lance.

    What each takes to build, memory, files, milliseconds a query on one thread, and the share of the nearest vectors
    that it finds, for queries like texts and queries like example clips.
    """
    from fdakit.bench.search.bench_search import bench_search
    from fdakit.bench.search.contestants import STORES
    from fdakit.bench.search.synthetic_vectors import Shape

    check_targets(plot=None, **told)
    shape = Shape(rows, width, queries, k)
    found = bench_search(shape, stores=stores or STORES, peers=names(peers), folder=keep, progress=_tell)
    _give(found, **told)
    return 0 if found["whole"] else 130


def _give(found: Mapping[str, Any], **told: Any) -> None:
    from fdakit.bench.search.search_tables import markdown, search_notes, search_table

    shown = Shown(
        tables=lambda: (search_table(found),),
        notes=lambda: search_notes(found),
        markdown=lambda: markdown(found),
        draw=lambda plot: None,
    )
    give(found, shown, plot=None, **told)


def _tell(what: str, done: int, total: int) -> None:
    say_progress(what, done, total, every=1)
