"""The forward pass of a training step on any number of ranks and chunks, with a backward pass that is exact.

    towers (own pairs, in chunks) --> gather --> aggregator, matcher, objectives --> gradients of the features
       '<-- towers again, with the own rows of those gradients <------------------------------------'

What follows the gather sees the whole batch, as on one process without chunks: every negative counts, and an
aggregator with batch norm has the batch's statistics. The gathered features carry no gradient; each rank brings its
rows of theirs back into its towers, whose gradients are summed over ranks. With several chunks (`train.micro_batch`)
the towers run twice over their pairs, so that only one chunk's activations are held. Draws (dropout, patch dropout)
are keyed by seed, step and chunk: the second pass draws what the first one did.

Source of the chunks: Gao et al., *Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup*
(GradCache), arXiv 2101.06983.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from fdakit.data_pipeline.loaded_batch import LoadedBatch
from fdakit.errors import RankLostError
from fdakit.features import ClipBatch, PairFeatures, TextFeatures
from fdakit.inference.batch_alphas import batch_alphas
from fdakit.inference.factory import WeightedObjective
from fdakit.model.retriever import Retriever
from fdakit.random_keys import keyed_seed
from fdakit.system.devices import autocast, seed_draws
from fdakit.system.ranks import Ranks

from .gathered_features import Features, gather_features, graded
from .gradient_sums import add_gradients, copy_gradients, gradients_apart, sum_gradients
from .head_pass import HeadPass, Judgement
from .shares import Chunk, SharedBatch
from .step_losses import StepLosses
from .tower_sums import tower_sum

_HEADS = ("aggregator", "matcher")


@dataclass(frozen=True)
class ForwardPass:
    """What a batch gave: its losses, and the features they are of; `backward` brings gradients into every weight."""

    judged: Judgement
    forward: Forward
    replay: Replay | None = None

    @property
    def losses(self) -> StepLosses:
        """The losses of the whole batch."""
        return self.judged.losses

    @property
    def pairs(self) -> PairFeatures:
        """All pairs of the batch."""
        return self.judged.pairs

    @property
    def count(self) -> int:
        """The number of pairs."""
        return len(self.pairs.texts.vectors)

    @property
    def has_gradient(self) -> bool:
        """Whether any loss depends on a weight."""
        return self.losses.total.requires_grad or self.judged.over_pairs is not None

    @torch.no_grad()
    def finite(self) -> dict[str, torch.Tensor]:
        """Return whether all values on the way to the losses are finite, as a scalar by the kind of their part.

        In their order; what no objective asked for is left out. Nothing waits for the device.
        """
        pairs = self.pairs
        found = {
            "encoder": _all_finite(pairs.frames.vectors, pairs.frames.valid) & _all_finite(pairs.texts.vectors),
            "aggregator": _all_finite(pairs.videos.vectors, pairs.videos.valid),
        }
        return found | ({"matcher": _all_finite(pairs.scores)} if "scores" in vars(pairs) else {})

    def backward(self, scale: float | torch.Tensor = 1.0) -> None:
        """Add the gradient of the total, times `scale`, to every weight's."""
        if self.replay is None:
            (self.losses.total * scale).backward()  # type: ignore[no-untyped-call]
        else:
            self.forward.bring_back(self.judged, self.replay, scale)


@dataclass(frozen=True)
class Replay:
    """What the towers need for their gradients: the gathered features of all pairs, as leaves, and the own chunks.

    `kept` are the features of a single chunk with their graph; several chunks are encoded again.
    """

    leaves: Features
    chunks: Sequence[Chunk]
    step: int
    kept: Features | None


