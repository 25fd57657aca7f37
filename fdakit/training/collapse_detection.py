"""Signs that a training learns nothing: a loss that stays at chance, nearly equal embeddings of different videos.

Chance is stated by an objective in `chance_loss`: its loss if the pairs of a batch cannot be told apart. The
similarity of embeddings is measured here, whatever the objectives.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from fdakit.errors import attribute_errors
from fdakit.features import VideoFeatures
from fdakit.inference.factory import WeightedObjective
from fdakit.plugin.abilities import StatesChance
from fdakit.settings import TrainSettings

Epochs = Sequence[Mapping[str, float]]

AT_CHANCE = 0.995  # share of the chance loss; docs/training.md has the figures of four trainings with three seeds
ALIKE = 0.9995  # mean cosine of different videos; dark clips gave 1.00000, the slowest training that learned 0.99881
PATIENCE = 12  # epochs at chance after which a warning is given even if embeddings differ; the slowest had 7


class CollapseSigns:
    """Collects the signs of an epoch's steps. Nothing is fetched from the device before the epoch ends."""

    def __init__(self) -> None:
        self._steps: list[torch.Tensor] = []

    @torch.no_grad()
    def see(self, videos: VideoFeatures, texts: torch.Tensor, chance: float | None) -> None:
        """Record the mean vector of each video, `texts (q, d)` of a step, and its chance loss."""
        weights = videos.valid.unsqueeze(-1)
        own = (videos.vectors * weights).sum(1) / weights.sum(1).clamp(min=1)
        told = torch.full((), float("nan") if chance is None else chance, device=own.device)
        self._steps.append(torch.stack([mean_cosine(own), mean_cosine(texts), told]))

    def close(self) -> dict[str, float]:
        """Return the means over the steps: `video_cosine`, `text_cosine` and, if known, `chance`."""
        if not self._steps:
            return {}
        means = torch.stack(self._steps).mean(0).tolist()
        self._steps = []
        named = zip(("video_cosine", "text_cosine", "chance"), means, strict=True)
        return {name: value for name, value in named if value == value}

    def state(self) -> list[list[float]]:
        """Return plain numbers, for `restore`."""
        return [step.tolist() for step in self._steps]

    def restore(self, state: Sequence[Sequence[float]]) -> None:
        """Continue from a `state()`."""
        self._steps = [torch.tensor(step) for step in state]


def mean_cosine(vectors: torch.Tensor) -> torch.Tensor:
    """Return the mean cosine of different rows of `(n, d)`, a scalar; NaN for a single row."""
    unit = torch.nn.functional.normalize(vectors.detach().float(), dim=-1)
    count = len(unit)
    return ((unit.sum(0) ** 2).sum() - (unit**2).sum()) / (count * (count - 1))


def chance_loss(objectives: Sequence[WeightedObjective], batch_size: int) -> float | None:
    """Return the weighted sum of the objectives' chance losses; None if one states none."""
    total = 0.0
    for objective in objectives:
        if not isinstance(objective.part, StatesChance):
            return None
        with attribute_errors(objective.label, "in chance_loss"):
            total += objective.weight * float(objective.part.chance_loss(batch_size))
    return total


def collapse_warning(epochs: Epochs, train: TrainSettings, *, steps: int, ended: bool = False) -> str:
    """Return a warning that the epochs so far have learnt nothing; "" if they have, or it is too early.

    `steps` are those planned; `ended` tells that the training ends before them. The warning is given after the
    warm-up if two consecutive epochs are at chance (or chance is unknown) and the embeddings of different videos are
    nearly equal; after `PATIENCE` epochs at chance, and at the end of a training, regardless of the embeddings.
    """
    warmup = math.ceil(steps * train.warmup)
    for count in range(1, len(epochs) + 1):
        over = epochs[count - 1]["step"] >= steps or (ended and count == len(epochs))
        if _stands(epochs[:count], warmup=warmup, ended=over):
            return _words(epochs[count - 1])
    return ""


def _stands(epochs: Epochs, *, warmup: int, ended: bool) -> bool:
    last = epochs[-1]
    if not all(map(_at_chance, epochs[-2:])):
        return False
    settled = len(epochs) > 1 and epochs[-2]["step"] >= warmup
    if settled and all(epoch.get("video_cosine", 0.0) >= ALIKE for epoch in epochs[-2:]):
        return True
    return "chance" in last and (ended or len(epochs) >= PATIENCE) and all(map(_at_chance, epochs))


def _at_chance(epoch: Mapping[str, float]) -> bool:
    """Return whether its loss is no better than chance, as far as that is known."""
    return "chance" not in epoch or epoch["loss"] >= AT_CHANCE * epoch["chance"]


def _words(epoch: Mapping[str, float]) -> str:
    said = [f"after epoch {epoch['epoch']:.0f} this training has learnt nothing"]
    if "chance" in epoch:
        said.append(f"its loss of {epoch['loss']:.3f} is no better than chance ({epoch['chance']:.3f})")
    if epoch.get("video_cosine", 0.0) >= ALIKE:
        said.append(f"and different videos have nearly the same embedding (mean cosine {epoch['video_cosine']:.5f})")
    return (
        f"{', '.join(said)}; look at the contrast of the clips under the view's mean and std (`fdakit data masks` "
        "measures it), at train.learning_rate, at what is frozen (`fdakit check --verbose`), and whether clips or "
        "captions are alike (`fdakit data check`)"
    )
