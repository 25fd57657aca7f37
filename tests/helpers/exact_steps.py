"""Towers, objectives and batches of a few numbers, whose gradients are compared over ranks and chunks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import nn
from torch.nn.functional import normalize

from fdakit.data_pipeline.loaded_batch import LoadedBatch
from fdakit.features import ClipBatch, PairFeatures, TextFeatures, VideoFeatures
from fdakit.inference.factory import WeightedObjective
from fdakit.model.pixel_forms import PixelSteps
from fdakit.system.ranks import Ranks
from fdakit.system.sharded_tensors import whole
from fdakit.training.forward_pass import Forward
from fdakit.training.shares import SharedBatch, Shares, share

CPU = torch.device("cpu")
PAIRS = 11
WORDS = [f"{'a ' * (1 + k % 3)}caption {k}" for k in range(PAIRS)]


class Towers(nn.Module):
    """Towers with dropout in double precision, and a learned mask; texts have tokens, clips uneven lengths."""

    mask = None

    def __init__(self, *, dropout: float, pool: nn.Module) -> None:
        super().__init__()
        self.image, self.words = nn.Sequential(nn.Linear(48, 8), nn.Linear(8, 8)), nn.Embedding(64, 8)
        self.drop, self.aggregator = nn.Dropout(dropout), pool
        self.pixel_steps = PixelSteps()

    def encode_videos(self, clips: ClipBatch, alpha: torch.Tensor) -> VideoFeatures:
        pixels = (clips.frames.double() / 255 * alpha).flatten(2)
        return VideoFeatures(self.drop(self.image(pixels)), clips.valid, coverage=alpha.mean((2, 3, 4)))

    def encode_texts(self, texts: Sequence[str], role: str = "query") -> TextFeatures:
        length = max(len(text) for text in WORDS)
        ids = torch.tensor([[ord(c) % 63 + 1 for c in text.ljust(length)] for text in texts])
        tokens = self.drop(self.words(ids))
        return TextFeatures(tokens.mean(1), tokens, ids > 0, ids)

    def aggregate(self, features: VideoFeatures) -> VideoFeatures:
        weights = features.valid.unsqueeze(-1) * (1 + cast(torch.Tensor, features.coverage).unsqueeze(-1))
        return VideoFeatures.of_clips(self.aggregator((features.vectors * weights).sum(1) / weights.sum(1)))

    def scores(self, texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
        return normalize(texts.vectors, dim=-1) @ normalize(videos.vector, dim=-1).T


class Contrast(nn.Module):
    """Cross-entropy over the batch, and a loss of single tokens, with a scale of its own."""

    def __init__(self, *, tokens: bool) -> None:
        super().__init__()
        self.scale, self.tokens = nn.Parameter(torch.tensor(2.0)), tokens

    def forward(self, pairs: PairFeatures) -> dict[str, torch.Tensor]:
        logits = self.scale.exp() * pairs.scores
        found = {"contrast": nn.functional.cross_entropy(logits, torch.arange(len(logits)))}
        if self.tokens:
            near = torch.einsum("qld,qd->ql", cast(torch.Tensor, pairs.texts.tokens), pairs.videos.vector)
            found["tokens"] = (near**2).mean()
        return found


class Captioner(nn.Module):
    """A mean over the tokens of all captions, which looks at frames, and at token embeddings of the towers."""

    over = "pairs"

    def __init__(self, *, dropout: float) -> None:
        super().__init__()
        self.out, self.drop = nn.Linear(8, 64), nn.Dropout(dropout)
        self.words: nn.Embedding | None = None

    def share_words(self, towers: Towers) -> None:
        self.words = towers.words

    def count(self, texts: TextFeatures, batch: Any) -> torch.Tensor:
        return (cast(torch.Tensor, texts.ids) != 33).sum()

    def forward(self, pairs: PairFeatures) -> dict[str, torch.Tensor]:
        seen = pairs.frames.vectors.mean(1) * pairs.batch.valid.double().sum(1, keepdim=True) + pairs.videos.vector
        ids = cast(torch.Tensor, pairs.texts.ids)
        logits = self.out(self.drop(cast(nn.Embedding, self.words)(ids) + seen.unsqueeze(1)))
        losses = nn.functional.cross_entropy(logits.flatten(0, 1), ids.flatten(), reduction="none")
        spelt = ids.flatten() != 33
        return {"words": (losses * spelt).sum() / spelt.sum()}


def example_batch(places: Sequence[int] = range(PAIRS), *, start: int = 0) -> LoadedBatch:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (PAIRS, 3, 3, 4, 4), generator=generator, dtype=torch.uint8)
    valid = torch.arange(3)[None] < torch.randint(1, 4, (PAIRS, 1), generator=generator)
    alpha = torch.rand(PAIRS, 3, 1, 4, 4, generator=generator, dtype=torch.float64)
    k = list(places)
    return LoadedBatch(
        tuple(map(str, k)),
        frames[k],
        {"none": alpha[k]},
        valid[k],
        torch.zeros(len(k), 3),
        tuple(WORDS[place] for place in k),
        places=tuple(place - start for place in k),
    )


def shared_batch(
    micro_batch: int | None = None, *, ranks: Ranks | None = None, lost: Sequence[int] = ()
) -> SharedBatch:
    """The batch as a rank has it, without the clips that could not be read."""
    ranks = ranks or Ranks()
    shares = Shares.of(PAIRS, micro_batch=micro_batch, ranks=ranks.size)
    own = range(PAIRS)[shares.places(ranks.rank)]
    return share(example_batch([k for k in own if k not in lost], start=own.start), shares, ranks)


POOLS: dict[str, Any] = {
    "linear": lambda: nn.Linear(8, 8),
    "transformer": lambda: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0),
    "batch norm": lambda: nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8)),
    "dropout": lambda: nn.Sequential(nn.Dropout(0.4), nn.Linear(8, 8)),
}


def gradients(
    pool: str,
    *,
    tokens: bool,
    micro_batch: int | None,
    dropout: float = 0.0,
    drawn: int = 0,
    captions: bool = False,
    ranks: Ranks | None = None,
    lost: Sequence[int] = (),
    steps: Sequence[int] = (5,),
    divide: Callable[[Towers], object] = lambda towers: None,
) -> dict[str, torch.Tensor]:
    """The losses and the gradient of every weight in the last of some steps, before each of which weights are moved.

    `drawn` is the state of torch's own generator; `divide` may divide the towers' weights over ranks.
    """
    torch.manual_seed(1)
    towers = Towers(dropout=dropout, pool=POOLS[pool]()).double().train()
    parts: dict[str, Any] = {"contrast": Contrast(tokens=tokens).double()}
    if captions:
        parts["captions"] = Captioner(dropout=dropout).double()
        parts["captions"].share_words(towers)
    divide(towers)
    objectives = [WeightedObjective(part, 0.7 - k / 5, name, name) for k, (name, part) in enumerate(parts.items())]
    forward = Forward(cast(Any, towers), objectives, device=CPU, precision="fp32", seed=3, ranks=ranks)
    weights = {
        f"{name}.{n}": w for name, part in {"towers": towers, **parts}.items() for n, w in part.named_parameters()
    }
    torch.manual_seed(drawn)
    for step in steps:
        for weight in weights.values():
            weight.grad = None
            weight.data *= 1.01
        done = forward(shared_batch(micro_batch, ranks=ranks, lost=lost if step == steps[-1] else ()), step=step)
        done.backward()
    found = {n: whole(w.grad) for n, w in weights.items() if w.grad is not None}
    return {"loss": done.losses.total.detach(), **done.losses.by_name} | found


def close(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        # a bias before a batch norm has a gradient that cancels out, of which rounding alone is left
        assert float((found[name] - value).abs().max()) <= 1e-10 * float(value.abs().max()) + 1e-14, name