class Forward:
    """Runs batches through a retriever and its objectives, on all ranks at once."""

    def __init__(
        self,
        retriever: Retriever,
        objectives: Sequence[WeightedObjective],
        *,
        device: torch.device,
        precision: str,
        seed: int = 0,
        ranks: Ranks | None = None,
    ) -> None:
        self._retriever, self._device, self._precision, self._seed = retriever, device, precision, seed
        self._ranks = ranks or Ranks()
        self._judge = HeadPass(
            retriever, objectives, device=device, precision=precision, seed=seed, ranks=self._ranks
        )
        parts = dict(retriever.named_children())
        towers = {name: part for name, part in parts.items() if name not in _HEADS}
        self._towers = _trained(towers.values())
        self._sum = tower_sum(self._encode, self._towers, self._ranks, parts=towers)
        inside = {id(weight) for weight in self._towers}
        heads = [*(parts[name] for name in _HEADS if name in parts), *(one.part for one in objectives)]
        self._heads = [weight for weight in _trained(heads) if id(weight) not in inside]
        self._counted = [buffer for part in heads if isinstance(part, nn.Module) for buffer in part.buffers()]

    def __call__(self, shared: SharedBatch, *, step: int) -> ForwardPass:
        """Return the pass of a batch; `step`, from 1, keys the draws and is named in errors."""
        chunks = self._sum.begin(shared)
        single = len(chunks) == 1  # its activations are kept, and nothing is encoded twice
        with torch.set_grad_enabled(single):
            encoded = [self._sum.encode(chunk, step, last=single) for chunk in chunks]
        if single and self._ranks.size == 1:
            return ForwardPass(self._judge(encoded[0], shared, step, in_parts=False), self)
        own = [one for chunk, one in zip(chunks, encoded, strict=True) if not chunk.is_blank]
        leaves = gather_features(own, self._ranks)
        judged = self._judge(leaves, shared, step, in_parts=True)
        return ForwardPass(judged, self, Replay(leaves, chunks, step, encoded[0] if single else None))

    @contextmanager
    def step_or_nothing(self) -> Iterator[None]:
        """Put back what the heads counted in a step that another rank's end has interrupted."""
        kept = [buffer.clone() for buffer in self._counted] if self._ranks.size > 1 else []
        try:
            with self._ranks.losses_noticed():  # also while the norm of divided gradients is added up
                yield
        except RankLostError:
            with torch.no_grad():
                for buffer, before in zip(self._counted, kept, strict=True):
                    buffer.copy_(before)
            raise

    def _encode(self, chunk: Chunk, step: int) -> Features:
        seed_draws(keyed_seed(self._seed, "chunk", step, chunk.number), self._device)
        clips = ClipBatch.of(chunk.batch, self._device)
        (alpha,) = batch_alphas(self._retriever, chunk.batch, clips).values()
        with autocast(self._device, self._precision):
            videos = self._retriever.encode_videos(clips, alpha)
            return videos, self._encode_texts(chunk.batch)

    def _encode_texts(self, batch: LoadedBatch) -> TextFeatures:
        if batch.tokens:
            return self._retriever.encode_tokens(batch.tokens, len(batch.texts))
        return self._retriever.encode_texts(batch.texts)

    def bring_back(self, judged: Judgement, replay: Replay, scale: float | torch.Tensor) -> None:
        """Add the gradients of all pairs to every weight, on every rank the same."""
        to_vectors = self._pairs_backward(judged, scale)
        shared = any(weight.grad is not None for weight in self._towers)  # by an objective over pairs
        with gradients_apart(self._towers) as reached:  # by heads that share a weight: the same on all ranks
            _backward([judged.losses.total, judged.pairs.videos.vectors], [scale, to_vectors])
        copy_gradients(self._heads, self._ranks)
        for chunk in replay.chunks:
            last = chunk is replay.chunks[-1]
            features = replay.kept or self._sum.encode(chunk, replay.step, last=last)
            own = _own_gradients(features, replay.leaves, chunk, complete=self._sum.needs_all)
            with self._ranks.losses_noticed():
                _backward(*own)
        self._sum.finish(heads_reach=shared or any(grad is not None for grad in reached))
        add_gradients(self._towers, reached)

    def _pairs_backward(self, judged: Judgement, scale: float | torch.Tensor) -> torch.Tensor | None:
        """Add the gradients of objectives over pairs; return that of all videos' vectors, None without any."""
        if judged.over_pairs is None:
            return None
        to_vectors = judged.over_pairs.backward(scale)
        sum_gradients(self._heads, self._ranks)
        self._ranks.add_up([to_vectors])
        return to_vectors


def _all_finite(values: torch.Tensor, valid: torch.Tensor | None = None) -> torch.Tensor:
    """Return whether all values are, as a scalar bool; only those of vectors that are `valid (v, t)`, if given."""
    finite = values.isfinite()
    return (finite if valid is None else finite | ~valid.unsqueeze(-1)).all()


def _trained(parts: Iterable[object]) -> list[nn.Parameter]:
    """Return the weights that train, each once."""
    weights = [weight for part in parts if isinstance(part, nn.Module) for weight in part.parameters()]
    return list({id(weight): weight for weight in weights if weight.requires_grad}.values())


def _own_gradients(
    features: Features, leaves: Features, chunk: Chunk, *, complete: bool
) -> tuple[list[torch.Tensor], list[torch.Tensor | None]]:
    """Return the features of a chunk and their rows of the leaves' gradients, cut to their own lengths.

    Those of a blank chunk are 0. If they are to be `complete`, features that nothing depends on have a gradient of 0.
    """
    made: list[torch.Tensor] = []
    grads: list[torch.Tensor | None] = []
    for one, leaf in zip(graded(features), graded(leaves), strict=True):
        if one is not None and leaf is not None:
            made.append(one)
            grads.append(_rows_of(leaf.grad, one, chunk) if leaf.grad is not None else None)
            if complete and grads[-1] is None:
                grads[-1] = torch.zeros_like(one)
    return made, grads


def _rows_of(grad: torch.Tensor, like: torch.Tensor, chunk: Chunk) -> torch.Tensor:
    if chunk.is_blank:
        return torch.zeros_like(like)
    return grad[chunk.rows][tuple(slice(0, size) for size in like.shape)]


def _backward(values: Sequence[torch.Tensor], grads: Sequence[float | torch.Tensor | None]) -> None:
    """Add the gradients of several values, given theirs; what has no gradient or is given none is left out."""
    chosen = [
        (value, grad.to(value.dtype) if isinstance(grad, torch.Tensor) else torch.full_like(value, grad))
        for value, grad in zip(values, grads, strict=True)
        if value.requires_grad and grad is not None
    ]
    if chosen:
        torch.autograd.backward([value for value, _ in chosen], [grad for _, grad in chosen])
