"""External similarities: a matrix, two files of vectors, a TREC run or a run folder, with their ground truth."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR
from tokenize import TokenError
from typing import Any, TypeVar
from zipfile import BadZipFile
from zlib import error as DeflateError

import numpy as np
from numpy.typing import NDArray

from fdakit.catalog import Part
from fdakit.choices import TieRule, VideoToTextRule
from fdakit.errors import ScoreError
from fdakit.inference.run_files import REPORT, SIMILARITY
from fdakit.plugin.contracts import Matcher
from fdakit.ranking.streamed import Vectors
from fdakit.ranking.trec import Qrels, Run, check_run, read_qrels, read_run
from fdakit.system.regular_files import open_regular, read_json, read_text
from fdakit.values import Scores

from .matched_vectors import matched_vectors
from .saved_run import SavedRun

ARRAYS = (".npy", ".npz")
LARGEST_NPZ = 2**32  # uncompressed bytes: the compressed size does not bound them; .npy has no such limit
LARGEST = 2**53  # integers up to here are exact as float64
T = TypeVar("T")


@dataclass(frozen=True)
class GradedScores:
    """Similarities `scores.matrix (q, v)` with several right answers: `gains (q, v)`, above 0 for right ones."""

    scores: Scores
    gains: NDArray[np.float64]


@dataclass(frozen=True)
class TrecRun:
    """A TREC run and its judgements."""

    run: Run
    qrels: Qrels


ExternalScores = Scores | GradedScores | TrecRun | Vectors


def read_scores(source: Path, truth: Path | None) -> ExternalScores:
    """Return the scores of a file or run folder: `.npy` or `.npz` similarities `(q, v)`, else a TREC run.

    `truth` is one column for each row (`.npy`, `.npz`, `.json` or a number a line), a gain for each score (an array
    `(q, v)`), or qrels for a run; left out, the truth of a square matrix is its diagonal. Raises `ScoreError`.
    """
    if _is_folder(source):
        if truth is not None:
            raise ScoreError(f"{source.absolute()}: a run folder knows its truth; leave --truth out")
        return _of_run(source)
    if source.suffix.lower() in ARRAYS:
        return _matrix(source, truth)
    if truth is None:
        raise ScoreError(
            f"{source.absolute()}: a TREC run needs its judgements; give them with --truth QRELS (a matrix of "
            "similarities ends in .npy or .npz)"
        )
    run, qrels = read_run(source), read_qrels(truth)
    check_run(run, qrels)
    return TrecRun(run, qrels)


def read_matched(
    texts: Path, videos: Path, truth: Path | None, *, matcher: Part[Matcher], device: str
) -> Scores | Vectors:
    """Return what a matcher makes of the vectors or tokens of two arrays: see `matched_vectors`."""
    rows, columns = (_single(_numbers(path, dimensions=None)) for path in (texts, videos))
    for path, values in ((texts, rows), (videos, columns)):
        if values.ndim not in (2, 3):
            raise ScoreError(f"{path.absolute()}: found an array {values.shape}; wanted 2 or 3 dimensions")
    owners = _owners(truth, len(rows), len(columns), source=texts)
    return matched_vectors((texts, rows), (videos, columns), owners, matcher=matcher, device=device)


def read_vectors(texts: Path, videos: Path, truth: Path | None) -> Vectors:
    """Return vectors `(q, d)` and `(v, d)` from two arrays, with `truth` as in `read_scores`. Raises `ScoreError`."""
    rows, columns = (_numbers(path, dimensions=2) for path in (texts, videos))
    owners = _owners(truth, len(rows), len(columns), source=texts)
    return Vectors(_single(rows), _single(columns), owners, np.zeros(len(columns), np.bool_))


def read_bank(path: Path) -> NDArray[np.float32]:
    """Return similarities of training captions to the same videos `(b, v)`. Raises `ScoreError`."""
    return _single(_numbers(path, dimensions=2))


def _single(values: NDArray[Any]) -> NDArray[np.float32]:
    """Return float32 values; what is too large becomes infinite and is rejected by the caller."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _of_run(folder: Path) -> Scores | Vectors:
    """Return a run folder's similarities, or its vectors if it is too large for a matrix."""
    run = SavedRun(folder)
    lost = run.unreadable()
    texts, videos = folder / "text_vectors.npy", folder / "video_vectors.npy"
    names = {path.name for path in _read(folder, lambda: list(folder.iterdir()))}
    if SIMILARITY in names or texts.name not in names:
        return run.scores()
    for path in (texts, videos):
        run.check(path.absolute())
    column = {video.id: place for place, video in enumerate(run.videos)}
    targets = run.ranked["t2v"].targets
    strange = [name for name in targets if name not in column]
    if strange:
        raise ScoreError(
            f"{folder.absolute()}: ranks name video {strange[0]!r}, which videos.csv lacks; run it again"
        )
    return Vectors(
        _single(_numbers(texts, dimensions=2)),
        _single(_numbers(videos, dimensions=2)),
        np.array([column[name] for name in targets], np.int64),
        np.array([video.id in lost for video in run.videos]),
    )


