"""A batch made of the memory that its clips were written to: unreadable ones closed up, nothing else copied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from fdakit.data_pipeline.alpha_levels import plain
from fdakit.data_pipeline.caption_tokens import stacked
from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.loaded_batch import LoadedBatch
from fdakit.data_pipeline.travelling_alphas import TravellingAlphas
from fdakit.values import Batch, UnreadableVideo

from .batch_memory import PARTNER, ClipContents, ClipFacts, Views

Tensors = dict[str, torch.Tensor]
Found = ClipFacts | UnreadableVideo


def close_up(views: Views, found: Sequence[Found], contents: ClipContents) -> tuple[str, ...]:
    """Move the clips that could be read to the first rows; return the names of the arrays that the batch is of.

    The alpha of a control is all levels or all float32, which levels beside float32 become.
    """
    rows = [row for row, one in enumerate(found) if isinstance(one, ClipFacts)]
    facts = [one for one in found if isinstance(one, ClipFacts)]
    soft = {control for one in facts for control in one.soft}
    unused = {f"{'levels' if control in soft else 'floats'} {control}" for control in contents.controls}
    for place, (row, one) in enumerate(zip(rows, facts, strict=True)):
        for name, values in views.items():
            kind, _, control = name.partition(" ")
            if kind == "floats" and control in soft and control not in one.soft:
                values[place] = plain(views[f"levels {control}"][row])
            elif place != row and name not in unused:
                values[place] = values[row]
    return tuple(name for name in views if name not in unused)


def assemble(
    source: ClipDataset, draws: Sequence[ClipRequest], found: Sequence[Found], arrays: Tensors
) -> LoadedBatch:
    """Return the batch of the clips in the first rows of `arrays`."""
    facts = [one for one in found if isinstance(one, ClipFacts)]
    partners = [one.partner for one in facts if one.partner is not None]
    on_device = source.built.on_device
    return LoadedBatch(
        **_clips(facts, arrays, source.contents, ""),
        alphas=TravellingAlphas({control: _alpha(arrays, control) for control in source.contents.controls}),
        texts=tuple(draw.text for draw, one in zip(draws, found, strict=True) if isinstance(one, ClipFacts)),
        lost=tuple(one for one in found if isinstance(one, UnreadableVideo)),
        repaired={one.id: one.repaired for one in facts if one.repaired},
        notes=tuple(note for one in facts for note in one.notes),
        controls=source.controls if on_device else (),
        seed=source.seed,
        partners=Batch(**_clips(partners, arrays, source.contents, PARTNER), alphas={}) if partners else None,
        tokens=stacked([one.tokens for one in facts]),
        places=tuple(place for place, one in enumerate(found) if isinstance(one, ClipFacts)),
    )


def _alpha(arrays: Tensors, control: str) -> torch.Tensor:
    name = f"levels {control}"
    return arrays[name if name in arrays else f"floats {control}"].unsqueeze(2)


def _clips(facts: Sequence[ClipFacts], arrays: Tensors, contents: ClipContents, whose: str) -> dict[str, Any]:
    times = np.zeros((len(facts), contents.length))
    valid = np.zeros(times.shape, np.bool_)
    for row, one in enumerate(facts):
        times[row, : len(one.times)], valid[row, : len(one.times)] = one.times, True
    return {
        "ids": tuple(one.id for one in facts),
        "frames": arrays[f"{whose}frames"],
        "valid": torch.from_numpy(valid),
        "times": torch.from_numpy(times),
        "neighbours": {gap: arrays[f"{whose}near {gap}"] for gap in contents.neighbours},
        "luma": {gap: arrays[f"{whose}luma {gap}"] for gap in contents.luma},
    }
