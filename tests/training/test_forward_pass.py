"""Chunks of a batch on one rank or several: gradients of every weight as of the whole, in double precision."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from fdakit import RecipeError
from fdakit.data_pipeline.collate import LoadedBatch
from fdakit.features import ClipBatch, PairFeatures, TextFeatures, VideoFeatures
from fdakit.inference.factory import WeightedObjective, build_objectives, build_retriever
from fdakit.inference.observers import ObserverGroup
from fdakit.plugin import Split
from fdakit.recipe.recipe import Recipe
from fdakit.settings import TrainSettings
from fdakit.system.ranks import Ranks
from fdakit.testing.thread_ranks import on_ranks
from fdakit.training.forward_pass import Forward
from fdakit.training.freezing import check_chunks, warn_of_blocked
from fdakit.training.shares import SharedBatch, Shares, share
from fdakit.training.trainer import Trainer

CPU = torch.device("cpu")
PAIRS = 11
WORDS = [f"{'a ' * (1 + k % 3)}caption {k}" for k in range(PAIRS)]


class Towers(nn.Module):
    """Towers with dropout in double precision, and a learned mask; texts have tokens, clips uneven lengths."""

    mask = None

    def __init__(self, *, dropout: float, pool: nn.Module) -> None:
        super().__init__()
        self.image, self.words = nn.Linear(48, 8), nn.Embedding(64, 8)
        self.drop, self.aggregator = nn.Dropout(dropout), pool

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


def batch(places: Sequence[int] = range(PAIRS), *, start: int = 0) -> LoadedBatch:
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


def shared(micro_batch: int | None = None, *, ranks: Ranks | None = None, lost: Sequence[int] = ()) -> SharedBatch:
    """The batch as a rank has it, without the clips that could not be read."""
    ranks = ranks or Ranks()
    shares = Shares.of(PAIRS, micro_batch=micro_batch, ranks=ranks.size)
    own = range(PAIRS)[shares.places(ranks.rank)]
    return share(batch([k for k in own if k not in lost], start=own.start), shares, ranks)


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
) -> dict[str, torch.Tensor]:
    """The losses and the gradient of every weight after one step; `drawn` is the state of torch's own generator."""
    torch.manual_seed(1)
    towers = Towers(dropout=dropout, pool=POOLS[pool]()).double().train()
    parts: dict[str, Any] = {"contrast": Contrast(tokens=tokens).double()}
    if captions:
        parts["captions"] = Captioner(dropout=dropout).double()
        parts["captions"].share_words(towers)
    objectives = [WeightedObjective(part, 0.7 - k / 5, name, name) for k, (name, part) in enumerate(parts.items())]
    forward = Forward(cast(Any, towers), objectives, device=CPU, precision="fp32", seed=3, ranks=ranks)
    torch.manual_seed(drawn)
    done = forward(shared(micro_batch, ranks=ranks, lost=lost), step=5)
    done.backward()
    weights = {
        f"{name}.{n}": w for name, part in {"towers": towers, **parts}.items() for n, w in part.named_parameters()
    }
    found = {n: w.grad for n, w in weights.items() if w.grad is not None}
    return {"loss": done.losses.total.detach(), **done.losses.by_name} | found


def close(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        # a bias before a batch norm has a gradient that cancels out, of which rounding alone is left
        assert float((found[name] - value).abs().max()) <= 1e-10 * float(value.abs().max()) + 1e-14, name


@pytest.mark.parametrize("lost", [(), (0, 1, 2, 3), (5,)], ids=["none lost", "a rank's lost", "one lost"])
@pytest.mark.parametrize("captions", [False, True])
@pytest.mark.parametrize("pool", ["linear", "transformer", "batch norm"])
@pytest.mark.parametrize(("size", "micro_batch"), [(2, None), (2, 3), (4, None), (4, 1)])
def test_gradients_of_several_ranks_are_those_of_one(
    size: int, micro_batch: int | None, pool: str, captions: bool, lost: Sequence[int]
) -> None:
    wanted = gradients(pool, tokens=True, micro_batch=None, captions=captions, lost=lost)
    for found in on_ranks(
        size,
        lambda ranks: gradients(
            pool, tokens=True, micro_batch=micro_batch, captions=captions, lost=lost, ranks=ranks
        ),
    ):
        close(found, wanted)


@pytest.mark.parametrize("size", [2, 4])
def test_draws_do_not_depend_on_the_number_of_ranks(size: int) -> None:
    def drawn(ranks: Ranks) -> dict[str, torch.Tensor]:
        return gradients("dropout", tokens=True, micro_batch=2, dropout=0.3, captions=True, lost=(3,), ranks=ranks)

    wanted = drawn(Ranks())
    for found in on_ranks(size, drawn):
        close(found, wanted)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 10])
@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("pool", ["linear", "batch norm"])
def test_gradients_are_those_of_the_whole_batch(pool: str, tokens: bool, size: int) -> None:
    wanted = gradients(pool, tokens=tokens, micro_batch=None)
    close(gradients(pool, tokens=tokens, micro_batch=size), wanted)


@pytest.mark.parametrize("size", [11, 12, None])
def test_a_chunk_that_holds_all_pairs_is_the_whole_step(size: int | None) -> None:
    found, wanted = (gradients("dropout", tokens=True, micro_batch=k, dropout=0.3) for k in (size, None))
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_draws_are_those_of_the_chunk_whatever_was_drawn_before() -> None:
    first, again = (gradients("dropout", tokens=True, micro_batch=4, dropout=0.3, drawn=k) for k in (0, 7))
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = gradients("dropout", tokens=True, micro_batch=5, dropout=0.3)
    assert not torch.equal(first["towers.image.weight"], other["towers.image.weight"])


