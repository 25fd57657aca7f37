"""The temporal heads of CLIP4Clip that have weights: an LSTM and a transformer over the frames of a video.

What either makes of the frames is added to them; then each is normalised, the valid ones averaged, and the mean
normalised, as fdakit's `mean` does, which is the third head, meanP. Source: seqLSTM and seqTransf in
`modules/modeling.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from fdakit.plugin import BuildContext, Component, Options, TemporalAggregator

if TYPE_CHECKING:
    from ._aggregators import SeqLstm, SeqTransformer

_WEIGHTS = "checkpoint of CLIP4Clip's code (pytorch_model.bin.N) to read these weights from, as its towers by"


class SeqLstmOptions(Options):
    """Where the weights come from; left out, they are random."""

    weights: Path | None = Field(None, description=f"{_WEIGHTS} encoder.pretrained")


class SeqTransformerOptions(Options):
    """Sizes, and where the weights come from."""

    layers: int = Field(4, ge=1, le=100, description="layers of the transformer")
    heads: int | None = Field(None, ge=1, le=1_000, description="attention heads; left out: one for each 64 of width")
    positions: int = Field(77, ge=1, le=10_000, description="frames that have a position, the most that a clip has")
    start: Literal["text-tower", "random"] = Field(
        "text-tower", description="first weights: the lowest layers and the positions of the text tower, or random"
    )
    weights: Path | None = Field(None, description=f"{_WEIGHTS} encoder.pretrained; comes before start")


def build_lstm(options: SeqLstmOptions, shapes: BuildContext) -> SeqLstm:
    """Return the aggregator. Raises `CheckpointError` if its weights file has no such weights."""
    from ._aggregators import SeqLstm

    part = SeqLstm(shapes.embedding)
    if options.weights is not None and shapes.pretrained:
        from .checkpoints import load_aggregator

        load_aggregator(part, options.weights, head="seqLSTM")
    return part


def build_transformer(options: SeqTransformerOptions, shapes: BuildContext) -> SeqTransformer:
    """Return the aggregator.

    Raises `CheckpointError` if its weights file has no such weights, `PluginError` if the width is no multiple of the
    heads.
    """
    from ._aggregators import SeqTransformer

    part = SeqTransformer(
        shapes.embedding,
        layers=options.layers,
        heads=options.heads or max(1, shapes.embedding // 64),
        positions=options.positions,
        from_text=options.start == "text-tower" and options.weights is None,
    )
    if options.weights is not None and shapes.pretrained:
        from .checkpoints import load_aggregator

        load_aggregator(part, options.weights, head="seqTransf")
    return part


SEQ_LSTM: Component[SeqLstmOptions, TemporalAggregator] = Component(
    "seq-lstm",
    "an LSTM over the frames, added to them, and their mean",
    SeqLstmOptions,
    build_lstm,
    when="the order of what happens matters, and there are many clips to learn it from",
    declares={"gives": "vector"},
)
SEQ_TRANSFORMER: Component[SeqTransformerOptions, TemporalAggregator] = Component(
    "seq-transformer",
    "a transformer over the frames with positions, added to them, and their mean",
    SeqTransformerOptions,
    build_transformer,
    when="the order of what happens matters; starts from the text tower's layers",
    declares={"gives": "vector"},
)
