"""`fdakit metrics --moments`: predicted moments in QVHighlights' form, measured against annotations."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.dataset_files.annotations import read_json
from fdakit.dataset_files.moments import MomentCheck, MomentQuery, is_seconds, query_id, read_moment_queries
from fdakit.dataset_files.table_rows import read_table_rows
from fdakit.errors import ScoreError
from fdakit.random_keys import keyed_seed
from fdakit.ranking.moments import DEPTH, LENGTHS, moment_values, of_length, ranked_overlaps
from fdakit.ranking.significance import bootstrap_means
from fdakit.system.atomic_files import write_text

Floats = NDArray[np.float64]

_FORM = '{"qid": 2579, "pred_relevant_windows": [[start, end, score], ...]}'
_GROUPS = {"all": (0.0, inf), **LENGTHS}


@dataclass(frozen=True)
class MeasuredMoments:
    """The numbers in the form that `--json` prints, and what each query counts, by their ids."""

    found: dict[str, Any]
    queries: tuple[str, ...]
    values: Mapping[str, Floats]


def measure_moments(submission: Path, annotations: Path, *, draws: int = 1000) -> MeasuredMoments:
    """Return the metrics of predicted windows against all true ones, and against those of a length.

    In `found`, `moments` has under `all` what `moment_metrics` gives, and so under `short`, `middle` and `long` if a
    query has true windows of that length: those alone count then, as in QVHighlights' script. `queries` counts the
    queries of each, `ci95` has intervals by `draws` bootstrap resamples of videos, and `remarks` is text. Raises
    `FdakitError` with file and line.
    """
    queries = read_moment_queries(annotations)
    predicted = read_submission(submission)
    _refuse_strangers(submission, annotations, predicted, known={query.id for query in queries})
    check = MomentCheck()
    true = {query.id: _rows(check(query.windows or ()), width=2) for query in queries}
    asked = [query for query in queries if len(true[query.id])]
    if not asked:
        raise ScoreError(
            f"{annotations.absolute()}: no query has relevant_windows; give annotations with the true moments, as "
            "highlight_val_release.jsonl or highlight_test_with_gt.jsonl"
        )
    values = dict(_by_length(asked, predicted, true))
    found = {
        "source": str(submission),
        "annotations": str(annotations),
        "moments": {name: {key: float(each.mean()) for key, each in of.items()} for name, of in values.items()},
        "ci95": {name: _intervals(asked, of, draws) for name, of in values.items() if name == "all" and draws},
        "queries": {name: len(of["mIoU"]) for name, of in values.items()},
        "remarks": [
            *check.remarks(annotations.name),
            *_remarks(submission, predicted, asked, bare=len(queries) - len(asked)),
        ],
    }
    return MeasuredMoments(found, tuple(query.id for query in asked), values["all"])


def read_submission(path: Path) -> dict[str, Floats]:
    """Return the predicted windows `(n, 3)` of each query by its `qid`: start and end in seconds, and score.

    A `.jsonl` file with an object a line, or a JSON list of them, each with `qid` and `pred_relevant_windows`; other
    keys are ignored. Raises `FdakitError` with the line or entry if something else is found, or a `qid` is repeated.
    """
    found: dict[str, Floats] = {}
    for place, fields in _objects(path):
        name, windows = query_id(fields.get("qid")), fields.get("pred_relevant_windows")
        if name is None or not isinstance(windows, list):
            raise ScoreError(f"{path.absolute()}: {place}: found {str(fields)[:60]!r}; wanted {_FORM}")
        wrong = next((each for each in windows if not _is_window(each)), None)
        if wrong is not None:
            raise ScoreError(
                f"{path.absolute()}: {place}: the window {str(wrong)[:60]} of qid {name} is none; wanted "
                "[start, end, score], finite numbers"
            )
        if name in found:
            raise ScoreError(f"{path.absolute()}: {place}: qid {name} is repeated; keep one")
        found[name] = _rows(windows, width=3)
    return found


def write_moments(folder: Path, measured: MeasuredMoments) -> None:
    """Write metrics.json, and moments.csv with a row a query. Raises `FdakitError` if they cannot be written."""
    advice = "name another folder with --out, or make room"
    write_text(folder / "metrics.json", json.dumps(measured.found, indent=2, allow_nan=False) + "\n", advice=advice)
    lines = io.StringIO(newline="")
    table = csv.writer(lines, lineterminator="\n")
    table.writerow(("qid", *measured.values))
    columns = [values.tolist() for values in measured.values.values()]
    table.writerows(zip(measured.queries, *columns, strict=True))
    write_text(folder / "moments.csv", lines.getvalue(), advice=advice)


def _by_length(
    asked: Sequence[MomentQuery], predicted: Mapping[str, Floats], true: Mapping[str, Floats]
) -> Iterator[tuple[str, dict[str, Floats]]]:
    """Yield what each query with true windows of a length counts, by the name of the length."""
    nothing = _rows((), width=3)
    for name, bounds in _GROUPS.items():
        kept = ((query.id, true[query.id][of_length(true[query.id], bounds)]) for query in asked)
        overlaps = [ranked_overlaps(predicted.get(key, nothing), moments) for key, moments in kept if len(moments)]
        if overlaps:
            yield name, moment_values(overlaps)


def _intervals(asked: Sequence[MomentQuery], values: Mapping[str, Floats], draws: int) -> dict[str, list[float]]:
    _, videos = np.unique([query.video for query in asked], return_inverse=True)
    found = bootstrap_means(values, clusters=videos, draws=draws, seed=keyed_seed("bootstrap", "moments"))
    return {name: list(interval) for name, interval in found.items()}


def _rows(windows: Sequence[Sequence[float]], *, width: int) -> Floats:
    return np.array(windows, np.float64).reshape(-1, width)


def _objects(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the place of each object of a submission, as text, and its fields."""
    if path.suffix.lower() != ".json":
        for row in read_table_rows(path, ("qid", "pred_relevant_windows")):
            yield f"line {row.line}", row.fields
        return
    found = read_json(path, "predicted moments")
    if not isinstance(found, list) or not found:
        raise ScoreError(f"{path.absolute()}: found {str(found)[:60]!r}; wanted a list of {_FORM}")
    for number, entry in enumerate(found, 1):
        yield f"entry {number}", entry if isinstance(entry, dict) else {"": entry}


