"""`fdakit search`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fdakit.cli.options import json_option
from fdakit.cli.printing import print_json, print_table, say
from fdakit.cli.search_results import WantedResults, result_options
from fdakit.search.results.times import clock

if TYPE_CHECKING:
    from fdakit.search.found_moments import FoundMoment


@click.command("search")
@click.argument("index", type=click.Path(path_type=Path))
@click.argument("text", required=False)
@click.option("--k", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Moments.")
@click.option(
    "--where", default="", metavar="CONDITION", help="Only some videos: \"duration > 60 and name like '%dog%'\"."
)
@click.option("--like", type=click.Path(path_type=Path), help="Search by an example, a video or an image.")
@click.option("--from", "start", type=click.FloatRange(min=0), help="Second at which the example begins.")
@click.option("--to", "end", type=click.FloatRange(min=0), help="Second at which the example ends.")
@click.option("--unusual", is_flag=True, help="Show what is least like the other videos.")
@result_options
@click.option("--store", default="auto", show_default=True, help="Vector store: auto, exact, rabitq, or a plugin's.")
@click.option("--model", help="The model of the index, if it is no longer where it was.")
@json_option
def command(
    index: Path,
    text: str | None,
    k: int,
    where: str,
    like: Path | None,
    start: float | None,
    end: float | None,
    unusual: bool,
    sheet: Path | None,
    clips: Path | None,
    exact: bool,
    play: bool,
    store: str,
    model: str | None,
    as_json: bool,
) -> None:
    """Find moments in the videos of INDEX by TEXT, or by an example.

    A moment is a part of a video: segments that overlap and fit about equally well are one. Scores are
    comparable within one index; below the line that is printed, random captions score as well.
    """
    if sum([text is not None, like is not None, unusual]) != 1:
        raise click.UsageError("give one of TEXT, --like FILE and --unusual")
    if like is None and (start is not None or end is not None):
        raise click.UsageError("--from and --to are seconds of the example; add --like FILE")
    wanted = WantedResults(sheet, clips, exact, play)
    wanted.check()

    from fdakit.search.opened_index import Index

    with Index(index, model=model, store=store) as opened:
        if unusual:
            found, line = opened.unusual(k=k, where=where), None
        else:
            query = like if like is not None else text
            assert query is not None
            found = opened.search(query, k=k, where=where, start=start, end=end)
            line = opened.line() if text is not None and found else None
    title = "unusual moments" if unusual else str(like if like is not None else text)
    written = wanted.write(found, line, title=title, facts=f"{len(found)} moments of {index.absolute()}")
    if as_json:
        told = written.to_json([one.to_json() for one in found])
        print_json({"index": str(index.absolute()), "line": line, **told})
    elif not found:
        say("nothing found: " + ("no segment fits the condition" if where else "the index has no segment"))
    else:
        print_moments(found, line)
        written.print()
    wanted.show(found)


def print_moments(found: Sequence[FoundMoment], line: float | None) -> None:
    """Print moments as a table, and whether any is close."""
    above = [line is None or one.score >= line for one in found]
    rows = [
        [
            ("" if near else "· ") + str(one.path),
            f"{clock(one.start)} to {clock(one.end)}",
            f"{one.score:.3f}",
            ", ".join(str(copy) for copy in one.copies),
        ]
        for one, near in zip(found, above, strict=True)
    ]
    columns = ["video", "moment", "score", "the same in"]
    if not any(row[-1] for row in rows):
        rows, columns = [row[:-1] for row in rows], columns[:-1]
    print_table(f"{len(found)} moments", columns, rows, numbers=True)
    if line is None or all(above):
        return
    if not any(above):
        say(f"nothing close: random captions score up to {line:.3f} in this index")
    else:
        say(f"· below {line:.3f}, which random captions reach in this index: not close")
