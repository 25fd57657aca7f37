"""The objective `captioning`: a small decoder has to say each video's caption from the vectors of its frames.

Its weights serve training alone. Source: Prompt Switch, section 3.3; where the release differs, the release.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from fdakit.plugin import BuildContext, Component, Objective, Options, PluginError

COMMON = ("in", "on", "of", "to", "about", "this", "that", "a", "an", "the", "and", "there", "here", "is", "are")
_MARKS = (".", ",")


def _plain(words: tuple[str, ...]) -> tuple[str, ...]:
    if any(not word.strip() for word in words):
        raise ValueError("a word is empty; leave it out")
    return words


class CaptioningOptions(Options):
    """Sizes of the decoder, and what a word weighs."""

    layers: int = Field(2, ge=1, le=100, description="layers of the decoder")
    heads: int | None = Field(None, ge=1, le=1_024, description="attention heads; left out: one for each 64 of width")
    feed_forward: int | None = Field(
        None, ge=1, le=1_000_000, description="width inside a layer; left out: four times that of the vectors"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="share of activations that are dropped in training")
    common_weight: float = Field(0.25, ge=0, le=1, description="weight of common words, start and end; others have 1")
    common_words: Annotated[tuple[str, ...], AfterValidator(_plain)] = Field(
        (*COMMON, *_MARKS), description="what counts as common"
    )
    weights: Path | None = Field(
        None, description="Prompt Switch checkpoint whose decoder to start from; left out: a new one"
    )


def build(options: CaptioningOptions, shapes: BuildContext) -> Objective:
    """Return the objective. Raises `PluginError` if its sizes do not fit the encoder's."""
    width, words = shapes.embedding, shapes.vocabulary
    heads = options.heads or max(1, width // 64)
    if not words:
        raise PluginError("this encoder does not tell its vocabulary; choose a CLIP of open_clip's")
    if width % heads:
        raise PluginError(f"heads = {heads} does not divide the width of the vectors, {width}; set another")
    from ._captioner import Captioner

    return Captioner(options, width=width, words=words, heads=heads, pretrained=shapes.pretrained)


CAPTIONING = Component(
    "captioning",
    "cross-entropy of each next word of the caption, told from the frames; `weight = 0.5` as published",
    CaptioningOptions,
    build,
    when="beside a contrastive objective; search needs nothing of it",
)
