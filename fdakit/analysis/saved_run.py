"""A finished run, read back from its folder: its report, its queries with their ranks, its videos."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fdakit.choices import TieRule
from fdakit.dataset_files.table_rows import fields_of_any_length
from fdakit.errors import ScoreError
from fdakit.inference.run_files import CHECKPOINTS, ENVIRONMENT, REPORT, SIMILARITY, VIDEOS
from fdakit.plugin.contracts import DIRECTIONS, Direction
from fdakit.query_ranks import Ranking
from fdakit.report.evaluation_report import Report, in_direction
from fdakit.system.digests import SUMS, check_digest, read_digests
from fdakit.system.regular_files import open_regular, read_json, read_text, require_regular
from fdakit.values import Scores, VideoRef

T = TypeVar("T")
_DAMAGE = (
    *(OSError, EOFError, ValueError, LookupError, TypeError, AttributeError),
    *(OverflowError, MemoryError, csv.Error),
)
"""Exceptions of reading files that are damaged or have unexpected content."""


@dataclass(frozen=True)
class RankedQueries:
    """The queries of one direction in order, each with the name and rank of its target.

    Text to video: `queries` are captions, `targets` ids of videos. Video to text: both are ids of videos.
    """

    queries: tuple[str, ...]
    targets: tuple[str, ...]
    ranking: Ranking


@dataclass(frozen=True)
class SavedRun:
    """A run folder on disk; every file is read on first use.

    Raises `ScoreError`, naming the file, if it is absent, damaged or of an older fdakit.
    """

    folder: Path

    @cached_property
    def report(self) -> Report:
        """The content of report.json."""

        def read(path: Path) -> Report:
            return Report.from_json(read_json(path, error=ScoreError, advice=self._again, what="part of a run"))

        return self._read(REPORT, read)

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.report.name

    @property
    def ties(self) -> TieRule:
        """The tie rule of its report."""
        return self.report.protocol.ties

    @cached_property
    def ranked(self) -> Mapping[Direction, RankedQueries]:
        """Queries, targets and ranks in both directions."""
        return {way: self._read(f"ranks_{way}.csv", partial(self._ranked, way=way)) for way in DIRECTIONS}

    def _ranked(self, path: Path, *, way: Direction) -> RankedQueries:
        rows = _rows(path, ("query", "target", "better", "equal"))
        counts = {name: np.array([int(row[name]) for row in rows], np.int64) for name in ("better", "equal")}
        ranking = Ranking(counts["better"], counts["equal"], in_direction(self.report.pool, way))
        return RankedQueries(tuple(row["query"] for row in rows), tuple(row["target"] for row in rows), ranking)

    @cached_property
    def videos(self) -> tuple[VideoRef, ...]:
        """The videos in the order of the columns of the similarity matrix."""

        def read(path: Path) -> tuple[VideoRef, ...]:
            return tuple(_video(row) for row in _rows(path, ("id", "path", "start", "end")))

        return self._read(VIDEOS, read)

    def scores(self) -> Scores:
        """Similarities, owners and unreadable videos. Similarities too many for a matrix were not written."""
        if SIMILARITY not in (read_digests(self.folder, error=ScoreError) or {SIMILARITY: ""}):
            raise ScoreError(
                f"{(self.folder / SIMILARITY).absolute()}: was not written, as the similarities were more than "
                "eval.similarity_mb; raise that with --set when you make it again, with "
                f"`fdakit eval --checkpoint {self.folder} --out FOLDER`"
            )
        matrix: NDArray[np.float32] = self._read(SIMILARITY, self._matrix)
        column = {video.id: place for place, video in enumerate(self.videos)}
        lost = self.unreadable()
        owners = self._read(VIDEOS, lambda _: [column[name] for name in self.ranked["t2v"].targets])
        gone = np.array([video.id in lost for video in self.videos])
        return Scores(matrix=matrix, owners=np.array(owners, np.int64), lost=gone)

    def unreadable(self) -> Collection[str]:
        """Return the ids of the videos that could not be read."""
        if not self.report.videos.states("damaged_reasons"):
            path = (self.folder / REPORT).absolute()
            raise ScoreError(f"{path}: does not state which videos were unreadable; {self._again}")
        return self.report.videos.damaged_reasons.keys()

    def _matrix(self, path: Path) -> NDArray[np.float32]:
        with open_regular(path, error=ScoreError, advice=self._again) as file:
            matrix: NDArray[np.float32] = np.load(file, allow_pickle=False)
        if matrix.dtype.kind != "f":
            raise ValueError(f"{matrix.dtype} numbers; wanted float32")
        wanted = (len(self.ranked["t2v"].queries), len(self.videos))
        if matrix.shape != wanted:
            raise ValueError(f"a matrix of {matrix.shape} beside {wanted[0]} captions and {wanted[1]} videos")
        return matrix

    def check(self, path: Path) -> None:
        """Compare a file of the folder with its digest, if it has one. Raises `ScoreError` if it was modified."""
        if path in self._checked or not path.exists():
            return
        self._checked.add(path)
        require_regular(path, error=ScoreError)
        if not check_digest(path, error=ScoreError, advice=self._again) and path.name == REPORT:
            self._explain_lack_of_digests()

    def _explain_lack_of_digests(self) -> None:
        """Warn of a run that an older fdakit made. Raises `ScoreError` if the digests are missing."""
        folder = self.folder.absolute()
        if (folder / CHECKPOINTS / "best" / SUMS).is_file():
            raise ScoreError(f"{folder / SUMS}: absent, though its checkpoints have theirs; {self._again}")
        if (folder / ENVIRONMENT).is_file():
            warnings.warn(
                f"{folder}: was written by an older fdakit, without {SUMS}, so damage to it cannot be noticed",
                stacklevel=2,
            )

    @property
    def _again(self) -> str:
        return f"make it again with `fdakit eval --checkpoint {self.folder} --out FOLDER`"

    @cached_property
    def _checked(self) -> set[Path]:
        return set()

    def _read(self, name: str, read: Callable[[Path], T]) -> T:
        path = (self.folder / name).absolute()
        try:
            path.stat()
            self.check(path)
            return read(path)
        except FileNotFoundError as error:
            raise ScoreError(f"{path}: no such file; name the folder of a finished run, or {self._again}") from error
        except _DAMAGE as error:
            raise ScoreError(f"{path}: not readable as part of a run ({error}); {self._again}") from error


def _rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Return at least one row; raises `ValueError` if a column is absent or a row is short."""
    text = read_text(path, error=ScoreError, names=True)
    with fields_of_any_length(text):
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    if not rows or any(row.get(column) is None for row in rows for column in columns):
        raise ValueError(f"wanted rows with the columns {', '.join(columns)}")
    return rows


def _video(row: Mapping[str, str]) -> VideoRef:
    start, end = (float(row[key]) if row[key] else None for key in ("start", "end"))
    return VideoRef(row["id"], Path(row["path"]), start, end)
