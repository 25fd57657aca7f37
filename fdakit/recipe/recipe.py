"""A recipe: the validated parts and settings of one experiment. Builds nothing, imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fdakit.catalog import Part
from fdakit.choices import Control
from fdakit.plugin.batching import Batcher
from fdakit.plugin.contracts import (
    AlphaFusion,
    AnyMask,
    Dataset,
    Encoder,
    FrameSampler,
    Matcher,
    Metric,
    Objective,
    OptimiserFactory,
    Reader,
    Rescorer,
    TemporalAggregator,
)
from fdakit.plugin.observers import Observer
from fdakit.settings import EvalSettings, FrameStoreSettings, LoaderSettings, TrainSettings, ViewSettings

from .document import Document, cause_of
from .tables import SETTINGS


@dataclass(frozen=True)
class Recipe:
    """Validated parts and settings of one experiment. `where` is the file it came from, `causes` as in `validate`."""

    name: str
    seed: int
    where: str
    parts: Mapping[str, Part[Any]]
    objectives: tuple[tuple[Part[Objective], float], ...]
    observers: tuple[Part[Observer], ...]
    rescoring: tuple[Part[Rescorer], ...]
    metrics: tuple[Part[Metric], ...]
    allow_missing: bool
    control: Control
    view: ViewSettings
    loader: LoaderSettings
    frame_store: FrameStoreSettings
    train: TrainSettings
    eval: EvalSettings
    causes: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def dataset(self) -> Part[Dataset]:
        return self.parts["dataset"]

    @property
    def sampler(self) -> Part[FrameSampler]:
        return self.parts["sampler"]

    @property
    def reader(self) -> Part[Reader]:
        return self.parts["reader"]

    @property
    def mask(self) -> Part[AnyMask]:
        return self.parts["mask"]

    @property
    def encoder(self) -> Part[Encoder]:
        return self.parts["encoder"]

    @property
    def fusion(self) -> Part[AlphaFusion]:
        return self.parts["fusion"]

    @property
    def aggregator(self) -> Part[TemporalAggregator]:
        return self.parts["aggregator"]

    @property
    def matcher(self) -> Part[Matcher]:
        return self.parts["matcher"]

    @property
    def batcher(self) -> Part[Batcher]:
        return self.parts["batcher"]

    @property
    def optimiser(self) -> Part[OptimiserFactory]:
        return self.parts["optimiser"]

    def blamed(self, fault: str) -> str:
        """Return a fault `key: text` after what caused it: the setting that made that key, or the file."""
        return f"{cause_of(fault.partition(':')[0], self.causes) or self.where}: {fault}"

    def all_parts(self) -> tuple[Part[Any], ...]:
        """Return every chosen part, in pipeline order."""
        return (
            *self.parts.values(),
            *(part for part, _ in self.objectives),
            *self.observers,
            *self.rescoring,
            *self.metrics,
        )

    def document(self) -> Document:
        """Return the resolved document: every option written out, every part as `provider:name`."""
        document: Document = {"name": self.name, "seed": self.seed}
        for table, part in self.parts.items():
            document[table] = part_table(part)
        document["dataset"]["allow_missing"] = self.allow_missing
        document["mask"]["control"] = self.control
        document["objective"] = [{**part_table(part), "weight": weight} for part, weight in self.objectives]
        document["observer"] = [part_table(part) for part in self.observers]
        document["metric"] = [part_table(part) for part in self.metrics]
        for table in SETTINGS:
            document[table] = getattr(self, table).model_dump(mode="json")
        document["eval"]["rescoring"] = [part_table(part) for part in self.rescoring]
        return document

    def providers(self) -> list[str]:
        """Return one line a part: who offers it, in which version."""
        return sorted({str(part.offer) for part in self.all_parts()})


def part_table(part: Part[Any]) -> Document:
    return {"use": f"{part.offer.provider.name}:{part.name}", **part.options.model_dump(mode="json")}
