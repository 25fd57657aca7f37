"""CLIP4Clip (Luo et al., arXiv 2104.08860) in fdakit: temporal heads, choice of frames, optimiser, checkpoints.

Its meanP head is fdakit's own aggregator `mean`. Reference: ArrowLuo/CLIP4Clip at 508ffa3, MIT licence.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fdakit.plugin import Component, FrameSampler, OptimiserFactory, TemporalAggregator, hookimpl

from .aggregators import SEQ_LSTM as SEQ_LSTM, SEQ_TRANSFORMER as SEQ_TRANSFORMER
from .bert_adam import BERT_ADAM as BERT_ADAM
from .checkpoints import HeadWeights as HeadWeights, read_head as read_head
from .frames import CLIP4CLIP as CLIP4CLIP


@hookimpl
def fdakit_samplers() -> Iterable[Component[Any, FrameSampler]]:
    """Offer the choice of frames."""
    return (CLIP4CLIP,)


@hookimpl
def fdakit_aggregators() -> Iterable[Component[Any, TemporalAggregator]]:
    """Offer the two temporal heads with weights."""
    return (SEQ_LSTM, SEQ_TRANSFORMER)


@hookimpl
def fdakit_optimisers() -> Iterable[Component[Any, OptimiserFactory]]:
    """Offer the optimiser."""
    return (BERT_ADAM,)
