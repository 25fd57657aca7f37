"""Objectives over pairs, taken in parts: each rank has its own pairs, chunk by chunk.

A part's mean counts in the whole by what it is over, pairs or tokens (`fdakit.plugin.OverPairs`). Each part is judged
twice, first without gradient, so that the activations of one alone are held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import torch

from fdakit.errors import attribute_errors
from fdakit.features import PairFeatures
from fdakit.inference.factory import WeightedObjective
from fdakit.plugin.abilities import OverPairs
from fdakit.system.ranks import Ranks

from .shares import Chunk

Losses = Mapping[str, torch.Tensor]
Judge = Callable[[WeightedObjective, int, PairFeatures, int], Losses]
"""Gives an objective's losses of some pairs, from its place among all and the number of their chunk."""


def is_over_pairs(objective: WeightedObjective) -> bool:
    """Return whether an objective is a mean over pairs."""
    return isinstance(objective.part, OverPairs) and objective.part.over == "pairs"


class PairLosses:
    """The losses of objectives over pairs of one batch, of which `chunks` are this rank's.

    `objectives` come with their place among all; `values` are the losses of the whole batch by place, without
    gradient.
    """

    def __init__(
        self,
        judge: Judge,
        objectives: Sequence[tuple[int, WeightedObjective]],
        pairs: PairFeatures,
        chunks: Sequence[Chunk],
        *,
        ranks: Ranks,
    ) -> None:
        self._judge, self._objectives, self._chunks, self._ranks = judge, objectives, chunks, ranks
        self._vectors = pairs.videos.vectors.detach().requires_grad_()
        self._pairs = replace(pairs, videos=replace(pairs.videos, vectors=self._vectors))
        self._shares: dict[int, list[torch.Tensor]] = {}  # of each chunk in the whole, by place
        with torch.no_grad():
            self.values = {place: self._value(place, one) for place, one in objectives}

    def backward(self, scale: float | torch.Tensor) -> torch.Tensor:
        """Add `scale` times the gradients of this rank's pairs to weights and features, the aggregator's left out.

        Return the gradient of the aggregated vectors of all videos, 0 for those of other ranks' pairs.
        """
        for place, objective in self._objectives:
            for share, losses in zip(self._shares[place], self._judged(place, objective), strict=True):
                total = sum(losses.values(), torch.zeros((), device=share.device))
                if total.requires_grad:
                    (scale * objective.weight * share * total).backward()  # type: ignore[no-untyped-call]
        found = self._vectors.grad
        return torch.zeros_like(self._vectors) if found is None else found

    def _value(self, place: int, objective: WeightedObjective) -> Losses:
        """Return the losses of the whole batch."""
        counts = [self._count(objective, rows, chunk) for rows, chunk in self._parts()]
        (total,) = self._added([sum(counts, self._vectors.new_zeros(()))])
        self._shares[place] = [count / total for count in counts]
        own: dict[str, torch.Tensor] = {}
        for share, losses in zip(self._shares[place], self._judged(place, objective), strict=True):
            for name, loss in losses.items():
                own[name] = own.get(name, torch.zeros_like(loss)) + share * loss
        told = self._ranks.objects([(name, str(loss.dtype)) for name, loss in own.items()])
        names = dict(named for found in told for named in found)  # a rank without pairs knows none
        zero = {name: torch.zeros((), dtype=getattr(torch, kind[6:])) for name, kind in names.items()}
        values = [own.get(name, zero[name].to(self._vectors.device)) for name in names]
        return dict(zip(names, self._added(values), strict=True))

    def _count(self, objective: WeightedObjective, pairs: PairFeatures, chunk: Chunk) -> torch.Tensor:
        with attribute_errors(objective.label, "in count"):
            count = objective.part.count(pairs.texts, chunk.batch)  # type: ignore[attr-defined]
            return torch.as_tensor(count, device=self._vectors.device).to(self._vectors.dtype)

    def _judged(self, place: int, objective: WeightedObjective) -> Iterator[Losses]:
        for pairs, chunk in self._parts():
            yield self._judge(objective, place, pairs, chunk.number)

    def _parts(self) -> Iterator[tuple[PairFeatures, Chunk]]:
        whole = self._pairs
        for chunk in self._chunks:
            frames, videos = (features.rows(chunk.rows) for features in (whole.frames, whole.videos))
            yield PairFeatures(frames, videos, whole.texts.rows(chunk.rows), chunk.batch, whole.match), chunk

    def _added(self, values: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        found = [value.clone() for value in values]
        self._ranks.add_up(found)
        return found
