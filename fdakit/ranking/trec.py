"""TREC run and qrels files, read and written: the exchange format of evaluation tools.

A run has six fields a line, `query Q0 document rank score tag`; qrels have four, `query 0 document relevance`. The
rank column is ignored: trec_eval ignores it too and sorts by score. Ids have no white space; in names it is
percent-encoded as in URLs, `a%20b.mp4`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from fdakit.errors import ScoreError
from fdakit.plugin.contracts import Direction
from fdakit.query_ranks import Ranking
from fdakit.system.atomic_files import atomic_file, encoded, write_errors
from fdakit.system.regular_files import read_text
from fdakit.values import Scores

Run = Mapping[str, Mapping[str, float]]
"""Query -> document -> score."""

Qrels = Mapping[str, Mapping[str, int]]
"""Query -> document -> relevance; above 0 is a right answer."""

MOST_RELEVANT = 2**31 - 1  # what other tools support
T = TypeVar("T", int, float)
_KEPT = "".join(chr(code) for code in range(33, 127) if chr(code) != "%")


def read_run(path: Path) -> Run:
    """Return a run.

    Raises `ScoreError`, naming the line, for another layout, a score that is not finite, or a repeated pair.
    """

    def score(text: str) -> float:
        value = float(text)
        if not np.isfinite(value):
            raise ValueError("not finite")
        return value

    return _read(path, layout="query Q0 document rank score tag", column=4, value=score, kind="a finite number")


def read_qrels(path: Path) -> Qrels:
    """Return judgements. Raises `ScoreError`, naming the line, for another layout or a repeated pair."""

    def relevance(text: str) -> int:
        value = int(text)
        if abs(value) > MOST_RELEVANT:
            raise ValueError("too large")
        return value

    return _read(
        path,
        layout="query 0 document relevance",
        column=3,
        value=relevance,
        kind=f"a whole number up to {MOST_RELEVANT}",
    )


def _read(path: Path, *, layout: str, column: int, value: Callable[[str], T], kind: str) -> dict[str, dict[str, T]]:
    found: dict[str, dict[str, T]] = {}
    wanted = len(layout.split())
    text = read_text(path, error=ScoreError, advice="check the path")
    for number, line in enumerate(text.split("\n"), 1):
        fields = line.split()
        if not fields:
            continue
        where = f"{path.absolute()}: line {number}"
        if len(fields) < wanted:
            raise ScoreError(f"{where}: {len(fields)} fields; wanted {wanted}: {layout}")
        try:
            taken = value(fields[column])
        except ValueError as error:
            said = f"{layout.split()[column]} {fields[column][:40]!r}"
            raise ScoreError(f"{where}: {said}; wanted {kind}") from error
        documents = found.setdefault(fields[0], {})
        if fields[2] in documents:
            raise ScoreError(
                f"{where}: query {fields[0]!r} names document {fields[2]!r} a second time; keep one line"
            )
        documents[fields[2]] = taken
    if not found:
        raise ScoreError(f"{path.absolute()}: holds no line; wanted {layout}")
    return found


def rank_run(run: Run, qrels: Qrels) -> Ranking:
    """Return the rank of the best right document of each judged query, queries in the order of the qrels.

    The pool is all documents that run or qrels name; a query whose right documents were not retrieved has the last
    rank. Other right documents are not counted as better. Raises `ScoreError` if run and qrels do not fit.
    """
    check_run(run, qrels)
    pool = len({name for table in (run, qrels) for documents in table.values() for name in documents})
    better, equal = [], []
    for query, judged in qrels.items():
        right = {name for name, relevance in judged.items() if relevance > 0}
        scores = run.get(query, {})
        best = max((score for name, score in scores.items() if name in right), default=None)
        rivals = [score for name, score in scores.items() if name not in right]
        better.append(pool - 1 if best is None else sum(score > best for score in rivals))
        equal.append(0 if best is None else sum(score == best for score in rivals))
    return Ranking(np.array(better, np.int64), np.array(equal, np.int64), pool)


def check_run(run: Run, qrels: Qrels) -> None:
    """Raise `ScoreError` if a query of the run is not judged, or a judged one has no right document."""
    unjudged = [query for query in run if query not in qrels]
    if unjudged:
        raise ScoreError(
            f"truth: {len(unjudged)} of {len(run)} queries of the run are without truth, such as {unjudged[0]!r}; "
            "add them to the qrels, or take them out of the run"
        )
    empty = [query for query, judged in qrels.items() if not any(relevance > 0 for relevance in judged.values())]
    if empty:
        raise ScoreError(f"truth: {len(empty)} queries have no right document, such as {empty[0]!r}; take them out")


def write_run(
    path: Path,
    scores: Scores,
    *,
    direction: Direction,
    queries: Sequence[str],
    documents: Sequence[str],
    tag: str,
    depth: int = 1000,
) -> None:
    """Write the first `depth` documents of every query, best first; atomically.

    Text to video: `queries` name the rows of `scores`, `documents` its columns; video to text the other way round.
    Unreadable videos are left out, and so are videos without a caption as queries. Raises `ValueError` if the names
    do not fit.
    """
    matrix, live = _turned(scores, direction, queries, documents)
    names, word = [_id(name) for name in documents], _id(tag)
    asked = range(len(queries)) if direction == "t2v" else np.intersect1d(live, scores.owners).tolist()
    columns = live if direction == "t2v" else np.arange(len(documents))

    def lines() -> Iterable[str]:
        for row in asked:
            values = matrix[row][columns]
            for rank, place in enumerate(np.argsort(-values, kind="stable")[:depth].tolist(), 1):
                yield f"{_id(queries[row])} Q0 {names[columns[place]]} {rank} {float(values[place])!r} {word}\n"

    _write(path, lines())


def write_qrels(
    path: Path, scores: Scores, *, direction: Direction, queries: Sequence[str], documents: Sequence[str]
) -> None:
    """Write one line for each caption and its video, the query first; atomically. Names as for `write_run`."""
    _turned(scores, direction, queries, documents)
    pairs = enumerate(scores.owners.tolist())
    ordered = pairs if direction == "t2v" else sorted((owner, caption) for caption, owner in pairs)
    _write(path, (f"{_id(queries[query])} 0 {_id(documents[document])} 1\n" for query, document in ordered))


def _turned(
    scores: Scores, direction: Direction, queries: Sequence[str], documents: Sequence[str]
) -> tuple[NDArray[np.floating[Any]], NDArray[np.int64]]:
    """Return the matrix with queries as rows, and the readable videos."""
    matrix = scores.matrix if direction == "t2v" else scores.matrix.T
    if matrix.shape != (len(queries), len(documents)):
        raise ValueError(f"{len(queries)} queries and {len(documents)} documents beside scores {matrix.shape}")
    return matrix, np.flatnonzero(~scores.lost)


def _id(name: str) -> str:
    """Return a name without white space; different names stay different."""
    return quote(encoded(name), safe=_KEPT) or "%"


def _write(path: Path, lines: Iterable[str]) -> None:
    with write_errors(path), atomic_file(path) as part, part.open("x", encoding="utf-8", newline="") as handle:
        handle.writelines(lines)
