"""A retriever's image preprocessing: its encoder's or its checkpoint's, with the recipe's overrides."""

from __future__ import annotations

import warnings
from pathlib import Path

from fdakit.errors import CheckpointError
from fdakit.model.preprocess_record import read_header, recorded_preprocess
from fdakit.model.retriever import Retriever
from fdakit.plugin.abilities import HadOtherPreprocess
from fdakit.plugin.contracts import Preprocess
from fdakit.recipe.recipe import Recipe
from fdakit.report.evaluation_report import PreprocessFacts
from fdakit.video.transform import FrameTransform


def merged_preprocess(recipe: Recipe, own: Preprocess, *, size: int) -> Preprocess:
    """Return `own` with the recipe's overrides.

    Raises `CheckpointError` if its size differs from the tower's, `size` px.
    """
    preprocess = FrameTransform(recipe.view, own).preprocess
    if preprocess.size != size:
        raise CheckpointError(
            f"view.size: {preprocess.size} px, but the encoder takes {size} px; leave view.size out, or choose an "
            "encoder of that size"
        )
    return preprocess


def check_known(preprocess: Preprocess) -> None:
    """Raise `CheckpointError` if the preprocessing of these weights is unknown, naming what to set."""
    if preprocess.unknown:
        keys = ", ".join(f"view.{name}" for name in preprocess.unknown)
        raise CheckpointError(f"{preprocess.source}; set {keys} to what these weights were trained with")


def adopt_preprocess(retriever: Retriever, recipe: Recipe, weights: Path) -> None:
    """Set a retriever's preprocessing to that of its checkpoint's training, with the recipe's overrides.

    Warns of a checkpoint of an older fdakit that was trained with another preprocessing than its encoder's weights.
    Raises `CheckpointError` if the preprocessing is unknown.
    """
    encoder = retriever.encoder
    chosen = recorded_preprocess(weights)
    if chosen is None:
        chosen = encoder.preprocess
        former = encoder.former_preprocess if isinstance(encoder, HadOtherPreprocess) else None
        if former is not None and "fdakit" in read_header(weights):
            chosen = former
            warnings.warn(
                f"{weights.absolute()}: was trained by an older fdakit with mean {former.mean}, std {former.std}, "
                f"{former.interpolation}, {former.resize}, though its encoder's weights want others "
                f"({encoder.preprocess.source}); it is used as it was trained; train it again to do better",
                stacklevel=2,
            )
    preprocess = merged_preprocess(recipe, chosen, size=encoder.preprocess.size)
    check_known(preprocess)
    retriever.take_pictures_as(preprocess)


def preprocess_facts(preprocess: Preprocess) -> PreprocessFacts:
    """Return the preprocessing as stated in a report."""
    return PreprocessFacts(
        size=preprocess.size,
        mean=preprocess.mean,
        std=preprocess.std,
        interpolation=preprocess.interpolation,
        resize=preprocess.resize,
        source=preprocess.source,
    )
