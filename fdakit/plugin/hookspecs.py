"""The hooks of fdakit. Each asks one question, "which parts do you offer?", and is answered with components.

A recipe chooses by name, and so does whoever opens an index: a result never depends on which plugins are installed,
nor on their order.
Every hook is `fdakit_<kinds>() -> Iterable[Component]`. Write one in your module, mark it with
`fdakit.plugin.hookimpl`, and name the module in your package's entry points, group `fdakit`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pluggy

from .batching import Batcher
from .component import Component
from .contracts import (
    AlphaFusion,
    Dataset,
    DeviceMaskGenerator,
    Encoder,
    FrameSampler,
    MaskGenerator,
    Matcher,
    Metric,
    Objective,
    OptimiserFactory,
    Reader,
    Rescorer,
    TemporalAggregator,
)
from .observers import Observer
from .vector_stores import StoreContext, VectorStore

OUTSIDE_RECIPES = ("vector_store",)
"""Kinds that no recipe names: how an index is searched is no matter of its model."""

hookspec = pluggy.HookspecMarker("fdakit")
hookimpl = pluggy.HookimplMarker("fdakit")


@hookspec
def fdakit_samplers() -> Iterable[Component[Any, FrameSampler]]:
    """Return which frames of a video are looked at; chosen by `[sampler] use`."""
    raise NotImplementedError


@hookspec
def fdakit_readers() -> Iterable[Component[Any, Reader]]:
    """Return how frames are read from files; chosen by `[reader] use`."""
    raise NotImplementedError


@hookspec
def fdakit_masks() -> Iterable[Component[Any, MaskGenerator | DeviceMaskGenerator]]:
    """Return what becomes the alpha channel; chosen by `[mask] use`."""
    raise NotImplementedError


@hookspec
def fdakit_fusions() -> Iterable[Component[Any, AlphaFusion]]:
    """Return how alpha joins RGB on its way through the encoder; chosen by `[fusion] use`."""
    raise NotImplementedError


@hookspec
def fdakit_encoders() -> Iterable[Component[Any, Encoder]]:
    """Return the picture and text towers; chosen by `[encoder] use`."""
    raise NotImplementedError


@hookspec
def fdakit_aggregators() -> Iterable[Component[Any, TemporalAggregator]]:
    """Return how the encoder's features become what is compared; chosen by `[aggregator] use`."""
    raise NotImplementedError


@hookspec
def fdakit_matchers() -> Iterable[Component[Any, Matcher]]:
    """Return how texts are compared with videos; chosen by `[matcher] use`."""
    raise NotImplementedError


@hookspec
def fdakit_objectives() -> Iterable[Component[Any, Objective]]:
    """Return what training minimises; any number of `[[objective]]` tables, each with a `weight`."""
    raise NotImplementedError


@hookspec
def fdakit_batchers() -> Iterable[Component[Any, Batcher]]:
    """Return which pairs form a batch of a training; chosen by `[batcher] use`."""
    raise NotImplementedError


@hookspec
def fdakit_datasets() -> Iterable[Component[Any, Dataset]]:
    """Return videos, captions, splits and protocol; chosen by `[dataset] use`."""
    raise NotImplementedError


@hookspec
def fdakit_rescorers() -> Iterable[Component[Any, Rescorer]]:
    """Return changes to the similarities after the fact; any number of `[[eval.rescoring]]` tables."""
    raise NotImplementedError


@hookspec
def fdakit_optimisers() -> Iterable[Component[Any, OptimiserFactory]]:
    """Return the optimiser; chosen by `[optimiser] use`."""
    raise NotImplementedError


@hookspec
def fdakit_observers() -> Iterable[Component[Any, Observer]]:
    """Return the observers of a run; any number of `[[observer]]` tables."""
    raise NotImplementedError


@hookspec
def fdakit_metrics() -> Iterable[Component[Any, Metric]]:
    """Return further figures for reports; any number of `[[metric]]` tables."""
    raise NotImplementedError


@hookspec
def fdakit_vector_stores() -> Iterable[Component[Any, VectorStore, StoreContext]]:
    """Return how the vectors of an index are searched; chosen for the index, never by a recipe."""
    raise NotImplementedError
