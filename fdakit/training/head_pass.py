"""What follows the towers, on all pairs of a batch: aggregator, matcher and objectives.

Every rank computes it whole, as one process would; of objectives over pairs each takes its own pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from fdakit.features import PairFeatures
from fdakit.inference.factory import WeightedObjective
from fdakit.model.retriever import Retriever
from fdakit.random_keys import keyed_seed
from fdakit.system.devices import autocast, seed_draws
from fdakit.system.ranks import Ranks

from .gathered_features import Features
from .pair_losses import PairLosses, is_over_pairs
from .shares import SharedBatch
from .step_losses import StepLosses, objective_losses, step_losses

Losses = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Judgement:
    """The losses of a batch, and the features they are of.

    `losses.total` has the gradient of all objectives but those `over_pairs`, whose losses it counts without.
    """

    losses: StepLosses
    pairs: PairFeatures
    over_pairs: PairLosses | None = None


class HeadPass:
    """Judges the features of whole batches."""

    def __init__(
        self,
        retriever: Retriever,
        objectives: Sequence[WeightedObjective],
        *,
        device: torch.device,
        precision: str,
        seed: int,
        ranks: Ranks,
    ) -> None:
        self._retriever, self._objectives = retriever, objectives
        self._device, self._precision = device, precision
        self._seed, self._ranks = seed, ranks

    def __call__(self, features: Features, shared: SharedBatch, step: int, *, in_parts: bool) -> Judgement:
        """Return the judgement of a batch; `in_parts` if objectives over pairs are taken chunk by chunk.

        Draws are keyed by the step, and for objectives by their place and chunk.
        """
        frames, texts = features
        seed_draws(keyed_seed(self._seed, "aggregator", step), self._device)
        with autocast(self._device, self._precision):
            videos = self._retriever.aggregate(frames)
        pairs = PairFeatures(frames, videos, texts, shared.whole, self._retriever.scores)

        def judge(objective: WeightedObjective, place: int, some: PairFeatures, chunk: int) -> Losses:
            seed_draws(keyed_seed(self._seed, "objective", place, step, chunk), self._device)
            with autocast(self._device, self._precision):
                return objective_losses(objective, some, where=f"at step {step}")

        alone = [(k, one) for k, one in enumerate(self._objectives) if in_parts and is_over_pairs(one)]
        parts = PairLosses(judge, alone, pairs, shared.chunks, ranks=self._ranks) if alone else None
        known = parts.values if parts else {}
        losses = step_losses(
            self._objectives,
            lambda place, one: known[place] if place in known else judge(one, place, pairs, 0),
            device=self._device,
        )
        return Judgement(losses, pairs, parts)
