"""Galleries of single queries: the target and the retrieved videos, as images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from fdakit.plugin.contracts import Progress
from fdakit.ranking.scan import blocks
from fdakit.report.html_page import Card, Gallery, Shot
from fdakit.values import Scores

from .clip_images import Draw, picture_of, uniform_frames, warn_of_missing
from .saved_run import SavedRun

_RETRIEVED = 3
_PLACES = ("1st", "2nd", "3rd")
_ORDER = "By rank, then by margin: the target's score less the best other one. One query a video."


def query_galleries(
    run: SavedRun, *, worst: int, best: int, progress: Progress, draw: Draw | None = None
) -> list[Gallery]:
    """Return the worst and the best text-to-video queries as cards, with target and first three retrieved videos.

    Queries at rank 1 are never among the worst, and no query is in both. A video that cannot be read now is shown
    without an image. `draw` renders the videos; left out, they are thumbnails. Raises `ScoreError` as `SavedRun`
    does.
    """
    scores = run.scores()
    margins = query_margins(scores)
    low, high = extremes(run, scores, margins, worst=worst, best=best)
    shown = {row: _first(scores, row) for row in (*low, *high)}
    wanted = {int(scores.owners[row]) for row in shown} | {place for found in shown.values() for place in found}
    pictures = _pictures(run, sorted(wanted), draw or uniform_frames, progress)
    note = " ".join([_ORDER, *_gaps(scores, pictures)])
    galleries = []
    for title, rows in (("Worst queries", low), ("Best queries", high)):
        if rows:
            cards = [_card(run, scores, row, shown[row], margins[row], pictures) for row in rows]
            galleries.append(Gallery(f"{title}, text to video", note, tuple(cards)))
    return galleries


def query_margins(scores: Scores) -> NDArray[np.float64]:
    """Return the margin of the target's score over the best other of each caption `(q,)`.

    Unreadable videos are not counted as others. Infinite if there is no other; meaningless for captions of unreadable
    videos.
    """
    queries, videos = scores.matrix.shape
    found = np.empty(queries)
    for part in blocks(queries, width=videos):
        rows = np.arange(part.start, part.stop)
        others = np.where(scores.lost, -np.inf, scores.matrix[part])
        own = scores.matrix[rows, scores.owners[part]]
        others[rows - part.start, scores.owners[part]] = -np.inf
        found[part] = own - others.max(axis=1)
    return found


def extremes(
    run: SavedRun, scores: Scores, margins: NDArray[np.float64], *, worst: int, best: int
) -> tuple[list[int], list[int]]:
    """Return the rows of the worst and of the best queries, the most extreme first, each of another video."""
    ranks = run.ranked["t2v"].ranking.ranks(run.ties)
    read = np.flatnonzero(~scores.lost[scores.owners])
    falling = read[np.lexsort((margins[read], -ranks[read]))]
    low = _distinct((row for row in falling.tolist() if ranks[row] > 1), scores, worst)
    taken = set(low)
    rising = read[np.lexsort((-margins[read], ranks[read]))]
    return low, _distinct((row for row in rising.tolist() if row not in taken), scores, best)


def _distinct(rows: Iterable[int], scores: Scores, count: int) -> list[int]:
    """Return the first rows, one for each video."""
    found: dict[int, int] = {}
    for row in rows:
        if len(found) == count:
            break
        found.setdefault(int(scores.owners[row]), row)
    return list(found.values())


def _first(scores: Scores, row: int) -> list[int]:
    live = np.flatnonzero(~scores.lost)
    order = np.argsort(-scores.matrix[row, live], kind="stable")[:_RETRIEVED]
    return [int(place) for place in live[order]]


def _pictures(run: SavedRun, columns: list[int], draw: Draw, progress: Progress) -> dict[int, bytes | None]:
    found, reasons = {}, list[str]()
    for done, column in enumerate(columns):
        progress("making thumbnails", done, len(columns))
        found[column] = picture_of(draw, [run.videos[column]], reasons)
    progress("making thumbnails", len(columns), len(columns))
    warn_of_missing(reasons, len(columns))
    return found


def _gaps(scores: Scores, pictures: Mapping[int, bytes | None]) -> list[str]:
    """Return what the galleries do not show."""
    found = []
    lost = int(scores.lost[scores.owners].sum())
    if lost:
        found.append(f"Queries of videos that could not be read count as misses and are not shown: {lost:,}.")
    absent = sum(picture is None for picture in pictures.values())
    if absent:
        found.append(f"Videos without an image, as their files are absent or cannot be read now: {absent}.")
    return found


def _card(
    run: SavedRun,
    scores: Scores,
    row: int,
    retrieved: list[int],
    margin: float,
    pictures: Mapping[int, bytes | None],
) -> Card:
    ranked, target = run.ranked["t2v"], int(scores.owners[row])
    equal = int(ranked.ranking.equal[row])
    rank = f"rank {ranked.ranking.ranks(run.ties)[row]:g} of {ranked.ranking.pool}"
    facts = (
        rank + (f", tied with {equal} more" if equal else ""),
        f"target's score {scores.matrix[row, target]:.3f}, margin {margin:+.3f}",
    )
    shots = [Shot(f"target: {run.videos[target].id}", pictures[target])]
    for place, column in zip(_PLACES, retrieved, strict=False):
        label = f"{place}: {run.videos[column].id}, {scores.matrix[row, column]:.3f}"
        shots.append(Shot(label, pictures[column], "right" if column == target else "wrong"))
    return Card(ranked.queries[row], facts, tuple(shots))
