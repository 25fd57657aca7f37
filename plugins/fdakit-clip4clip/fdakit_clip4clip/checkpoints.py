"""Checkpoints of CLIP4Clip's code: `pytorch_model.bin.N`, of the whole model, with or without `module.` before names.

fdakit's own encoder reads the towers (`clip.`) of such a file; here are the temporal heads that lie beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fdakit.plugin import CheckpointError

if TYPE_CHECKING:
    import torch
    from torch import nn

Head = Literal["meanP", "seqLSTM", "seqTransf"]
_POSITIONS = "frame_position_embeddings.weight"
_PREFIXES: Mapping[Head, str] = {"seqLSTM": "lstm_visual.", "seqTransf": "transformerClip.resblocks."}
_PARTS: Mapping[Head, str] = {"meanP": "mean", "seqLSTM": "seq-lstm", "seqTransf": "seq-transformer"}


@dataclass(frozen=True)
class HeadWeights:
    """The temporal head of a file and its weights, by the names of this package's aggregators; none of meanP."""

    head: Head
    state: Mapping[str, torch.Tensor]

    @property
    def layers(self) -> int:
        """The number of layers of a transformer; 0 of another head."""
        return len({name.split(".")[1] for name in self.state if name.startswith("blocks.")})

    @property
    def settings(self) -> tuple[str, ...]:
        """The keys of a recipe, as for `--set`, with which its aggregator has the sizes of the file."""
        use = f"aggregator.use={_PARTS[self.head]}"
        if self.head != "seqTransf":
            return (use,)
        rows = [f"aggregator.positions={len(value)}" for name, value in self.state.items() if name.startswith("pos")]
        return (use, f"aggregator.layers={self.layers}", *rows)


def read_head(path: Path) -> HeadWeights:
    """Return the temporal head that a checkpoint holds.

    Raises `CheckpointError` if it cannot be read, or is none of CLIP4Clip.
    """
    from fdakit.model import read_weights  # not at the top: it imports torch

    state = {name.removeprefix("module."): value for name, value in read_weights(path).items()}
    if _POSITIONS not in state and not any(name.startswith(tuple(_PREFIXES.values())) for name in state):
        first = ", ".join(sorted(state)[:3])
        raise CheckpointError(
            f"{path.absolute()}: not a checkpoint of CLIP4Clip ({first}, ...); name its pytorch_model.bin.N"
        )
    for head, prefix in _PREFIXES.items():
        own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        if own and head == "seqLSTM":
            return HeadWeights(head, {f"lstm.{name}": value for name, value in own.items()})
        if own:
            positions = {"positions.weight": state[_POSITIONS]} if _POSITIONS in state else {}
            return HeadWeights(head, {**positions, **{f"blocks.{name}": value for name, value in own.items()}})
    return HeadWeights("meanP", {})


def load_aggregator(part: nn.Module, path: Path, *, head: Head) -> None:
    """Fill an aggregator from a checkpoint, all of it or nothing.

    Raises `CheckpointError` if the file is of another head or size, with the keys to set.
    """
    found = read_head(path)
    if found.head != head:
        raise CheckpointError(
            f"{path.absolute()}: a checkpoint with the head {found.head}, not {head}; set {' '.join(found.settings)}"
        )
    own = part.state_dict()
    odd = sorted(own.keys() ^ found.state.keys())
    if not odd:
        odd = [name for name, value in own.items() if value.shape != found.state[name].shape]
    if odd:
        name = odd[0]
        held, asked = (tuple(one[name].shape) if name in one else "nothing" for one in (found.state, own))
        raise CheckpointError(
            f"{path.absolute()}: {len(odd)} weights of {head} do not fit, as {name}: the file has {held}, the recipe "
            f"asks for {asked}; set {' '.join(found.settings)} and an encoder of the same width"
        )
    part.load_state_dict(dict(found.state))
