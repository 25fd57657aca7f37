"""The evaluation protocol: the rules and the data behind a report's numbers, so that others can reproduce them."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import get_args

from pydantic import BaseModel

from fdakit.dataset_files.counts import id_hash
from fdakit.dataset_files.identical_videos import footage_numbers, identical_groups
from fdakit.inference.checkpoint_info import CheckpointInfo, TrainingData
from fdakit.plugin.abilities import TextRoles
from fdakit.ranking.best_recall import best_recall
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.tables import SINGLE
from fdakit.report.evaluation_report import CaptionCounts, EvaluationProtocol, TrainingVideos, VideoCounts
from fdakit.values import Split

from .evaluator import EvaluationResult


def protocol(recipe: Recipe, split: Split, info: CheckpointInfo, encoder: object) -> EvaluationProtocol:
    """Return data set, split, captions, directions, ties, how the checkpoint was chosen, and the frames used.

    A matcher other than the default one, and what `encoder` puts before texts, are named too.
    """
    sampler, dataset = recipe.sampler, recipe.dataset
    draws = recipe.frame_store.draws if recipe.frame_store.enabled else 0
    found = {
        "dataset": dataset.name,
        "dataset_options": dataset.options.model_dump(mode="json", exclude=_places(dataset.options)),
        "split": split.name,
        "captions": split.protocol,
        "video_to_text": recipe.eval.video_to_text,
        "ties": recipe.eval.ties,
        "checkpoint_chosen_by": info.chosen_by,
        "checkpoint_chosen_on": info.chosen_on,
        "sampler": {"use": sampler.name, **sampler.options.model_dump(mode="json")},
        "reader": recipe.reader.name,
        "mask": recipe.mask.name,
        "mask_control": recipe.control,
        "batch_size": recipe.train.batch_size if recipe.train.epochs else None,
        **({"frame_store_draws": draws} if draws else {}),
        **({} if _is_default("matcher", recipe) else {"matcher": recipe.matcher.name}),
        **({"instructions": dict(encoder.instructions)} if isinstance(encoder, TextRoles) else {}),
    }
    return EvaluationProtocol.from_json(found)


def _is_default(table: str, recipe: Recipe) -> bool:
    offer = recipe.parts[table].offer
    return f"{offer.provider.name}:{offer.component.name}" == SINGLE[table][0]


def _places(options: BaseModel) -> set[str]:
    """Return the options that are paths, set or not: locations change no number; digests identify the contents."""
    fields = type(options).model_fields
    return {name for name, field in fields.items() if Path in (field.annotation, *get_args(field.annotation))}


def trained_on(splits: Mapping[str, Split]) -> TrainingData:
    """Return a description of the split `train` for the checkpoint; `shared` counts what other splits have of it.

    A video is shared by its id, or by its content: file and segment, or files equal byte for byte.
    """
    train = splits["train"]
    ids = {video.id for video in train.videos}
    return TrainingData(
        published=train.official.videos if train.official else None,
        counted=len(train.videos),
        missing=len(train.left_out),
        id_hash=id_hash(ids),
        remarks=train.remarks,
        shared={name: _shared(train, split) for name, split in splits.items()},
    )


def _shared(train: Split, split: Split) -> int:
    if split is train:
        return len(train.videos)
    ids, count = {video.id for video in train.videos}, len(train.videos)
    shown = footage_numbers([*train.videos, *split.videos])[count:]
    return sum(video.id in ids or number < count for video, number in zip(split.videos, shown, strict=True))


def counted_videos(split: Split, evaluated: EvaluationResult, info: CheckpointInfo) -> VideoCounts:
    """Return published, counted, missing and damaged videos; `id_hash` identifies the scored list.

    Of the training only what the checkpoint states is known.
    """
    return VideoCounts(
        published=split.official.videos if split.official else None,
        counted=len(split.videos),
        id_hash=id_hash(video.id for video in split.videos),
        remarks=split.remarks,
        missing=len(split.left_out),
        missing_ids=split.left_out,
        damaged=len(evaluated.lost),
        damaged_reasons={video.id: video.reason for video in evaluated.lost},
        repaired=len(evaluated.repaired),
        repaired_reasons=evaluated.repaired,
        training=_training_videos(info, split.name),
    )


def _training_videos(info: CheckpointInfo, split: str) -> TrainingVideos:
    training, damage = info.training, info.damage
    known = {**training.to_json(), "shared": training.shared.get(split)} if training else {}
    found = {
        **known,
        "skipped": len(damage.skipped),
        "skipped_reasons": damage.skipped,
        "repaired": len(damage.repaired),
        "repaired_reasons": damage.repaired,
    }
    return TrainingVideos.from_json(found)


def counted_captions(split: Split, evaluated: EvaluationResult) -> CaptionCounts:
    """Return published, counted and distinct captions, and the best R@1 possible with equal texts and videos.

    `hash` identifies the pairs of video and caption, in their order.
    """
    identical = identical_groups(split.videos)
    pairs = "".join(f"{caption.video_id}\t{caption.text}\n" for caption in split.captions)
    return CaptionCounts(
        published=split.official.captions if split.official else None,
        counted=len(split.captions),
        hash=sha256(pairs.encode("utf-8", "surrogateescape")).hexdigest(),
        distinct=evaluated.distinct_texts,
        cut=evaluated.cut,
        identical_videos=len(identical),
        best_t2v=best_recall(((c.text, c.video_id) for c in split.captions), identical),
    )
