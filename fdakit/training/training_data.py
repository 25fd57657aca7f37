"""What a training draws its batches from: the clips of a split and their captions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch

from fdakit.choices import CaptionsRule
from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.data_pipeline.damage import known_damage
from fdakit.data_pipeline.loaded_batch import LoadedBatch
from fdakit.dataset_files.identical_videos import identical_videos
from fdakit.errors import DatasetError, PartError, attribute_errors
from fdakit.inference.factory import WeightedObjective
from fdakit.model.retriever import Retriever
from fdakit.model.tokens.sent_tokeniser import sent_tokeniser
from fdakit.plugin.abilities import ChecksPairs
from fdakit.plugin.batching import Batcher, TrainingPairs
from fdakit.recipe.build_context import base_shapes
from fdakit.recipe.recipe import Recipe
from fdakit.values import Split

from .batching import Batches, epoch_batches, epoch_pairs
from .extra_values import ExtraValues


def training_clips(recipe: Recipe, split: Split, retriever: Retriever, *, device: torch.device) -> ClipDataset:
    """Return the clips of a split as a retriever is trained on them. Raises what `known_damage` raises."""
    return ClipDataset(
        ClipSettings.of(recipe),
        split.videos,
        training=True,
        preprocess=retriever.preprocess,
        shapes=replace(retriever.encoder.shapes, device=str(device)),
        left_out=known_damage(recipe.loader, split, where=recipe.where),
        device_needs=retriever.mask_needs,
        tokenise=sent_tokeniser(retriever.encoder),
    )


def training_pairs(split: Split) -> TrainingPairs:
    """Return the pairs of a split, a caption each; videos that show the same have one content."""
    numbers = {video.id: number for number, video in enumerate(split.videos)}
    twins = identical_videos(split.videos)
    ids = tuple(caption.video_id for caption in split.captions)
    return TrainingPairs(
        places=np.arange(len(ids)),
        videos=np.array([numbers[name] for name in ids], np.int64),
        contents=np.array([numbers[twins.get(name, name)] for name in ids], np.int64),
        ids=ids,
        texts=tuple(caption.text for caption in split.captions),
    )


class TrainingData:
    """The pairs of a split, as requests to its `clips`; the `batcher` makes batches of them by `seed` and epoch.

    `label` names the batcher in errors; `captions` says which pairs an epoch has; `others` are parts, with their
    labels, that may know more of the pairs. Raises what one of them says of pairs that it cannot train on.
    """

    def __init__(
        self,
        clips: ClipDataset,
        split: Split,
        *,
        batcher: Batcher,
        label: str,
        batch_size: int,
        seed: int,
        captions: CaptionsRule = "all",
        others: Iterable[tuple[str, object]] = (),
    ) -> None:
        self.clips, self.seed = clips, seed
        self._pairs = training_pairs(split)
        self._batcher, self._label = batcher, label
        self._batch_size, self._captions = batch_size, captions
        parts = ((label, batcher), *others)
        self._extra = ExtraValues(parts, self._pairs)
        for name, part in parts:
            if isinstance(part, ChecksPairs):
                with attribute_errors(name, "in check_pairs"):
                    part.check_pairs(self._pairs)

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        clips: ClipDataset,
        split: Split,
        objectives: Sequence[WeightedObjective] = (),
        *,
        device: torch.device,
    ) -> TrainingData:
        """Return the data of a recipe, with the batcher built."""
        return cls(
            clips,
            split,
            batcher=recipe.batcher.build(base_shapes(recipe, device)),
            label=str(recipe.batcher.offer),
            batch_size=recipe.train.batch_size,
            seed=recipe.seed,
            captions=recipe.train.captions,
            others=[(objective.label, objective.part) for objective in objectives],
        )

    def plan(self, epoch: int) -> list[list[ClipRequest]]:
        """Return the batches of an epoch. Raises `DatasetError` if there is none, and what `epoch_batches` raises."""
        pairs, batches = self._drawn(epoch)
        if not self._is_reproducible:
            raise PartError(
                f"{self._label} failed in epoch 1: made other batches when it was called again with an equal "
                "generator; draw from the rng it is given alone, and keep nothing between calls"
            )
        if not batches:
            if not len(pairs):
                raise DatasetError("split 'train': found no pair of caption and video; give it captions")
            raise DatasetError(
                f"split 'train': {self._label} gave {batches!r}, no batch, of its {len(pairs)} pairs, where each may "
                f"hold up to {self._batch_size}; if it drops batches that are not full, lower train.batch_size, else "
                "mend the batcher"
            )
        return [[ClipRequest(int(pairs.videos[row]), epoch, pairs.texts[row]) for row in batch] for batch in batches]

    def _drawn(self, epoch: int) -> tuple[TrainingPairs, Batches]:
        pairs = epoch_pairs(self._pairs, captions=self._captions, seed=self.seed, epoch=epoch)
        return pairs, epoch_batches(
            self._batcher, pairs, batch_size=self._batch_size, seed=self.seed, epoch=epoch, label=self._label
        )

    @cached_property
    def _is_reproducible(self) -> bool:
        """Whether the batcher makes the same batches twice, which counting and resuming need."""
        (_, first), (_, again) = self._drawn(0), self._drawn(0)
        return len(first) == len(again) and all(map(np.array_equal, first, again))

    def completed(self, batch: LoadedBatch) -> LoadedBatch:
        """Return a batch with what the parts know of its pairs in `extra`; its ids and texts decide it."""
        extra = self._extra.of(batch)
        return replace(batch, extra=extra) if extra else batch

    def steps(self, epochs: int, *, limit: int | None) -> int:
        """Return the number of steps of a training. Epochs differ in length, as their batches are resampled."""
        planned = 0
        for epoch in range(epochs):
            planned += len(self.plan(epoch))
            if limit is not None and planned >= limit:
                return limit
        return planned
