"""Loading of recognised weights into towers: strict, in fp32, with warnings of changes."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import torch

from fdakit.errors import CheckpointError

from .weight_files import load_strictly, read_weights
from .weight_formats import ClipWeights, State, detect_file_format

_INSIDE = ("vision_model.", "text_model.", "encoder.")  # names of what is in an encoder and in no tower
COUNTERS = "num_batches_tracked"  # of batch norms: counters that no output depends on


def read_clip_weights(path: Path) -> ClipWeights:
    """Return the tensors of a weights file, sorted by their purpose.

    Raises `CheckpointError` as `read_weights`.
    """
    return detect_file_format(read_weights(path), where=path)


def load_towers(clip: Any, weights: ClipWeights, *, where: Path) -> None:
    """Load a whole CLIP, or only its visual tower, into an open_clip model: all tensors or none.

    Half-precision weights become fp32. A position embedding of another grid is interpolated, with a warning; another
    tells what the file has inside its encoder that no tower takes. Raises `CheckpointError` with what is missing,
    unexpected or misshapen.
    """
    if not weights.clip:
        known = "OpenAI, open_clip, Alpha-CLIP, CLIP4Clip, Hugging Face, Prompt Switch or fdakit"
        first = ", ".join(list(weights.other)[:3])
        raise CheckpointError(
            f"{where.absolute()}: not the weights of a CLIP ({first}, …); known are those of {known}"
        )
    if inside := [name for name in weights.other if name.startswith(_INSIDE)]:
        more = ", ..." if len(inside) > 3 else ""
        warnings.warn(
            f"{where.absolute()}: {weights.format} weights with more than two towers: {', '.join(inside[:3])}{more} "
            "cannot be used here, and without them the towers give other vectors than those they were trained for",
            stacklevel=2,
        )
    state = {name: value.float() if value.is_floating_point() else value for name, value in weights.clip.items()}
    _fit_positions(clip, state, where=where)
    if weights.visual_only:
        visual = {name.removeprefix("visual."): value for name, value in state.items()}
        load_strictly(clip.visual, _with_counters(clip.visual, visual), where=where)
        return
    if hasattr(clip, "text"):  # the text tower is a separate module in open_clip's newer models
        from open_clip.model import convert_to_custom_text_state_dict

        state = convert_to_custom_text_state_dict(state)
    load_strictly(clip, _with_counters(clip, _as_saved_today(clip, state)), where=where)


def _as_saved_today(clip: torch.nn.Module, state: State) -> State:
    """Convert older files of open_clip: position ids of transformers, and the logit scale as a 1-d tensor."""
    own = clip.state_dict()
    kept = {name: value for name, value in state.items() if name in own or not name.endswith(".position_ids")}
    for name in ("logit_scale", "logit_bias"):
        if name in kept and name in own and kept[name].numel() == own[name].numel():
            kept[name] = kept[name].reshape(own[name].shape)
    return kept


def _with_counters(module: torch.nn.Module, state: State) -> State:
    own = module.state_dict()
    absent = {name: value for name, value in own.items() if name.endswith(COUNTERS) and name not in state}
    return {**state, **absent}


def _fit_positions(clip: Any, state: State, *, where: Path) -> None:
    from open_clip.model import resize_pos_embed

    name = "visual.positional_embedding"
    before = state.get(name)
    own = getattr(clip.visual, "positional_embedding", None)
    if before is None or own is None or before.shape == own.shape or not _is_a_grid(before, width=own.shape[1]):
        return
    resize_pos_embed(state, clip)
    warnings.warn(
        f"{where.absolute()}: made for {len(before) - 1} patches, this tower has {len(own) - 1}; its position "
        "embedding was interpolated (bicubic)",
        stacklevel=2,
    )


def _is_a_grid(positions: torch.Tensor, *, width: int) -> bool:
    """Return whether these are positions of a class token and a square of patches, which can be interpolated."""
    if positions.ndim != 2 or positions.shape[1] != width or len(positions) < 2:
        return False
    return math.isqrt(len(positions) - 1) ** 2 == len(positions) - 1
