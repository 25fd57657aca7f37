"""The run folder: `runs/<name>/<stamp>/` with recipe, environment, report, similarities, ranks, checkpoints."""

from __future__ import annotations

import csv
import io
import json
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fdakit.errors import FdakitError, RecipeError, ScoreError
from fdakit.evaluation.scoring import Rankings, Similarities
from fdakit.inference.run_files import CHECKPOINTS, CURVES, ENVIRONMENT, LOG, RECIPE, REPORT, SIMILARITY, VIDEOS
from fdakit.plugin.contracts import Direction
from fdakit.ranking.exports import write_ranks
from fdakit.ranking.scored_tiles import Pairs
from fdakit.recipe.document import dump_document
from fdakit.recipe.recipe import Recipe
from fdakit.report.evaluation_report import Report
from fdakit.report.report_tables import report_markdown
from fdakit.system.atomic_files import atomic_file, write_errors, write_text
from fdakit.system.digests import SUMS, digest_lines, file_sha256, listed, read_digests
from fdakit.system.float32_products import products_in_use
from fdakit.system.locks import HeldError, exclusive_lock
from fdakit.values import Scores, Split, VideoRef
from fdakit.version import __version__

from .run_log import check_log

LOCK = ".lock"
ARRAYS = (SIMILARITY, "text_vectors.npy", "video_vectors.npy")
PACKAGES = ("torch", "open_clip_torch", "timm", "av", "scikit-image", "numpy", "pydantic", "pluggy")

_WRITTEN = (
    *(RECIPE, REPORT, SUMS, *ARRAYS, "report.md", ENVIRONMENT, VIDEOS, "ranks_t2v.csv", "ranks_v2t.csv"),
    LOG,
    CURVES,
)
_EXTENDED = (LOG, CURVES)  # while a run goes on
_LISTED_ANEW = "remove it; the run writes it anew when it is finished"
_FULL = "make room there or correct its permissions, then repeat this; a run resumes with --resume"