def rules(source: Path | None) -> tuple[TieRule, VideoToTextRule]:
    """Return tie rule and video-to-text rule: a run folder's, else the defaults. Raises `ScoreError`."""
    if source is None or not _is_folder(source):
        return "expected", "grouped"
    protocol = SavedRun(source).report.protocol
    return protocol.ties, protocol.video_to_text


def _is_folder(source: Path) -> bool:
    return _read(source, lambda: S_ISDIR(source.stat().st_mode))


def _matrix(source: Path, truth: Path | None) -> ExternalScores:
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
            return GradedScores(Scores(matrix, found.argmax(axis=1), lost), found.astype(np.float64))
    return Scores(matrix, _owners(truth, queries, videos, source=source), lost)


def _owners(truth: Path | None, queries: int, videos: int, *, source: Path) -> NDArray[np.int64]:
    """Return the right column of each row."""
    if truth is None:
        of_run = f"`fdakit metrics {shlex.quote(str(source.parent))}`" if (source.parent / REPORT).is_file() else ""
        if queries != videos:
            given = "the column of each row with --truth (rows are captions, columns videos: transpose it if not so)"
            remedy = (
                f"name the run that it belongs to, which knows its truth: {of_run}" if of_run else f"give {given}"
            )
            raise ScoreError(
                f"{source.absolute()}: {queries} captions and {videos} videos, so the truth is no diagonal; {remedy}"
            )
        if of_run:
            warnings.warn(
                f"{source.absolute()}: its diagonal is taken for the truth; the run that it belongs to knows its "
                f"truth and its unreadable videos: {of_run}",
                stacklevel=2,
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
        values: Any = _numbers(path, dimensions=1).tolist()
    elif path.suffix.lower() == ".json":
        values = read_json(path, error=ScoreError, advice="check the path")
        if not isinstance(values, list):
            raise ScoreError(
                f"{path.absolute()}: holds a {type(values).__name__}; wanted a list, one column for each row"
            )
    else:
        text = read_text(path, error=ScoreError, advice="check the path")
        values = [line.strip() for line in text.splitlines() if line.strip()]
    numbers = [_whole(value) for value in values]
    if None in numbers:
        row = numbers.index(None)
        raise ScoreError(
            f"{path.absolute()}: not one column number for each row: found {str(values[row])[:40]!r} in row {row}; "
            "wanted a whole number, as 2"
        )
    return np.array(numbers, np.int64)


def _whole(value: Any) -> int | None:
    """Return an integer written as 2 or 2.0; None for everything else."""
    if isinstance(value, bool) or (isinstance(value, str) and not set(value) <= set("+-.0123456789eE")):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) if number.is_integer() and abs(number) <= LARGEST else None


def _numbers(path: Path, *, dimensions: int | None) -> NDArray[Any]:
    with open_regular(path, error=ScoreError, advice="check the path") as file:
        found: Any = _read(path, lambda: np.load(file, allow_pickle=False))
        if isinstance(found, np.lib.npyio.NpzFile):
            found = _only_array(path, found)
    if not isinstance(found, np.ndarray):
        raise ScoreError(
            f"{path.absolute()}: holds no array; wanted numbers, as numpy.save and numpy.savez write them"
        )
    wanted = "" if dimensions is None else f" in {dimensions} dimension{'s' if dimensions > 1 else ''}"
    if found.dtype.kind not in "fiub" or found.size == 0 or (dimensions and found.ndim != dimensions):
        raise ScoreError(f"{path.absolute()}: {found.dtype}{found.shape}; wanted numbers{wanted}")
    return found


def _only_array(path: Path, archive: np.lib.npyio.NpzFile) -> Any:
    """Return the only array of an .npz file, unless it is too large uncompressed."""
    if len(archive.files) != 1:
        names = ", ".join(archive.files[:5]) or "none"
        raise ScoreError(f"{path.absolute()}: holds {len(archive.files)} arrays ({names}); save one alone")
    size = sum(member.file_size for member in archive.zip.infolist()) if archive.zip is not None else 0
    if size > LARGEST_NPZ:
        raise ScoreError(
            f"{path.absolute()}: unpacks to {size:,} bytes, more than the {LARGEST_NPZ:,} that are read of an .npz; "
            "save it with numpy.save"
        )
    return _read(path, lambda: archive[archive.files[0]])


def _read(path: Path, read: Callable[[], T]) -> T:
    try:
        return read()
    except OSError as error:
        raise ScoreError(f"{path.absolute()}: cannot be read ({error.strerror or error}); check the path") from error
    except MemoryError as error:
        raise ScoreError(
            f"{path.absolute()}: does not fit in memory ({error}); give the vectors with --texts and --videos, which "
            "are ranked tile by tile"
        ) from error
    # exceptions of damaged arrays, archives and JSON; RuntimeError: encrypted, or nested too deeply
    except (ValueError, EOFError, BadZipFile, DeflateError, TokenError, SyntaxError, RuntimeError) as error:
        raise ScoreError(f"{path.absolute()}: not readable as {path.suffix or 'text'} ({error})") from error
