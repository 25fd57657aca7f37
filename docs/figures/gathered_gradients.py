"""Print what gathered contrastive losses do to gradients, over those of one process with the whole batch.

    torchrun --nproc-per-node 2 docs/figures/gathered_gradients.py

Each process has its share of one batch, in double precision. `ratio` is the length of a group's gradient along that
of one process over that one's length, `cosine` the cosine of both: 1 and 1 is the same gradient. open_clip's losses
are its own; the gather of CLIP4Clip and X-CLIP, whose backward pass hands on a process's own slice of the gradient,
is written anew here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, cast

import open_clip
import torch
import torch.distributed as dist
from open_clip.loss import ClipLoss
from torch import nn
from torch.nn.functional import cross_entropy, normalize
from torch.nn.parallel import DistributedDataParallel

from fdakit.data_pipeline.loaded_batch import LoadedBatch
from fdakit.features import ClipBatch, PairFeatures, TextFeatures, VideoFeatures
from fdakit.inference.factory import WeightedObjective
from fdakit.system.process_ranks import connected_ranks
from fdakit.system.ranks import Ranks
from fdakit.training.forward_pass import Forward
from fdakit.training.shares import Shares, share

PAIRS, SIDE, TOKENS, WORDS = 16, 32, 8, 50
CHUNKS = 4
CPU = torch.device("cpu")


class Towers(nn.Module):
    """A small CLIP of open_clip, and a scale, as a model with a gathered loss has them."""

    mask = None

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        vision = {"image_size": SIDE, "layers": 2, "width": 64, "head_width": 16, "patch_size": 8}
        text = {"context_length": TOKENS, "vocab_size": WORDS, "width": 64, "heads": 4, "layers": 2}
        self.clip = open_clip.CLIP(32, cast(Any, vision), cast(Any, text))
        self.clip.logit_scale.requires_grad_(False)
        self.scale = nn.Parameter(torch.tensor(3.0))
        self.double()

    def forward(self, frames: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        pictures, words = self.clip.encode_image(frames[:, 0].double() / 255), self.clip.encode_text(ids)
        return normalize(pictures, dim=-1), normalize(words, dim=-1), self.scale.exp()

    # As a retriever of fdakit:

    def encode_videos(self, clips: ClipBatch, alpha: torch.Tensor) -> VideoFeatures:
        pictures = self.clip.encode_image(clips.frames[:, 0].double() / 255)
        return VideoFeatures(pictures.unsqueeze(1), clips.valid)

    def encode_texts(self, texts: Sequence[str], role: str = "query") -> TextFeatures:
        return TextFeatures(self.clip.encode_text(ids_of(texts)))

    def aggregate(self, features: VideoFeatures) -> VideoFeatures:
        return features

    def scores(self, texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
        return normalize(texts.vectors, dim=-1) @ normalize(videos.vector, dim=-1).T


class Contrast(nn.Module):
    """The symmetric loss over the batch, with the scale of the towers."""

    def __init__(self, scale: nn.Parameter) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, pairs: PairFeatures) -> dict[str, torch.Tensor]:
        return {"contrast": symmetric(self.scale.exp() * pairs.scores)}


class OwnSlice(torch.autograd.Function):
    """A gather whose backward pass returns the own rows of the gradient."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor) -> torch.Tensor:
        found = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        dist.all_gather(found, rows)
        ctx.count = len(rows)
        return torch.cat(found)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        start = ctx.count * dist.get_rank()
        return grad[start : start + ctx.count]