def _is_window(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(is_seconds, value))


def _refuse_strangers(
    submission: Path, annotations: Path, predicted: Mapping[str, Floats], *, known: set[str]
) -> None:
    strange = [name for name in predicted if name not in known]
    if strange:
        shown = ", ".join(strange[:3]) + (", ..." if strange[3:] else "")
        raise ScoreError(
            f"{submission.absolute()}: {len(strange):,} of {len(predicted):,} queries are not in {annotations.name} "
            f"({shown}); give the annotations of the same split"
        )


def _remarks(
    submission: Path, predicted: Mapping[str, Floats], asked: Sequence[MomentQuery], *, bare: int
) -> Iterator[str]:
    """Yield what is to be read with the numbers."""
    if bare:
        yield f"queries without true moments, left out: {bare:,}"
    given = [predicted[query.id] for query in asked if query.id in predicted]
    without = len(asked) - sum(len(windows) > 0 for windows in given)
    if without:
        yield f"queries without windows in {submission.name}, counted as missed: {without:,} of {len(asked):,}"
    unsorted = sum(bool((np.diff(windows[:, 2]) > 0).any()) for windows in given)
    if unsorted:
        yield (
            f"queries whose windows are not in the order of their scores: {unsorted:,}; here the score decides, but "
            f"QVHighlights' script takes the first window of the file for R1 and the first {DEPTH} for mAP"
        )
    void = sum(int((windows[:, 1] <= windows[:, 0]).sum()) for windows in given)
    if void:
        yield f"predicted windows that do not end after they start, which overlap nothing: {void:,}"
