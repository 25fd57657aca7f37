"""The trial of the exact step: gradients of every weight on several ranks and chunks beside one process, one chunk.

fdakit's own encoder, fusion, aggregator, matcher and objective, and a captioner over pairs, in double precision.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import Any, cast

import pytest
import torch
from helpers.exact_steps import Captioner
from torch import nn

from fdakit.data_pipeline.loaded_batch import LoadedBatch
from fdakit.inference.factory import WeightedObjective, build_objectives, build_retriever
from fdakit.model.pixel_forms import to_form
from fdakit.model.retriever import Retriever
from fdakit.plugin import Gives, PairFeatures, TextFeatures, VideoFeatures
from fdakit.recipe.recipe import Recipe
from fdakit.system.ranks import Ranks
from fdakit.testing.thread_ranks import on_ranks
from fdakit.training.forward_pass import Forward
from fdakit.training.shares import Shares, share

CPU = torch.device("cpu")
PAIRS, FRAMES, WIDTH = 12, 4, 32
Parts = tuple[Retriever, tuple[WeightedObjective, ...]]
Gradients = dict[str, torch.Tensor]


class Temporal(nn.Module):
    """A transformer over frames; with `norm` a batch norm over the batch behind it."""

    gives: Gives = "vector"

    def __init__(self, *, norm: bool, dropout: float) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(WIDTH, 4, 64, dropout=dropout, batch_first=True)
        self.norm = nn.BatchNorm1d(WIDTH) if norm else nn.Identity()

    def forward(self, features: VideoFeatures) -> VideoFeatures:
        seen = self.layer(features.vectors, src_key_padding_mask=~features.valid)
        weights = features.valid.unsqueeze(-1).to(seen.dtype)
        return VideoFeatures.of_clips(self.norm((seen * weights).sum(1) / weights.sum(1)))


class Words(Captioner):
    """The captioner with embeddings of its own."""

    def __init__(self, *, dropout: float) -> None:
        super().__init__(dropout=dropout)
        self.own, self.out = nn.Embedding(4096, WIDTH), nn.Linear(WIDTH, 64)

    def count(self, texts: TextFeatures, batch: Any) -> torch.Tensor:
        return (cast(torch.Tensor, texts.ids) > 0).sum()

    def forward(self, pairs: PairFeatures) -> dict[str, torch.Tensor]:
        ids = cast(torch.Tensor, pairs.texts.ids)
        seen = pairs.frames.vectors.sum(1) + pairs.videos.vector
        logits = self.out(self.drop(self.own(ids)) + seen.unsqueeze(1))
        losses = nn.functional.cross_entropy(logits.flatten(0, 1), ids.flatten() % 64, reduction="none")
        return {"words": (losses * (ids.flatten() > 0)).sum() / (ids > 0).sum()}


def build(recipe: Recipe, aggregator: str, *, captions: bool, dropout: float, dtype: torch.dtype) -> Parts:
    torch.manual_seed(recipe.seed)
    retriever = build_retriever(recipe, device=CPU)
    for weight in cast(nn.Module, retriever.fusion).parameters():
        nn.init.normal_(weight, std=0.02)
    if dropout:
        for block in cast(Any, retriever.encoder).clip.visual.transformer.resblocks:
            block.mlp.add_module("drop", nn.Dropout(dropout))
    torch.manual_seed(7)
    if aggregator != "mean":
        retriever.aggregator = Temporal(norm=aggregator == "batch norm", dropout=dropout)
    objectives = build_objectives(recipe, retriever, CPU)
    if captions:
        words: Any = Words(dropout=dropout)
        objectives = (*objectives, WeightedObjective(words, 0.5, "objective 'words'", "words"))
    for part in (retriever, *(one.part for one in objectives)):
        cast(nn.Module, part).to(dtype).train()
    return retriever, objectives


def loaded(places: Sequence[int], *, start: int, number: int, dtype: torch.dtype) -> LoadedBatch:
    draw = torch.Generator().manual_seed(number)
    frames = torch.randint(0, 256, (PAIRS, FRAMES, 3, 32, 32), generator=draw, dtype=torch.uint8)
    alpha = torch.rand(PAIRS, FRAMES, 1, 32, 32, generator=draw).to(dtype)
    valid = torch.arange(FRAMES)[None] < torch.randint(1, FRAMES + 1, (PAIRS, 1), generator=draw)
    texts = [" ".join(["a clip"] * (1 + k % 3) + [f"number {k}"]) for k in range(PAIRS)]
    k = list(places)
    ids = tuple(map(str, k))
    told = tuple(texts[place] for place in k)
    return LoadedBatch(
        ids,
        frames[k],
        {"none": alpha[k]},
        valid[k],
        torch.zeros(len(k), FRAMES),
        told,
        places=tuple(p - start for p in k),
    )


def run(
    make: Callable[[], Parts], ranks: Ranks, *, micro_batch: int | None, lost: Sequence[int] = (), steps: int = 1
) -> tuple[list[float], Gradients]:
    """The losses of some steps of AdamW with a limited norm, and the gradients of the first."""
    retriever, objectives = make()
    forward = Forward(retriever, objectives, device=CPU, precision="fp32", seed=3, ranks=ranks)
    modules = nn.ModuleList([retriever, *(cast(nn.Module, one.part) for one in objectives)])
    weights = {name: weight for name, weight in modules.named_parameters() if weight.requires_grad}
    optimiser = torch.optim.AdamW(weights.values(), lr=1e-4)
    dtype = next(iter(weights.values())).dtype
    losses: list[float] = []
    first: Gradients = {}
    for step in range(1, steps + 1):
        shares = Shares.of(PAIRS, micro_batch=micro_batch, ranks=ranks.size)
        own = range(PAIRS)[shares.places(ranks.rank)]
        batch = loaded([k for k in own if k not in lost], start=own.start, number=step, dtype=dtype)
        optimiser.zero_grad(set_to_none=True)
        done = forward(share(batch, shares, ranks), step=step)
        done.backward()
        losses.append(float(done.losses.total.detach()))
        first = first or {name: weight.grad.clone() for name, weight in weights.items() if weight.grad is not None}
        nn.utils.clip_grad_norm_(list(weights.values()), 1.0)
        optimiser.step()
    return losses, first


def worst(found: Gradients, wanted: Gradients) -> float:
    """The largest difference in a weight's gradient over its largest; those of which rounding alone is left pass."""
    assert found.keys() == wanted.keys()
    peaks = {name: float(value.abs().max()) for name, value in wanted.items()}
    floor = 1e-12 * max(peaks.values())
    return max(float((found[name] - wanted[name]).abs().max()) / peaks[name] for name in found if peaks[name] > floor)


