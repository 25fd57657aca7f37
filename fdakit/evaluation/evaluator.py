"""Evaluation: from a split to similarities and rankings.

Each distinct text and each distinct video is encoded and scored once and copied to its duplicates, so that equal
captions tie exactly whatever the batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from fdakit.choices import Control
from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest, batches
from fdakit.dataset_files.identical_videos import identical_videos
from fdakit.errors import RecipeError, VideoError
from fdakit.model.retriever import Retriever
from fdakit.plugin.contracts import Progress
from fdakit.ranking.streamed import Vectors
from fdakit.recipe.recipe import Recipe
from fdakit.system.devices import autocast, loader_workers
from fdakit.values import Batch, FrameFeatures, Scores, Split, TextFeatures, UnreadableVideo, VideoRef

from .scoring import Rankings, Similarities, rank_both_directions, score_matrix, unit_vectors

T = TypeVar("T")


@dataclass(frozen=True)
class EvaluationResult:
    """Similarities and rankings under each control (the recipe's own first), and the damage encountered.

    `repaired` is the file's fault for each video of which only the decodable frames were used. `bank (b, v)` are the
    similarities of training captions to the same videos, if a rescorer of the recipe needs them.
    """

    scores: Mapping[str, Similarities]
    rankings: Mapping[str, Rankings]
    lost: tuple[UnreadableVideo, ...]
    repaired: Mapping[str, str]
    cut: int
    distinct_texts: int
    coverage: NDArray[np.float64]
    bank: NDArray[np.float32] | None = None


class Evaluator:
    """Scores one split with any weights; caches its clips so that further validations decode nothing."""

    def __init__(
        self,
        recipe: Recipe,
        split: Split,
        retriever: Retriever,
        *,
        device: torch.device,
        progress: Progress,
        controls: Sequence[Control] = (),
        bank: Sequence[str] = (),
    ) -> None:
        self._recipe = recipe
        self._split = split
        self._device = device
        self._progress = progress
        self._bank = tuple(dict.fromkeys(bank))
        self._whole = _fits(recipe, split)
        self._own: Control = recipe.control
        names: list[Control] = [self._own, *(c for c in controls if c != self._own)]
        twins = identical_videos(split.videos)
        self._shown = {video.id: twins.get(video.id, video.id) for video in split.videos}
        self._places = _places(list(self._shown.values()))
        distinct: dict[Any, VideoRef] = {}
        for video in split.videos:
            distinct.setdefault(self._shown[video.id], video)
        self._source = ClipDataset(
            recipe,
            tuple(distinct.values()),
            training=False,
            preprocess=retriever.preprocess,
            shapes=replace(retriever.encoder.shapes, device=str(device)),
            controls=names,
        )

    @torch.inference_mode()
    def run(self, retriever: Retriever) -> EvaluationResult:
        """Return the scores of every caption against every video, under each control."""
        retriever.eval()
        frames, lost, repaired = self._frames(retriever)
        captions = [caption.text for caption in self._split.captions]
        text_places = _places(captions)
        texts = self._texts(retriever, list(dict.fromkeys(captions)), what=f"{self._split.name} captions")
        scores = {control: self._scores(retriever, frames[control], texts, text_places, lost) for control in frames}
        coverage = next(iter(frames.values()))
        assert coverage.coverage is not None
        return EvaluationResult(
            scores=scores,
            rankings={control: self._ranked(found) for control, found in scores.items()},
            lost=tuple(replace(found, id=name) for name, found in self._by_every_name(lost)),
            repaired=dict(self._by_every_name(repaired)),
            cut=int(texts.cut.cpu().numpy()[text_places].sum()),
            distinct_texts=len(texts.vectors),
            coverage=coverage.coverage[coverage.valid].double().cpu().numpy(),
            bank=self._banked(retriever, frames[self._own]),
        )

    def _by_every_name(self, found: Mapping[str, T]) -> list[tuple[str, T]]:
        """Return the result of a file for each video of the split that it contains."""
        return [(name, found[shown]) for name, shown in self._shown.items() if shown in found]

    def _banked(self, retriever: Retriever, frames: FrameFeatures) -> NDArray[np.float32] | None:
        """Return the similarities of the bank's distinct captions to every video of the split."""
        if not self._bank:
            return None
        texts = self._texts(retriever, self._bank, what="bank captions")
        return score_matrix(retriever, frames, texts, block=self._recipe.eval.text_batch_size)[:, self._places]

    def _frames(
        self, retriever: Retriever
    ) -> tuple[dict[str, FrameFeatures], dict[str, UnreadableVideo], dict[str, str]]:
        size = self._recipe.eval.batch_size
        plan = [
            [ClipRequest(i) for i in range(k, min(k + size, len(self._source)))]
            for k in range(0, len(self._source), size)
        ]
        loader = self._recipe.loader
        workers = loader_workers(loader.workers, self._device)
        found: dict[str, list[FrameFeatures]] = {control: [] for control in self._source.controls}
        known: list[str] = []
        lost: dict[str, UnreadableVideo] = {}
        repaired: dict[str, str] = {}
        done = 0
        for batch in batches(self._source, plan, workers=workers, prefetch=loader.prefetch):
            lost.update({video.id: video for video in batch.lost})
            repaired |= batch.repaired
            if batch.ids:
                known += batch.ids
                for control, features in self._encode(retriever, batch).items():
                    found[control].append(features)
            done += len(batch.ids) + len(batch.lost)
            self._progress(f"encoding {self._split.name} videos", done, len(self._source))
        if not known:
            reasons = "; ".join(video.reason for video in list(lost.values())[:3])
            raise VideoError(f"split {self._split.name!r}: none of its {len(lost)} videos could be read: {reasons}")
        rows = {video: row for row, video in enumerate(known)}
        order = [rows.get(video.id, -1) for video in self._source.videos]
        return {control: _placed(parts, order) for control, parts in found.items()}, lost, repaired

    def _encode(self, retriever: Retriever, batch: Batch) -> dict[str, FrameFeatures]:
        frames, valid = batch.frames.to(self._device), batch.valid.to(self._device)
        found = {}
        for control, alpha in batch.alphas.items():
            with autocast(self._device, self._recipe.train.precision):
                found[control] = retriever.encode_frames(frames, alpha.to(self._device), valid, batch.times)
        return found

    def _texts(self, retriever: Retriever, texts: Sequence[str], *, what: str) -> TextFeatures:
        size, parts = self._recipe.eval.text_batch_size, []
        for start in range(0, len(texts), size):
            with autocast(self._device, self._recipe.train.precision):
                parts.append(retriever.encode_texts(texts[start : start + size]))
            self._progress(f"encoding {what}", min(start + size, len(texts)), len(texts))
        return _joined(parts)

    def _scores(
        self,
        retriever: Retriever,
        frames: FrameFeatures,
        texts: TextFeatures,
        text_places: list[int],
        lost: Mapping[str, UnreadableVideo],
    ) -> Similarities:
        ids = {video.id: place for place, video in enumerate(self._split.videos)}
        owners = np.array([ids[caption.video_id] for caption in self._split.captions], np.int64)
        gone = np.array([video.id in lost for video in self._source.videos])[self._places]
        if self._whole or retriever.text_conditioned:
            unique = score_matrix(retriever, frames, texts, block=self._recipe.eval.text_batch_size)
            return Scores(matrix=unique[np.ix_(text_places, self._places)], owners=owners, lost=gone)
        rows, columns = (found.cpu().numpy() for found in unit_vectors(retriever, frames, texts))
        return Vectors(rows[text_places], columns[self._places], owners, gone)

    def _ranked(self, found: Similarities) -> Rankings:
        mode = self._recipe.eval.video_to_text
        return rank_both_directions(found, mode=mode, device=str(self._device), progress=self._progress)


def _fits(recipe: Recipe, split: Split) -> bool:
    """Return whether the similarity matrix is stored.

    Raises `RecipeError` if a rescorer needs one that is too large.
    """
    size = 4 * len(split.captions) * len(split.videos) / 1e6
    fits = size <= recipe.eval.similarity_mb
    if not fits and recipe.rescoring:
        raise RecipeError(
            f"{recipe.where}: eval.rescoring: needs all {len(split.captions)} x {len(split.videos)} similarities at "
            f"once, {size:,.0f} MB; raise eval.similarity_mb, or leave rescoring out"
        )
    return fits


def _places(keys: Sequence[Any]) -> list[int]:
    """Return for each key its index among the distinct keys, in order of first appearance."""
    seen: dict[Any, int] = {}
    return [seen.setdefault(key, len(seen)) for key in keys]


def _placed(parts: Sequence[FrameFeatures], order: Sequence[int]) -> FrameFeatures:
    """Concatenate batches in the order of the videos; an unreadable video (-1) has no valid frame."""
    index = torch.tensor(order)
    lost = index < 0

    def joined(name: str) -> torch.Tensor:
        values = torch.cat([getattr(part, name).cpu() for part in parts])[index.clamp(min=0)]
        values[lost] = 0
        return values

    device = parts[0].vectors.device
    return FrameFeatures(
        vectors=joined("vectors").float().to(device),
        valid=joined("valid").to(device),
        times=joined("times").to(device) if device.type != "mps" else joined("times").float().to(device),
        coverage=joined("coverage").to(device),
    )


def _joined(parts: Sequence[TextFeatures]) -> TextFeatures:
    names = ("vectors", "ids", "mask", "cut")
    joined = TextFeatures(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})
    return replace(joined, vectors=joined.vectors.float())  # like frames: autocast gives bf16
