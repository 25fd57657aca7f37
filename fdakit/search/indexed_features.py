"""The vectors of a split's videos from an index, in place of encoding them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fdakit.choices import Control
from fdakit.errors import CheckpointError, FdakitError
from fdakit.features import VideoFeatures
from fdakit.inference.embedder import EmbeddedVideos
from fdakit.inference.save_checkpoint import weights_hash
from fdakit.model.retriever import Retriever
from fdakit.recipe.recipe import Recipe
from fdakit.values import UnreadableVideo, VideoRef

from .model_identity import parts_digest
from .table.index_table import IndexTable

_NAMED = 3


@dataclass(frozen=True)
class IndexedVideos:
    """Gives the features of videos that an index holds whole, a segment each."""

    table: IndexTable
    control: Control

    @classmethod
    def of(cls, folder: Path, recipe: Recipe, retriever: Retriever) -> IndexedVideos:
        """Open an index for a model. Raises `CheckpointError` if it is of another, `FdakitError` if it is none."""
        table = IndexTable.open(folder)
        known = table.info.model
        if (known.weights, known.parts) != (weights_hash(retriever), parts_digest(recipe)):
            raise CheckpointError(
                f"{folder.absolute()}: holds vectors of {known.name} ({known.weights[:12]}), another model or one of "
                "other options than that to be evaluated; index the videos with this one"
            )
        return cls(table, recipe.control)

    def __call__(self, videos: Sequence[VideoRef]) -> EmbeddedVideos:
        """Return the features in the order of the videos. Raises `FdakitError` for one that is not in the index."""
        columns = ["path", "segment", "status", "reason", "coverage"]
        several = self.table.info.model.several
        found = self.table.rows([*columns, "vectors" if several else "vector"])
        rows: dict[str, list[int]] = {}
        for row, path in enumerate(found["path"].to_pylist()):
            rows.setdefault(path, []).append(row)
        self._check(videos, rows)
        own = [rows[str(video.path.absolute())][0] for video in videos]
        status, reasons = found["status"].take(own).to_pylist(), found["reason"].take(own).to_pylist()
        held = found["vectors" if several else "vector"].take(own).to_pylist()
        vectors = [np.asarray(one, np.float32).reshape(-1, self.table.info.model.width) for one in held]
        readable = [state == "indexed" for state in status]
        lost = {
            video.id: UnreadableVideo(video.id, reason or f"{video.path}: has no vector in the index ({state})")
            for video, state, reason in zip(videos, status, reasons, strict=True)
            if state != "indexed"
        }
        features = _padded(vectors, readable)
        return EmbeddedVideos({self.control: features}, lost, {}, np.asarray(found["coverage"].take(own), np.float64))

    def _check(self, videos: Sequence[VideoRef], rows: dict[str, list[int]]) -> None:
        folder = self.table.folder.absolute()
        absent = [video for video in videos if str(video.path.absolute()) not in rows]
        if absent:
            named = ", ".join(str(video.path) for video in absent[:_NAMED])
            raise FdakitError(
                f"{folder}: {len(absent):,} of {len(videos):,} videos are not in the index: {named}"
                f"{', ...' if len(absent) > _NAMED else ''}; index them: fdakit index FOLDER --out {folder}"
            )
        cut = [video for video in videos if video.start is not None or len(rows[str(video.path.absolute())]) > 1]
        if cut:
            raise FdakitError(
                f"{folder}: holds segments, as of {cut[0].path}, and the data set's videos are compared whole; make "
                "an index with --whole"
            )


def _padded(vectors: Sequence[NDArray[np.float32]], readable: Sequence[bool]) -> VideoFeatures:
    longest = max([1, *map(len, vectors)])
    width = vectors[0].shape[1]
    held = torch.zeros(len(vectors), longest, width)
    valid = torch.zeros(len(vectors), longest, dtype=torch.bool)
    for row, (own, there) in enumerate(zip(vectors, readable, strict=True)):
        if there:
            held[row, : len(own)] = torch.from_numpy(own)
            valid[row, : len(own)] = True
    return VideoFeatures(held, valid)
