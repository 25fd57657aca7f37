"""The evaluation protocol: the rules and the data behind a report's numbers, so that others can reproduce them."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from fdakit.dataset_files.counts import id_hash
from fdakit.dataset_files.identical_videos import footage_numbers, identical_groups
from fdakit.ranking.best_recall import best_recall
from fdakit.recipe.recipe import Recipe
from fdakit.values import Split

from .evaluator import EvaluationResult


def protocol(recipe: Recipe, split: Split, selection: str, chosen_on: str | None) -> dict[str, Any]:
    """Return data set, split, captions, directions, ties, how the checkpoint was chosen, and the frames used."""
    sampler, dataset = recipe.parts["sampler"], recipe.parts["dataset"]
    draws = recipe.frame_store.draws if recipe.frame_store.enabled else 0
    return {
        "dataset": dataset.name,
        "dataset_options": dataset.options.model_dump(mode="json", exclude=_places(dataset.options)),
        "split": split.name,
        "captions": split.protocol,
        "video_to_text": recipe.eval.video_to_text,
        "ties": recipe.eval.ties,
        "checkpoint_chosen_by": selection,
        "checkpoint_chosen_on": chosen_on,
        "sampler": {"use": sampler.name, **sampler.options.model_dump(mode="json")},
        "reader": recipe.parts["reader"].name,
        "mask": recipe.parts["mask"].name,
        "mask_control": recipe.control,
        "batch_size": recipe.train.batch_size if recipe.train.epochs else None,
        **({"frame_store_draws": draws} if draws else {}),
    }


def _places(options: BaseModel) -> set[str]:
    """Return the options that are paths, set or not: locations change no number; digests identify the contents."""
    fields = type(options).model_fields
    return {name for name, field in fields.items() if Path in (field.annotation, *get_args(field.annotation))}


def trained_on(splits: Mapping[str, Split]) -> dict[str, Any]:
    """Return a description of the split `train` for the checkpoint; `shared` counts what other splits have of it.

    A video is shared by its id, or by its content: file and segment, or files equal byte for byte.
    """
    train = splits["train"]
    ids = {video.id for video in train.videos}
    return {
        "published": train.official.videos if train.official else None,
        "counted": len(train.videos),
        "missing": len(train.left_out),
        "id_hash": id_hash(ids),
        "remarks": list(train.remarks),
        "shared": {name: _shared(train, split) for name, split in splits.items()},
    }


def _shared(train: Split, split: Split) -> int:
    if split is train:
        return len(train.videos)
    ids, count = {video.id for video in train.videos}, len(train.videos)
    shown = footage_numbers([*train.videos, *split.videos])[count:]
    return sum(video.id in ids or number < count for video, number in zip(split.videos, shown, strict=True))


def counted_videos(
    split: Split,
    evaluated: EvaluationResult,
    training_damage: Mapping[str, Mapping[str, str]],
    training: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return published, counted, missing and damaged videos; `id_hash` identifies the scored list.

    `training` is the `trained_on` of the training run; for other weights nothing is known.
    """
    skipped, repaired = (training_damage.get(kind, {}) for kind in ("skipped", "repaired"))
    known = {**training, "shared": training["shared"].get(split.name)} if training else {}
    return {
        "published": split.official.videos if split.official else None,
        "counted": len(split.videos),
        "id_hash": id_hash(video.id for video in split.videos),
        "remarks": list(split.remarks),
        "missing": len(split.left_out),
        "missing_ids": list(split.left_out),
        "damaged": len(evaluated.lost),
        "damaged_reasons": {video.id: video.reason for video in evaluated.lost},
        "repaired": len(evaluated.repaired),
        "repaired_reasons": dict(evaluated.repaired),
        "training": {
            **known,
            "skipped": len(skipped),
            "skipped_reasons": dict(skipped),
            "repaired": len(repaired),
            "repaired_reasons": dict(repaired),
        },
    }


def counted_captions(split: Split, evaluated: EvaluationResult) -> dict[str, Any]:
    """Return published, counted and distinct captions, and the best R@1 possible with equal texts and videos.

    `hash` identifies the pairs of video and caption, in their order.
    """
    identical = identical_groups(split.videos)
    pairs = "".join(f"{caption.video_id}\t{caption.text}\n" for caption in split.captions)
    return {
        "published": split.official.captions if split.official else None,
        "counted": len(split.captions),
        "hash": sha256(pairs.encode("utf-8", "surrogateescape")).hexdigest(),
        "distinct": evaluated.distinct_texts,
        "cut": evaluated.cut,
        "identical_videos": len(identical),
        "best_t2v_R@1": best_recall(((c.text, c.video_id) for c in split.captions), identical),
    }
