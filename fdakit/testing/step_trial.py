"""A training step of small towers with one part under trial, on threads that act as processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize

from fdakit.data_pipeline.loaded_batch import LoadedBatch
from fdakit.features import ClipBatch, PairFeatures, TextFeatures, VideoFeatures
from fdakit.inference.factory import WeightedObjective
from fdakit.model.pixel_forms import PixelSteps
from fdakit.plugin.abilities import GivesExtra
from fdakit.plugin.batching import TrainingPairs, extra_rows
from fdakit.system.ranks import Ranks
from fdakit.training.forward_pass import Forward
from fdakit.training.shares import Shares, share

from .examples import SHAPES, TOKENS, WIDTH
from .thread_ranks import on_ranks

_PAIRS, _FRAMES, _SIDE = 7, 3, 4
_TEXTS = tuple(f"{k}{'x' * (k % 5)}" for k in range(_PAIRS))


class _Towers(nn.Module):
    """Linear towers, a mean over frames unless a part needs them all, and cosines unless a matcher is given."""

    mask = None

    def __init__(self, *, aggregator: Any = None, matcher: Any = None) -> None:
        super().__init__()
        self.pictures, self.words = nn.Linear(3 * _SIDE * _SIDE, WIDTH), nn.Embedding(SHAPES.vocabulary, WIDTH)
        self.aggregator, self.matcher = aggregator, matcher
        self.pixel_steps = PixelSteps()

    def encode_videos(self, clips: ClipBatch, alpha: torch.Tensor) -> VideoFeatures:
        pixels = (clips.frames.float() / 255 * alpha).flatten(2)
        return VideoFeatures(self.pictures(pixels), clips.valid, times=clips.times, coverage=alpha.mean((2, 3, 4)))

    def encode_texts(self, texts: Sequence[str], role: str = "query") -> TextFeatures:
        spelt = [[ord(c) % (SHAPES.vocabulary - 1) + 1 for c in text[:TOKENS]] for text in texts]
        ids = torch.tensor([row + [0] * (TOKENS - len(row)) for row in spelt])
        tokens = self.words(ids)
        return TextFeatures(tokens.mean(1), tokens, ids > 0, ids, torch.zeros(len(ids), dtype=torch.bool))

    def aggregate(self, features: VideoFeatures) -> VideoFeatures:
        if self.aggregator is not None:
            found: VideoFeatures = self.aggregator(features)
            return found
        if self.matcher is not None and self.matcher.stores != "vector":
            return features
        weights = features.valid.unsqueeze(-1)
        return VideoFeatures.of_clips((features.vectors * weights).sum(1) / weights.sum(1))

    def scores(self, texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
        if self.matcher is not None:
            given: torch.Tensor = self.matcher.score(texts, videos)
            return given
        left, right = normalize(texts.vectors, dim=-1), normalize(videos.vectors, dim=-1)
        cosines = torch.einsum("qd,vmd->qvm", left, right).masked_fill(~videos.valid, -1.0)
        return cosines.amax(-1)


class _Contrast(nn.Module):
    """Cross-entropy over the batch with a scale."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, pairs: PairFeatures) -> Mapping[str, torch.Tensor]:
        logits = self.scale.exp() * pairs.scores
        return {"contrast": cross_entropy(logits, torch.arange(len(logits)))}


def step_gradients(
    kind: str, build: Callable[[], Any], *, ranks: int, micro_batch: int | None
) -> dict[str, torch.Tensor]:
    """Return the loss and every weight's gradient of one step with a part of that kind, as rank 0 has them."""

    def step(group: Ranks) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        part = build()
        towers = _Towers() if kind == "objective" else _Towers(**{kind: part})
        objective: Any = part if kind == "objective" else _Contrast()
        modules = nn.ModuleDict({"towers": towers})
        if isinstance(objective, nn.Module):
            modules["objective"] = objective
        modules.train()
        for module in modules.modules():
            if isinstance(module, nn.modules.dropout._DropoutNd):
                module.eval()
        weighted = WeightedObjective(objective, 1.0, f"{kind} under trial", kind)
        forward = Forward(cast(Any, towers), [weighted], device=torch.device("cpu"), precision="fp32", ranks=group)
        shares = Shares.of(_PAIRS, micro_batch=micro_batch, ranks=group.size)
        extra = _extra(objective)
        shared = share(_batch(shares.places(group.rank), extra), shares, group)
        done = forward(replace(shared, whole=replace(shared.whole, extra=extra)), step=1)
        done.backward()
        found = {name: weight.grad for name, weight in modules.named_parameters() if weight.grad is not None}
        return {"loss": done.losses.total.detach(), **found}

    return step(Ranks()) if ranks == 1 else on_ranks(ranks, step)[0]


def _extra(objective: Any) -> dict[str, Any]:
    if not isinstance(objective, GivesExtra):
        return {}
    rows = np.arange(_PAIRS)
    return extra_rows(objective.extra(TrainingPairs(rows, rows, rows, tuple(map(str, rows)), _TEXTS)))


def _batch(rows: slice, extra: Mapping[str, Any]) -> LoadedBatch:
    draw = torch.Generator().manual_seed(0)
    shape = (_PAIRS, _FRAMES, 3, _SIDE, _SIDE)
    frames = torch.randint(0, 256, shape, generator=draw, dtype=torch.uint8)
    valid = torch.arange(_FRAMES)[None] < torch.randint(1, _FRAMES + 1, (_PAIRS, 1), generator=draw)
    alpha = torch.rand(_PAIRS, _FRAMES, 1, _SIDE, _SIDE, generator=draw)
    times = torch.arange(_FRAMES).double().expand(_PAIRS, -1)
    ids = tuple(map(str, range(_PAIRS)))
    own = {name: value[rows] for name, value in extra.items()}
    return LoadedBatch(
        ids[rows], frames[rows], {"none": alpha[rows]}, valid[rows], times[rows], _TEXTS[rows], extra=own
    )