@pytest.fixture
def exact_recipe(make_recipe: Callable[..., Recipe]) -> Recipe:
    encoder = {"use": "tiny", "image_size": 32, "width": 64, "layers": 2, "text_layers": 1, "embedding": WIDTH}
    return make_recipe(encoder=encoder, fusion={"use": "alpha-conv"})


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep in double precision what fdakit computes in float32 at least."""
    monkeypatch.setattr(torch.Tensor, "float", lambda self: self.double())
    monkeypatch.setattr("fdakit.model.pixel_forms.to_form", lambda *given: to_form(*given).double())


AGGREGATORS = ("mean", "transformer", "batch norm")
LOST = {"none": (), "one": (5,), "a rank's": tuple(range(PAIRS // 2))}
SHORT = [(2, 2, "batch norm", True, "one")]
FULL = list(product((1, 2, 4), (None, 1, 2, 5), AGGREGATORS, (False, True), LOST))


@pytest.mark.integration
@pytest.mark.parametrize(
    "cases", [pytest.param(SHORT, id="short"), pytest.param(FULL, id="full", marks=pytest.mark.proof)]
)
def test_gradients_are_those_of_one_process_and_one_chunk(
    exact_recipe: Recipe, double: None, cases: list[tuple[int, int | None, str, bool, str]]
) -> None:
    found: dict[tuple[str, bool], dict[tuple[int, str], float]] = defaultdict(dict)
    scales = []
    for size, micro_batch, aggregator, captions, lost in cases:
        make = partial(build, exact_recipe, aggregator, captions=captions, dropout=0.0, dtype=torch.float64)

        (loss,), wanted = run(make, Ranks(), micro_batch=None, lost=LOST[lost])
        for losses, gradients in on_ranks(size, partial(run, make, micro_batch=micro_batch, lost=LOST[lost])):
            error = worst(gradients, wanted)
            assert error <= 1e-10, (size, micro_batch, aggregator, captions, lost)
            assert losses == pytest.approx([loss], rel=1e-12)
            (scale,) = (name for name in wanted if name.endswith("logit_scale"))
            scales.append(float(gradients[scale] / wanted[scale]))
            row = found[aggregator, captions]
            row[size, lost] = max(row.get((size, lost), 0.0), error)
    assert scales == pytest.approx([1.0] * len(scales), rel=1e-10)
    for (aggregator, captions), row in found.items():
        title = f"{aggregator}, {'contrastive + captions' if captions else 'contrastive'}"
        print(
            f"{title:38s}",
            *(f"{size} ranks, {lost} lost: {error:.0e}" for (size, lost), error in row.items()),
            sep=" | ",
        )
    print(f"{len(cases)} cases; gradient of the logit scale: {min(scales):.12f} to {max(scales):.12f} of one process")


@pytest.mark.integration
@pytest.mark.parametrize(
    "sizes", [pytest.param((2,), id="two"), pytest.param((1, 2, 3), id="three", marks=pytest.mark.proof)]
)
def test_draws_are_those_of_one_process_with_the_same_chunks(
    exact_recipe: Recipe, double: None, sizes: Sequence[int]
) -> None:
    make = partial(build, exact_recipe, "transformer", captions=True, dropout=0.3, dtype=torch.float64)

    _, wanted = run(make, Ranks(), micro_batch=2, lost=(5,))
    for size in sizes:
        for _, found in on_ranks(size, partial(run, make, micro_batch=2, lost=(5,))):
            error = worst(found, wanted)
            assert error <= 1e-10
        print(f"dropout 0.3, 6 chunks on {size} ranks: {error:.0e}")


@pytest.mark.integration
@pytest.mark.parametrize(
    "steps", [pytest.param(3, id="three"), pytest.param(20, id="twenty", marks=pytest.mark.proof)]
)
def test_losses_in_single_precision_follow_those_of_one_process(exact_recipe: Recipe, steps: int) -> None:
    make = partial(build, exact_recipe, "mean", captions=True, dropout=0.0, dtype=torch.float32)

    wanted, _ = run(make, Ranks(), micro_batch=None, steps=steps)
    for size, micro_batch in ((1, 3), (2, 3), (4, None)):
        for losses, _ in on_ranks(size, partial(run, make, micro_batch=micro_batch, steps=steps)):
            error = max(abs(a - b) / abs(b) for a, b in zip(losses, wanted, strict=True))
            assert error <= 1e-6, (size, micro_batch)
        print(f"{steps} steps in float32, {size} ranks, chunks of {micro_batch or PAIRS // size}: losses {error:.0e}")
    assert wanted[0] != wanted[-1]