def symmetric(logits: torch.Tensor) -> torch.Tensor:
    target = torch.arange(len(logits))
    return (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2


def own_slice_loss(pictures: torch.Tensor, words: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    every = [cast(torch.Tensor, OwnSlice.apply(one)) for one in (pictures, words)]
    return symmetric(scale * every[1] @ every[0].T)


def ids_of(texts: Sequence[str]) -> torch.Tensor:
    return torch.tensor([[int(word) for word in text.split()] for text in texts])


def batch(rows: slice) -> tuple[torch.Tensor, list[str]]:
    draw = torch.Generator().manual_seed(7)
    frames = torch.randint(0, 256, (PAIRS, 1, 3, SIDE, SIDE), generator=draw, dtype=torch.uint8)
    ids = torch.randint(1, WORDS - 1, (PAIRS, TOKENS), generator=draw)
    ids[:, -1] = WORDS - 1
    return frames[rows], [" ".join(map(str, row)) for row in ids[rows].tolist()]


def whole_gradients() -> dict[str, torch.Tensor]:
    towers = Towers()
    frames, texts = batch(slice(None))
    ClipLoss()(*towers(frames, ids_of(texts))).backward()
    return gradients(towers)


def gradients(towers: nn.Module) -> dict[str, torch.Tensor]:
    found = {name.removeprefix("module."): weight.grad for name, weight in towers.named_parameters()}
    return {name: grad for name, grad in found.items() if grad is not None}


def replicated(loss: Callable[..., torch.Tensor], rows: slice) -> dict[str, torch.Tensor]:
    """The gradients under DDP, the loss computed by its forward pass's outputs."""
    towers = DistributedDataParallel(Towers())
    frames, texts = batch(rows)
    loss(*towers(frames, ids_of(texts))).backward()
    return gradients(towers)


def accumulated() -> dict[str, torch.Tensor]:
    """open_clip's `--accum-freq` on one process: the loss of the whole batch once a chunk, others' features kept."""
    towers = Towers()
    frames, texts = batch(slice(None))
    chunks = [slice(k, k + PAIRS // CHUNKS) for k in range(0, PAIRS, PAIRS // CHUNKS)]
    parts = [(frames[rows], ids_of(texts[rows])) for rows in chunks]
    with torch.no_grad():
        kept = [towers(*part) for part in parts]
    for place, part in enumerate(parts):
        pictures, words, scale = towers(*part)
        made = {place: (pictures, words)}
        joined = [torch.cat([made.get(k, kept[k])[kind] for k in range(CHUNKS)]) for kind in (0, 1)]
        ClipLoss()(*joined, scale).backward()
    return gradients(towers)


def of_fdakit(ranks: Ranks, micro_batch: int | None) -> dict[str, torch.Tensor]:
    towers = Towers()
    shares = Shares.of(PAIRS, micro_batch=micro_batch, ranks=ranks.size)
    rows = shares.places(ranks.rank)
    frames, texts = batch(rows)
    count = len(texts)
    alpha, valid = torch.ones(count, 1, 1, SIDE, SIDE), torch.ones(count, 1, dtype=torch.bool)
    own = LoadedBatch(tuple(texts), frames, {"none": alpha}, valid, torch.zeros(count, 1), tuple(texts))
    objective = WeightedObjective(Contrast(towers.scale), 1.0, "contrast", "contrast")
    forward = Forward(cast(Any, towers), [objective], device=CPU, precision="fp32", ranks=ranks)
    forward(share(own, shares, ranks), step=1).backward()
    return gradients(towers)


def rows_of_table(ranks: Ranks) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    """Yield every way of training, with its gradients; all ranks compute all of them."""
    rank, size = ranks.rank, ranks.size
    rows = slice(rank * PAIRS // size, (rank + 1) * PAIRS // size)
    clip_loss = partial(ClipLoss, rank=rank, world_size=size)
    yield "open_clip, default", replicated(clip_loss(local_loss=False, gather_with_grad=False), rows)
    yield "open_clip `--local-loss`", replicated(clip_loss(local_loss=True, gather_with_grad=False), rows)
    yield "open_clip `--gather-with-grad`", replicated(clip_loss(local_loss=False, gather_with_grad=True), rows)
    yield "open_clip, both", replicated(clip_loss(local_loss=True, gather_with_grad=True), rows)
    yield "CLIP4Clip, X-CLIP", replicated(own_slice_loss, rows)
    yield f"open_clip `--accum-freq {CHUNKS}`, one process", accumulated()
    yield "fdakit", of_fdakit(ranks, None)
    yield f"fdakit, chunks of {PAIRS // CHUNKS // 2}", of_fdakit(ranks, PAIRS // CHUNKS // 2)


def cells(found: dict[str, torch.Tensor], truth: dict[str, torch.Tensor]) -> Iterator[str]:
    """Yield ratio and cosine of both encoders, and the ratio of the scale."""
    for group in ("visual", "text"):
        chosen = [name for name in truth if name != "scale" and ("visual" in name) == (group == "visual")]
        own, whole = (torch.cat([grads[name].flatten() for name in chosen]) for grads in (found, truth))
        yield f"{float(own @ whole / (whole @ whole)):.6f}"
        yield f"{float(own @ whole / own.norm() / whole.norm()):.6f}"
    yield f"{float(found['scale'] / truth['scale']):.6f}"


def main() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with connected_ranks(CPU) as ranks:
        truth = whole_gradients()
        table = [(name, list(cells(found, truth))) for name, found in rows_of_table(ranks)]
        if ranks.leads:
            print("| way of training | visual: ratio | cosine | text: ratio | cosine | scale: ratio |")
            print("|---|---|---|---|---|---|")
            for name, values in table:
                print(f"| {name} | {' | '.join(values)} |")


if __name__ == "__main__":
    main()
