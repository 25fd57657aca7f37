"""The forward pass of a training step, whole or in chunks, with a backward pass that is exact either way.

In chunks (`train.micro_batch`) the towers run twice over their pairs, so that only one chunk's activations are held:

1. each chunk is encoded without gradient, and its features are joined with the others';
2. aggregator, matcher and objectives see the whole batch, as if there were no chunks, and give the gradient of the
   joined features;
3. each chunk is encoded again, and its rows of that gradient go back into its towers.

So every negative of the batch counts, and an aggregator with batch norm has the batch's statistics. Draws (dropout,
patch dropout) are keyed by seed, step and chunk: the second pass draws what the first one did. Source: Gao et al.,
*Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup* (GradCache), arXiv 2101.06983.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from fdakit.data_pipeline.collate import LoadedBatch, rows_of
from fdakit.features import ClipBatch, PairFeatures, TextFeatures, VideoFeatures
from fdakit.inference.batch_alphas import batch_alphas
from fdakit.inference.factory import WeightedObjective
from fdakit.model.retriever import Retriever
from fdakit.random_keys import keyed_seed
from fdakit.system.devices import autocast

from .step_losses import StepLosses, step_losses

Features = tuple[VideoFeatures, TextFeatures]


@dataclass(frozen=True)
class ForwardPass:
    """What a batch gave: its losses, and the features they are of; `replay` brings gradients into the towers."""

    losses: StepLosses
    pairs: PairFeatures
    replay: Callable[[], None] | None = None

    @property
    def count(self) -> int:
        """The number of pairs."""
        return len(self.pairs.texts.vectors)

    def first_strange(self) -> str:
        """Return what is first not finite on the way to the losses, by the kind of its part; "" if only they are."""
        pairs = self.pairs
        values = {
            "encoder": (pairs.frames.vectors[pairs.frames.valid], pairs.texts.vectors),
            "aggregator": (pairs.videos.vectors[pairs.videos.valid],),
            "matcher": (pairs.scores,),
        }
        strange = (kind for kind, found in values.items() if not all(bool(one.isfinite().all()) for one in found))
        return next(strange, "")

    def backward(self) -> None:
        """Add the gradient of the total to every weight's."""
        self.losses.total.backward()  # type: ignore[no-untyped-call]
        if self.replay is not None:
            self.replay()


class Forward:
    """Runs batches through a retriever and its objectives; `micro_batch` pairs at a time, None for all at once."""

    def __init__(
        self,
        retriever: Retriever,
        objectives: Sequence[WeightedObjective],
        *,
        device: torch.device,
        precision: str,
        micro_batch: int | None = None,
        seed: int = 0,
    ) -> None:
        self._retriever, self._objectives = retriever, objectives
        self._device, self._precision = device, precision
        self._micro_batch, self._seed = micro_batch, seed

    def __call__(self, batch: LoadedBatch, *, step: int) -> ForwardPass:
        """Return the pass of a batch; `step`, from 1, keys the draws of chunks and is named in errors."""
        size = self._micro_batch
        if size is None or size >= len(batch.ids):
            return self._judge(self._encode(batch), batch, step)
        chunks = [rows_of(batch, slice(k, k + size)) for k in range(0, len(batch.ids), size)]
        with torch.no_grad():
            parts = [self._encode_chunk(chunk, step, place) for place, chunk in enumerate(chunks)]
        leaves = _leaves(parts)
        torch.manual_seed(keyed_seed(self._seed, "heads", step))
        judged = self._judge(leaves, batch, step)
        return replace(judged, replay=lambda: self._replay(chunks, leaves, step))

    def _encode(self, batch: LoadedBatch) -> Features:
        clips = ClipBatch.of(batch, self._device)
        (alpha,) = batch_alphas(self._retriever, batch, clips).values()
        with autocast(self._device, self._precision):
            return self._retriever.encode_videos(clips, alpha), self._retriever.encode_texts(batch.texts)

    def _encode_chunk(self, chunk: LoadedBatch, step: int, place: int) -> Features:
        torch.manual_seed(keyed_seed(self._seed, "chunk", step, place))
        return self._encode(chunk)

    def _judge(self, features: Features, batch: LoadedBatch, step: int) -> ForwardPass:
        """Return what follows the towers, on all pairs of a batch."""
        frames, texts = features
        with autocast(self._device, self._precision):
            videos = self._retriever.aggregate(frames)
            pairs = PairFeatures(frames, videos, texts, batch, self._retriever.scores)
            losses = step_losses(self._objectives, pairs, where=f"at step {step}")
        return ForwardPass(losses, pairs)

    def _replay(self, chunks: Sequence[LoadedBatch], leaves: Features, step: int) -> None:
        start = 0
        for place, chunk in enumerate(chunks):
            rows = slice(start, start := start + len(chunk.ids))
            encoded = self._encode_chunk(chunk, step, place)
            pairs = [
                (made, leaf.grad[rows][tuple(slice(0, size) for size in made.shape)])
                for made, leaf in zip(_graded(encoded), _graded(leaves), strict=True)
                if made is not None and leaf is not None and leaf.grad is not None and made.requires_grad
            ]
            if pairs:
                torch.autograd.backward([made for made, _ in pairs], [grad for _, grad in pairs])


def _leaves(parts: Sequence[Features]) -> Features:
    """Return the features of all chunks, joined, as leaves that collect gradient."""
    frames, texts = VideoFeatures.cat([f for f, _ in parts]), TextFeatures.cat([t for _, t in parts])
    for leaf in _graded((frames, texts)):
        if leaf is not None:
            leaf.requires_grad_()
    return frames, texts


def _graded(features: Features) -> Iterator[torch.Tensor | None]:
    """Yield the values through which gradient reaches the towers and a learned mask."""
    frames, texts = features
    yield from (frames.vectors, frames.coverage, texts.vectors, texts.tokens)