class RunFolder:
    """One run's folder and everything written into it, each file atomically."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, name: str, *, out: Path | None) -> RunFolder:
        """Return a new folder: `out` itself, or a new stamp under `runs/<name>/`.

        Raises `RecipeError` if it is in use.
        """
        if out is not None:
            if out.exists() and (not out.is_dir() or any(out.iterdir())):
                raise RecipeError(f"{out.absolute()}: already there and not empty; name a new folder with --out")
            path = out
        else:
            stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
            path = _unused(Path("runs") / name / stamp)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecipeError(f"{path.absolute()}: cannot be made ({error.strerror}); choose with --out") from error
        return cls(path)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock out other processes while the block runs, and remove partial files of killed ones.

        Raises `FdakitError` if another process works here, or the folder cannot be written.
        """
        if not self.path.is_dir():
            raise FdakitError(f"{self.path.absolute()}: no such run folder; check the path")
        with ExitStack() as stack:
            try:
                with write_errors(self.path, advice=_FULL):
                    stack.enter_context(exclusive_lock(self.path / LOCK))
            except HeldError as holder:
                raise FdakitError(
                    f"{self.path.absolute()}: another fdakit works on this run ({holder}); wait until it has ended, "
                    "or end it"
                ) from holder
            for part in self.path.glob(".*.part"):
                if part.name.startswith(tuple(f".{name}." for name in _WRITTEN)):
                    part.unlink(missing_ok=True)
            yield

    def checkpoint(self, name: str) -> Path:
        """Return the path of the checkpoint `best`, `last` or `previous`."""
        return self.path / CHECKPOINTS / name

    def write_start(self, text: str, device: torch.device) -> None:
        """Write the resolved recipe's text and environment.json, and open the log."""
        self._reopen_log()
        self.write(RECIPE, text)
        self.write(ENVIRONMENT, json.dumps(environment(device), indent=2) + "\n")

    def write_report(self, report: Report, *, split: Split, scores: Similarities, rankings: Rankings) -> None:
        """Write the report, the similarities or their vectors, the videos, the rank of every query, and SHA256SUMS.

        report.json is written last: if it exists, so do all the others. Raises `FdakitError` if the disk refuses.
        """
        with write_errors(self.path, advice=_FULL):
            for name in (REPORT, *ARRAYS):
                (self.path / name).unlink(missing_ok=True)
            self.write("report.md", report_markdown(report))
            names = self._write_scores(scores)
            self.write(VIDEOS, _videos_csv(split.videos))
            texts = [caption.text for caption in split.captions]
            owners = [caption.video_id for caption in split.captions]
            known = set(owners)
            described = [video.id for video in split.videos if video.id in known]
            pairs: Mapping[Direction, tuple[Sequence[str], Sequence[str]]] = {
                "t2v": (texts, owners),
                "v2t": (described, described),
            }
            for direction, (queries, targets) in pairs.items():
                path = self.path / f"ranks_{direction}.csv"
                ranking = rankings[direction]
                write_ranks(path, ranking=ranking, ties=report.protocol.ties, queries=queries, targets=targets)
            text = json.dumps(report.to_json(), indent=2, allow_nan=False) + "\n"
            names += [VIDEOS, "ranks_t2v.csv", "ranks_v2t.csv", "report.md", RECIPE]
            names += [ENVIRONMENT] if (self.path / ENVIRONMENT).is_file() else []
            self.write(SUMS, digest_lines(self.path, names) + f"{sha256(text.encode()).hexdigest()}  {REPORT}\n")
            self.write(REPORT, text)

    def _write_scores(self, scores: Similarities) -> list[str]:
        """Write similarities or vectors; return the names of the files.

        Nothing is written of scores that are neither a matrix nor products of vectors.
        """
        if isinstance(scores, Scores):
            arrays = dict(zip(ARRAYS[:1], [scores.matrix], strict=True))
        elif isinstance(scores, Pairs):
            arrays = {}
        else:
            arrays = dict(zip(ARRAYS[1:], [scores.texts, scores.videos], strict=True))
        for name, values in arrays.items():
            with atomic_file(self.path / name) as part, part.open("wb") as handle:
                np.save(handle, values)
        return list(arrays)

    def check_log(self) -> None:
        """Compare the log of a finished run with its digest. Raises `ScoreError` if it, or the list, was modified."""
        read_digests(self.path, error=ScoreError, advice=_LISTED_ANEW)
        check_log(self.path, advice="remove it; its epochs are written anew from the training state")

    def close_log(self) -> None:
        """Add the digests of the finished log and curves to SHA256SUMS. Raises `FdakitError` if the disk refuses."""
        paths = [path for name in _EXTENDED if (path := self.path / name).is_file()]
        if paths:
            self._relist({path.name: file_sha256(path) for path in paths})

    def _reopen_log(self) -> None:
        """Remove the log and the curves from SHA256SUMS, as they are about to be extended."""
        if not {*_EXTENDED}.isdisjoint(read_digests(self.path) or {}):
            self._relist({})

    def _relist(self, digests: Mapping[str, str]) -> None:
        """Rewrite SHA256SUMS with these digests in place of those of log and curves."""
        known = {name: digest for name, digest in (read_digests(self.path) or {}).items() if name not in _EXTENDED}
        self.write(SUMS, listed({**known, **digests}))

    def write(self, name: str, text: str) -> None:
        """Write a text file atomically. Raises `FdakitError` if the disk refuses."""
        write_text(self.path / name, text, advice=_FULL)


def _videos_csv(videos: Sequence[VideoRef]) -> str:
    """Return id, absolute path and segment of each video, in the order of the similarity columns."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("id", "path", "start", "end"))
    table.writerows((video.id, video.path.absolute(), video.start, video.end) for video in videos)
    return text.getvalue()


def _unused(path: Path) -> Path:
    candidates = (path, *(path.with_name(f"{path.name}-{k}") for k in range(2, 1000)))
    return next(candidate for candidate in candidates if not candidate.exists())


def recipe_text(recipe: Recipe) -> str:
    """Return the resolved recipe, preceded by the version of every part's provider."""
    return dump_document(recipe.document(), comments=["resolved by fdakit " + __version__, *recipe.providers()])


def environment(device: torch.device) -> dict[str, Any]:
    """Return versions and device, for environment.json and `fdakit doctor`."""
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "absent"
    return {
        "fdakit": __version__,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": packages,
        "device": device_name(device),
        "float32": products_in_use(),
        "threads": torch.get_num_threads(),
    }


def device_name(device: torch.device) -> str:
    """Return a readable name of the device."""
    if device.type == "cuda":
        return f"{device}: {torch.cuda.get_device_name(device)}"
    return str(device)
