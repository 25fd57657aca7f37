"""Features of all ranks, as leaves that collect gradient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from fdakit.features import TextFeatures, VideoFeatures
from fdakit.system.ranks import Ranks

Features = tuple[VideoFeatures, TextFeatures]

_VIDEO = ("vectors", "valid", "times", "coverage")
_TEXT = ("vectors", "tokens", "mask", "ids", "cut")


def gather_features(own: Sequence[Features], ranks: Ranks) -> Features:
    """Return the features of all pairs, those of this rank's chunks and of the other ranks', as leaves."""
    joined = (VideoFeatures.cat([f for f, _ in own]), TextFeatures.cat([t for _, t in own])) if own else None
    values = [] if joined is None else [*_held(joined[0], _VIDEO), *_held(joined[1], _TEXT)]
    told = ranks.objects(None if joined is None else _outline(joined))
    found = ranks.tensors([value for _, value in values])
    parts = [_rebuilt(outline, iter(tensors)) for outline, tensors in zip(told, found, strict=True) if outline]
    leaves = VideoFeatures.cat([f for f, _ in parts]), TextFeatures.cat([t for _, t in parts])
    for leaf in graded(leaves):
        if leaf is not None:
            leaf.requires_grad_()
    return leaves


def graded(features: Features) -> Iterator[torch.Tensor | None]:
    """Yield the values through which gradient reaches the towers and a learned mask."""
    frames, texts = features
    yield from (frames.vectors, frames.coverage, texts.vectors, texts.tokens)


def _held(features: object, names: Sequence[str]) -> list[tuple[str, torch.Tensor]]:
    return [(name, value) for name in names if (value := getattr(features, name)) is not None]


def _outline(features: Features) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return the kind of the vectors, and the fields that are there."""
    frames, texts = features
    fields = (tuple(name for name, _ in _held(one, names)) for one, names in ((frames, _VIDEO), (texts, _TEXT)))
    return (frames.kind, *fields)  # type: ignore[return-value]


def _rebuilt(outline: Any, tensors: Iterator[torch.Tensor]) -> Features:
    kind, of_videos, of_texts = outline
    videos = {name: next(tensors) for name in of_videos}
    return VideoFeatures(kind=kind, **videos), TextFeatures(**{name: next(tensors) for name in of_texts})
