"""A comparison as a page: its tables, and the queries won and lost with images of the retrieved videos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from fdakit.inference.run_files import SIMILARITY
from fdakit.plugin.contracts import Progress
from fdakit.report.comparison_tables import (
    change_title,
    comparison_lines,
    comparison_notes,
    comparison_tables,
    comparison_title,
    rank_words,
)
from fdakit.report.html_page import Card, Gallery, Shot, page_html
from fdakit.values import VideoRef

from .clip_images import Draw, picture_of, uniform_frames, warn_of_missing
from .compare import Comparison, Pair, RankChange
from .run_groups import RunGroup

Finds = Mapping[int, VideoRef]  # row of a side's first run -> the video ranked first


def comparison_html(
    comparison: Comparison,
    document: Mapping[str, Any],
    *,
    progress: Progress,
    draws: Mapping[str, Draw] | None = None,
) -> str:
    """Return one self-contained HTML file.

    `draws` renders the videos of each side, by its label; left out, they are thumbnails. Raises `ScoreError` if the
    similarities of a run are damaged.
    """
    pictures = _Pictures(comparison, progress, draws or {})
    galleries = [
        _gallery(pair, kind, change_title(told, kind), pictures)
        for pair, told in zip(comparison.pairs, document["pairs"], strict=True)
        for kind in ("won", "lost")
    ]
    return page_html(
        comparison_title(document),
        lines=[*comparison_lines(document), *comparison_notes(document)],
        tables=comparison_tables(document),
        galleries=[gallery for gallery in galleries if gallery.cards],
    )


class _Pictures:
    """What each side ranks first for the queries shown, and an image of every video, made once by each renderer.

    The target video is rendered as the first side renders.
    """

    def __init__(self, comparison: Comparison, progress: Progress, draws: Mapping[str, Draw]) -> None:
        self._draws = draws
        rows: dict[str, set[int]] = {}
        for label, change, place in _shown(comparison):
            rows.setdefault(label, set()).add(change.rows[place])
        self._sides = dict(zip(comparison.labels, comparison.sides, strict=True))
        self._firsts = {label: _firsts(self._sides[label], wanted) for label, wanted in rows.items()}
        self._references: dict[str, list[VideoRef]] = {}
        for side in comparison.sides:
            for video in side.runs[0].videos:
                self._references.setdefault(video.id, []).append(video)
        self._first = comparison.labels[0]
        wanted = {(self._drawer(self._first), change.target) for _, change, _ in _shown(comparison)}
        for label, firsts in self._firsts.items():
            wanted |= {(self._drawer(label), video.id) for video in firsts.values()}
        self._made: dict[tuple[str, str], bytes | None] = {}
        reasons: list[str] = []
        for done, (drawer, name) in enumerate(sorted(wanted), 1):
            files = dict.fromkeys(self._references[name])  # of several runs: the first readable file
            draw = draws[drawer] if drawer else uniform_frames
            self._made[drawer, name] = picture_of(draw, files, reasons)
            progress("drawing videos", done, len(wanted))
        warn_of_missing(reasons, len(wanted))

    def _drawer(self, label: str) -> str:
        """Return whose renderer a side uses: its own, or "" if all are alike."""
        return label if label in self._draws else ""

    def target(self, change: RankChange) -> Shot:
        """Return the target video."""
        return Shot(f"sought: {change.target}", self._made[self._drawer(self._first), change.target])

    def first(self, label: str, change: RankChange, row: int) -> tuple[Shot, ...]:
        """Return what a side ranks first; empty if it is not known."""
        found = self._firsts[label].get(row)
        if found is None:
            return ()
        side = self._sides[label]
        seed = f", seed {side.seeds[0]}" if len(side.runs) > 1 else ""
        mark = "right" if found.id == change.target else "wrong"
        return (Shot(f"first in {label}{seed}: {found.id}", self._made[self._drawer(label), found.id], mark),)

    def unknown(self, *labels: str) -> str:
        """Return which sides stored no similarities, as text."""
        names = [label for label in labels if not self._firsts.get(label)]
        return f"; what {' and '.join(names)} ranked first is not shown: no {SIMILARITY}" if names else ""


def _shown(comparison: Comparison) -> Iterator[tuple[str, RankChange, int]]:
    """Yield every displayed query with the label and index of each side."""
    for pair in comparison.pairs:
        for change in (*pair.found["t2v"].won, *pair.found["t2v"].lost):
            yield from ((label, change, place) for place, label in enumerate(pair.labels))


def _firsts(side: RunGroup, rows: set[int]) -> Finds:
    run = side.runs[0]
    if not (run.folder / SIMILARITY).is_file():
        return {}
    scores = run.scores()
    return {row: run.videos[int(np.argmax(np.where(scores.lost, -np.inf, scores.matrix[row])))] for row in rows}


def _gallery(pair: Pair, kind: str, title: str, pictures: _Pictures) -> Gallery:
    found = pair.found["t2v"]
    cards = tuple(_card(pair, change, pictures) for change in (found.won if kind == "won" else found.lost))
    order = "Queries that reach or leave the first place stand before the others."
    return Gallery(title[:1].upper() + title[1:], order + pictures.unknown(*pair.labels), cards)


def _card(pair: Pair, change: RankChange, pictures: _Pictures) -> Card:
    facts = tuple(
        f"rank {rank_words(rank)} in {label}" for rank, label in zip(change.ranks, pair.labels, strict=True)
    )
    firsts = (pictures.first(label, change, row) for label, row in zip(pair.labels, change.rows, strict=True))
    return Card(change.query, facts, (pictures.target(change), *(shot for shots in firsts for shot in shots)))
