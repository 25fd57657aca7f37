"""Anyone's similarities: a matrix, two files of vectors, a TREC run or a run folder, with the truth beside them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from fdakit.errors import ScoreError
from fdakit.ranking.streamed import Vectors
from fdakit.ranking.trec import Qrels, Run, check_run, read_qrels, read_run
from fdakit.values import Scores

from .saved_run import SavedRun

ARRAYS = (".npy", ".npz")
T = TypeVar("T")


@dataclass(frozen=True)
class Graded:
    """Similarities `scores.matrix (q, v)` with several right answers: `gains (q, v)`, above 0 where one is right."""

    scores: Scores
    gains: NDArray[np.float64]


@dataclass(frozen=True)
class JudgedRun:
    """A TREC run and its judgements."""

    run: Run
    qrels: Qrels


Given = Scores | Graded | JudgedRun | Vectors


def read_given(source: Path, truth: Path | None) -> Given:
    """What a file or run folder holds: `.npy` or `.npz` similarities `(q, v)`, else a TREC run.

    `truth` is one column for each row (`.npy`, `.npz`, `.json` or a number a line), a gain for each score (an array
    `(q, v)`), or qrels for a run; left out, the truth of a square matrix is its diagonal. Raises `ScoreError`.
    """
    if source.is_dir():
        if truth is not None:
            raise ScoreError(f"{source.absolute()}: a run folder knows its truth; leave --truth out")
        return SavedRun(source).scores()
    if source.suffix.lower() in ARRAYS:
        return _matrix(source, truth)
    if truth is None:
        raise ScoreError(
            f"{source.absolute()}: a TREC run needs its judgements; give them with --truth QRELS (a matrix of "
            "similarities ends in .npy or .npz)"
        )
    run, qrels = read_run(source), read_qrels(truth)
    check_run(run, qrels)
    return JudgedRun(run, qrels)


def read_vectors(texts: Path, videos: Path, truth: Path | None) -> Vectors:
    """Vectors `(q, d)` and `(v, d)` from two arrays, with `truth` as in `read_given`. Raises `ScoreError`."""
    rows, columns = (_numbers(path, dimensions=2) for path in (texts, videos))
    owners = _owners(truth, len(rows), len(columns), source=texts)
    return Vectors(rows.astype(np.float32), columns.astype(np.float32), owners, np.zeros(len(columns), np.bool_))


def read_bank(path: Path) -> NDArray[np.float32]:
    """Similarities of training captions to the same videos `(b, v)`. Raises `ScoreError`."""
    return _numbers(path, dimensions=2).astype(np.float32)


def _matrix(source: Path, truth: Path | None) -> Given:
    matrix = _numbers(source, dimensions=2)
    if matrix.dtype not in (np.float32, np.float64):
        matrix = matrix.astype(np.float64)
    queries, videos = matrix.shape
    lost = np.zeros(videos, np.bool_)
    if truth is not None and truth.suffix.lower() in ARRAYS:
        found = _numbers(truth, dimensions=None)
        if found.ndim == 2:
            if found.shape != matrix.shape:
                raise ScoreError(
                    f"{truth.absolute()}: gains {found.shape} beside similarities {matrix.shape}; wanted one gain "
                    "for each score, rows captions and columns videos"
                )
            return Graded(Scores(matrix, found.argmax(axis=1), lost), found.astype(np.float64))
    return Scores(matrix, _owners(truth, queries, videos, source=source), lost)


def _owners(truth: Path | None, queries: int, videos: int, *, source: Path) -> NDArray[np.int64]:
    """The right column of each row."""
    if truth is None:
        if queries != videos:
            raise ScoreError(
                f"{source.absolute()}: {queries} captions and {videos} videos, so the truth is no diagonal; give "
                "the column of each row with --truth (rows are captions, columns videos: transpose it if not so)"
            )
        return np.arange(queries)
    found = _column_numbers(truth)
    if found.shape != (queries,):
        turned = "; the similarities seem transposed" if found.shape == (videos,) else ""
        raise ScoreError(
            f"{truth.absolute()}: {len(found)} rows of truth for {queries} captions{turned}; wanted the column of "
            "the right video for each row"
        )
    strange = np.flatnonzero((found < 0) | (found >= videos))
    if strange.size:
        raise ScoreError(
            f"{truth.absolute()}: {strange.size} captions are without truth: row {strange[0]} names column "
            f"{found[strange[0]]}, and columns go from 0 to {videos - 1}"
        )
    return found


def _column_numbers(path: Path) -> NDArray[np.int64]:
    if path.suffix.lower() in ARRAYS:
        values: Any = _numbers(path, dimensions=1)
    elif path.suffix.lower() == ".json":
        values = _read(path, lambda: json.loads(path.read_text(encoding="utf-8-sig")))
    else:
        lines = _read(path, lambda: path.read_text(encoding="utf-8-sig")).splitlines()
        values = [line.strip() for line in lines if line.strip()]
    try:
        numbers = [int(value) for value in values]
    except (TypeError, ValueError, OverflowError) as error:
        raise ScoreError(f"{path.absolute()}: not one column number for each row ({error})") from error
    return np.array(numbers, np.int64)


def _numbers(path: Path, *, dimensions: int | None) -> NDArray[Any]:
    found = _read(path, lambda: np.load(path, allow_pickle=False))
    if isinstance(found, np.lib.npyio.NpzFile):
        with found:
            if len(found.files) != 1:
                names = ", ".join(found.files) or "none"
                raise ScoreError(f"{path.absolute()}: holds {len(found.files)} arrays ({names}); save one alone")
            found = _read(path, lambda: found[found.files[0]])
    wanted = "" if dimensions is None else f"{dimensions} dimensions"
    if found.dtype.kind not in "fiub" or found.size == 0 or (dimensions and found.ndim != dimensions):
        raise ScoreError(f"{path.absolute()}: {found.dtype}{found.shape}; wanted numbers{wanted and ' in ' + wanted}")
    return np.asarray(found)


def _read(path: Path, read: Callable[[], T]) -> T:
    try:
        return read()
    except OSError as error:
        raise ScoreError(f"{path.absolute()}: cannot be read ({error.strerror or error}); check the path") from error
    except (ValueError, EOFError, BadZipFile) as error:
        raise ScoreError(f"{path.absolute()}: not readable as {path.suffix or 'text'} ({error})") from error
