"""The sides of a comparison, and whether two runs were scored on the same queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.errors import ScoreError
from fdakit.inference.run_files import REPORT
from fdakit.plugin.contracts import DIRECTIONS, Direction

from .recipe_diff import LOST, recipe_differences
from .saved_run import RankedQueries, SavedRun

_RULES = {  # of the report's protocol: the `fdakit eval` option that changes it
    "dataset": "--set dataset.use={}",
    "split": "--split {}",
    "captions": "",
    "video_to_text": "--set eval.video_to_text={}",
    "ties": "--set eval.ties={}",
}


@dataclass(frozen=True)
class RunGroup:
    """The runs of one recipe with different seeds; `given` is how the user named them.

    Raises `ScoreError` if two have the same seed or are runs of different recipes.
    """

    given: str
    runs: tuple[SavedRun, ...]

    def __post_init__(self) -> None:
        first = self.runs[0]
        for run in self.runs[1:]:
            differs = [key for key in recipe_differences(first, run) if key != LOST]
            if differs:
                raise ScoreError(
                    f"{run.folder.absolute()}: not another seed of {first.folder}: it differs in "
                    f"{', '.join(differs)}; name them as two sides, one argument each"
                )
        again = [seed for seed, count in Counter(self.seeds).items() if count > 1]
        if again:
            raise ScoreError(
                f"{self.given}: seed {again[0]} is there twice, which would make the spread over seeds look smaller "
                "than it is; name each seed once"
            )

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.runs[0].name

    @property
    def seeds(self) -> tuple[int | None, ...]:
        """The seed of every run."""
        return tuple(run.report.provenance.seed for run in self.runs)

    @property
    def remarks(self) -> list[str]:
        """What the reports say of the data, each once."""
        return sorted({remark for run in self.runs for remark in run.report.videos.remarks})

    def to_json(self) -> dict[str, Any]:
        """Return the group as a side of compare.json: its name, each run's folder and seed, and the remarks."""
        runs = [
            {"folder": str(run.folder.absolute()), "seed": seed}
            for run, seed in zip(self.runs, self.seeds, strict=True)
        ]
        return {"name": self.name, "runs": runs, "remarks": self.remarks}

    @classmethod
    def from_json(cls, side: Mapping[str, Any]) -> RunGroup:
        """Return the group of a side of compare.json, read from the folders it names. Raises `ScoreError`."""
        folders = [str(run["folder"]) for run in side["runs"]]
        return cls(",".join(folders), tuple(SavedRun(Path(folder)) for folder in folders))


def read_run_group(given: str) -> RunGroup:
    """Return the runs of a run folder, a folder of `seed-*/` as of `fdakit sweep`, or several separated by commas.

    Raises `ScoreError` if a folder holds no finished run.
    """
    folders = [given] if Path(given).exists() else [part for part in given.split(",") if part]
    return RunGroup(given, tuple(SavedRun(run) for folder in folders or [given] for run in _runs(Path(folder))))


def _runs(folder: Path) -> list[Path]:
    if folder.is_file():
        raise ScoreError(f"{folder.absolute()}: found a file; name the folder of a finished run, and leave this out")
    if (folder / REPORT).is_file() or not folder.is_dir():
        return [folder]  # an absent folder is reported when its report is read
    seeds = sorted((path for path in folder.glob("seed-*") if path.is_dir()), key=lambda path: (len(path.name), path))
    unfinished = [path for path in seeds if not (path / REPORT).is_file()]
    if unfinished:
        raise ScoreError(
            f"{unfinished[0].absolute()}: this run is not finished; run the same `fdakit sweep` again, or name the "
            "finished seeds, separated by commas"
        )
    if not seeds:
        runs = {path.parent for depth in ("*", "*/*") for path in folder.glob(f"{depth}/{REPORT}")}
        below = sorted({run.parent if run.name.startswith("seed-") else run for run in runs})
        more = f", and {len(below) - 4} more" if below[4:] else ""
        near = f"; finished runs below it: {', '.join(map(str, below[:4]))}{more}" if below else ""
        raise ScoreError(
            f"{folder.absolute()}: holds neither {REPORT} nor seed-*/; name the folder of a finished run, or that of "
            f"one recipe's seeds{near}"
        )
    return seeds


def match_queries(first: SavedRun, other: SavedRun) -> dict[Direction, NDArray[np.int64]]:
    """Return the rows `(n,)` of the queries of `first` in `other`, in both directions.

    Raises `ScoreError`, with the differences and how to score alike, if the two did not rank the same queries among
    the same videos under the same rules.
    """
    asked, had = (run.report.protocol.to_json() for run in (first, other))
    differing = {rule: (asked[rule], had[rule]) for rule in _RULES if asked[rule] != had[rule]}
    if differing:
        found = ", ".join(f"{rule} {its!r} instead of {wanted!r}" for rule, (wanted, its) in differing.items())
        told = " ".join(_RULES[rule].format(wanted) for rule, (wanted, _) in differing.items() if _RULES[rule])
        raise _unlike(first, other, found, told)
    its, wanted = ({video.id for video in run.videos} for run in (other, first))
    if its != wanted:
        raise _unlike(first, other, f"{len(its)} videos instead of {len(wanted)}, {_apart(wanted, its)}")
    return {way: _places(first, other, way) for way in DIRECTIONS}


def _places(first: SavedRun, other: SavedRun, way: Direction) -> NDArray[np.int64]:
    wanted, its = (_keys(run.ranked[way]) for run in (first, other))
    if wanted == its:
        return np.arange(len(wanted))
    if Counter(wanted) != Counter(its):
        apart = _apart({query for query, _ in wanted}, {query for query, _ in its})
        raise _unlike(first, other, f"{len(its)} queries instead of {len(wanted)} ({way}), {apart}")
    # The same queries in another order; a repeated query ties with itself, so either row will do.
    places = np.empty(len(wanted), np.int64)
    places[sorted(range(len(wanted)), key=wanted.__getitem__)] = sorted(range(len(its)), key=its.__getitem__)
    return places


def _keys(ranked: RankedQueries) -> list[tuple[str, str]]:
    return list(zip(ranked.queries, ranked.targets, strict=True))


def _apart(wanted: set[str], its: set[str]) -> str:
    """Return the first few that only one of the two has."""
    few = [
        f"only {where}: {', '.join(map(repr, sorted(names)[:3]))}"
        for where, names in (("here", its - wanted), ("there", wanted - its))
        if names
    ]
    return "; ".join(few) or "the same ones in other numbers"


def _unlike(first: SavedRun, other: SavedRun, found: str, told: str = "") -> ScoreError:
    split = "" if "--split" in told else f"--split {first.report.protocol.split}"
    options = " ".join(filter(None, [split, told]))
    return ScoreError(
        f"{other.folder.absolute()}: not scored as {first.folder} was: {found}; score it alike, over the same "
        f"annotations and videos: fdakit eval --checkpoint {other.folder} {options} --out FOLDER"
    )