def test_the_second_pass_draws_what_the_first_one_did() -> None:
    """With dropout, the gradient of chunks is that of their own losses: by differences, as draws are keyed."""
    torch.manual_seed(1)
    towers = Towers(dropout=0.3, pool=POOLS["linear"]()).double().train()
    contrast = Contrast(tokens=True).double()
    objective = WeightedObjective(contrast, 1.0, "objective", "contrast")
    forward = Forward(cast(Any, towers), [objective], device=CPU, precision="fp32", seed=3)
    done = forward(shared(4), step=1)
    done.backward()
    weight, step = towers.image.weight, 1e-6
    assert weight.grad is not None
    for place in ((0, 0), (3, 7), (7, 40)):
        losses = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[place] += sign * step
            losses.append(float(forward(shared(4), step=1).losses.total.detach()))
            with torch.no_grad():
                weight[place] -= sign * step
        assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(float(weight.grad[place]), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize(
    ("broken", "kind"),
    [("image", "encoder"), ("words", "encoder"), ("aggregator", "aggregator"), ("scores", "matcher"), ("", "")],
)
def test_what_is_first_not_finite_is_told_by_the_kind_of_its_part(
    monkeypatch: pytest.MonkeyPatch, broken: str, kind: str
) -> None:
    towers = Towers(dropout=0.0, pool=POOLS["linear"]()).double()
    objective = WeightedObjective(Contrast(tokens=False).double(), float("nan"), "objective", "contrast")
    if broken == "scores":
        monkeypatch.setattr(towers, "scores", lambda texts, videos: torch.full((PAIRS, PAIRS), torch.inf))
    elif broken:
        torch.nn.init.constant_(next(getattr(towers, broken).parameters()), torch.nan)
    done = Forward(cast(Any, towers), [objective], device=CPU, precision="fp32")(shared(), step=1)
    assert not done.losses.total.isfinite()
    assert done.first_strange() == kind


def test_frozen_towers_are_left_alone() -> None:
    towers = Towers(dropout=0.0, pool=POOLS["linear"]()).double().train()
    for part in (towers.image, towers.words):
        part.requires_grad_(False)
    objective = WeightedObjective(Contrast(tokens=False).double(), 1.0, "objective", "contrast")
    forward = Forward(cast(Any, towers), [objective], device=CPU, precision="fp32", seed=3)
    forward(shared(4), step=1).backward()
    assert towers.image.weight.grad is None
    assert next(towers.aggregator.parameters()).grad is not None


@pytest.mark.integration
@pytest.mark.parametrize("parts", [{}, {"aggregator": {"use": "none"}, "matcher": {"use": "max-sim"}}])
def test_a_training_in_chunks_is_that_of_whole_batches(
    make_recipe: Callable[..., Recipe], split: Callable[..., Split], parts: dict[str, Any]
) -> None:
    names = ("red-across", "green-across", "blue-across", "blue-down", "yellow-down", "white-across", "pink-down")
    pairs = split(*((name, name.replace("-", " ")) for name in names), name="train")
    losses = []
    for size in (None, 2):
        recipe = make_recipe(
            **parts, train={"epochs": 4, "batch_size": 7, "micro_batch": size, "learning_rate": 1e-3}
        )
        retriever = build_retriever(recipe, device=CPU)
        objectives = build_objectives(recipe, retriever, CPU)
        trainer = Trainer.of(recipe, pairs, retriever, objectives, device=CPU, watchers=ObserverGroup())
        trainer.run(lambda trainer, epoch: {})
        losses.append([epoch["loss"] for epoch in trainer.history])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert losses[0][0] != losses[0][-1]


def test_a_batch_norm_that_trains_in_a_tower_is_refused_with_chunks() -> None:
    encoder = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    towers = nn.ModuleDict({"encoder": encoder, "aggregator": nn.BatchNorm1d(4)})
    chunks = TrainSettings(batch_size=8, micro_batch=4)
    with pytest.raises(RecipeError, match=r"train\.micro_batch: found 4, but encoder\.1 is a batch norm that trains"):
        check_chunks(towers, chunks)
    check_chunks(towers, TrainSettings(batch_size=8, micro_batch=8))
    check_chunks(towers, TrainSettings(batch_size=8))
    encoder.requires_grad_(False)
    check_chunks(towers, chunks)


@pytest.mark.parametrize("form", ["uint8", "unit"])
def test_a_fusion_that_no_gradient_can_reach_is_warned_of(form: str) -> None:
    labels = {"encoder": "encoder 'bytes' (mine)", "fusion": "fusion 'soft' (mine)"}
    parts = {"encoder": SimpleNamespace(pixel_form=form), "fusion": nn.Linear(2, 2), "mask": None}
    retriever: Any = SimpleNamespace(labels=labels, **parts)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        warn_of_blocked(retriever)
        assert len(told) == (form == "uint8")
        assert all(str(one.message).startswith("fusion 'soft' (mine): its weights stay as they are") for one in told)
        retriever.fusion.requires_grad_(False)
        warn_of_blocked(retriever)
        assert len(told) == (form == "uint8")
