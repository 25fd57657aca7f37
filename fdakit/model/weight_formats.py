"""Detection of a weights file's format by its keys, and its tensors under open_clip's names.

Known formats: OpenAI's CLIP, open_clip's (both text forms), the published Alpha-CLIP visual towers (arXiv 2312.03818:
no prefix, `attn.in_proj.weight`, `conv1_alpha.weight`), CLIP4Clip's `pytorch_model.bin.N` (arXiv 2104.08860: `clip.`
before every tower weight), Hugging Face's `CLIPModel`, Prompt Switch's, which holds one, and fdakit's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from fdakit.errors import CheckpointError

from .hugging_face_names import PROMPTS, holds_hugging_face, to_open_clip
from .state_dicts import StateDictError, unwrap_names

State = dict[str, torch.Tensor]

OPENAI_COLOURS = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
"""Mean and standard deviation of RGB in OpenAI's training, and in all training from its weights."""
SETTINGS = ("input_resolution", "context_length", "vocab_size")  # 0-d entries of OpenAI's archives
ALPHA = "conv1_alpha.weight"
TEXT_HEADS = ("token_embedding.", "transformer.", "ln_final.", "text.", "text_decoder.")  # the last is CoCa's
TEXT_NAMES = ("positional_embedding", "text_projection", "logit_scale", "logit_bias")


@dataclass(frozen=True)
class ClipWeights:
    """Tensors sorted by their purpose.

    `format` names the layout; `clip` holds tower weights in open_clip's names (`visual.…` and the text tower, which
    `visual_only` files lack); `alpha` Alpha-CLIP's convolution, if any; `other` what belongs to no tower.
    `quick_gelu` is True if that layout's models were trained with it, None if unknown.
    """

    format: str
    clip: State
    alpha: tuple[torch.Tensor, ...] = ()
    other: State = field(default_factory=dict)
    quick_gelu: bool | None = None

    @property
    def visual_only(self) -> bool:
        """Whether there is only a visual tower."""
        return all(name.startswith("visual.") for name in self.clip)

    def visual_part(self) -> ClipWeights:
        """Return these weights without the text tower."""
        return replace(self, clip={n: value for n, value in self.clip.items() if n.startswith("visual.")})

    def visual(self) -> State:
        """Return the visual tower's tensors, without their prefix."""
        return {
            name.removeprefix("visual."): value for name, value in self.clip.items() if name.startswith("visual.")
        }


def detect_format(state: Mapping[str, torch.Tensor]) -> ClipWeights:
    """Sort a state dict by its keys. `format` is `unknown`, with everything in `other`, if none fits.

    What `torch.compile` and distributed training add to names (`_orig_mod.`, `module.`) is removed, anywhere. Raises
    `StateDictError` if two names mean one tensor.
    """
    named = unwrap_names(state)
    named.pop("n_averaged", None)  # the count of torch's AveragedModel
    if holds_hugging_face(named):
        towers, others = to_open_clip(named)
        prompted = PROMPTS in others
        layout = "Prompt Switch" if prompted else "Hugging Face CLIP"
        return ClipWeights(layout, towers, other=others, quick_gelu=True if prompted else None)
    if any(name.startswith("clip.visual.") for name in named):
        return _sorted("CLIP4Clip", *_split(named, "clip."), quick_gelu=True)
    if any(name.startswith("encoder.clip.visual.") for name in named):
        tower, other = _split(named, "encoder.clip.")
        alpha = {name: other.pop(name) for name in list(other) if name.startswith("fusion.convolutions.")}
        found = _sorted("fdakit", tower, other, quick_gelu=None)
        return ClipWeights(found.format, found.clip, tuple(alpha.values()), found.other, None)
    if any(name.startswith("visual.") for name in named) and "logit_scale" in named:
        openai = any(name in named for name in SETTINGS)
        layout = "OpenAI CLIP" if openai else "CLIP (OpenAI's or open_clip's)"
        return _sorted(layout, named, {}, quick_gelu=openai or None)
    bare = {name.removeprefix("visual."): value for name, value in named.items()}
    return _visual_only(bare) if len(bare) == len(named) else ClipWeights("unknown", {}, other=named)


def detect_file_format(state: Mapping[str, torch.Tensor], *, where: Path) -> ClipWeights:
    """Sort the state dict of a file. Raises `CheckpointError` if two of its names mean one tensor."""
    try:
        return detect_format(state)
    except StateDictError as error:
        raise CheckpointError(f"{where.absolute()}: {error}") from error


def _visual_only(named: State) -> ClipWeights:
    if "conv1.weight" not in named or not {"class_embedding", "attnpool.positional_embedding"} & set(named):
        return ClipWeights("unknown", {}, other=named)
    own = ALPHA in named or any(".attn.in_proj." in name for name in named)
    tower = {f"visual.{name}": value for name, value in named.items()}
    return _sorted("Alpha-CLIP visual tower" if own else "visual tower", tower, {}, quick_gelu=own or None)


def _sorted(layout: str, towers: State, other: State, *, quick_gelu: bool | None) -> ClipWeights:
    clip: State = {}
    alpha: tuple[torch.Tensor, ...] = ()
    for name, value in towers.items():
        if name == f"visual.{ALPHA}":
            alpha = (value,)
        elif name.startswith("visual."):
            today = name.replace(".attn.in_proj.", ".attn.in_proj_")
            if today != name and today in towers:
                raise StateDictError(f"{name!r} and {today!r} are two names of one tensor; leave out one of them")
            clip[today] = value
        elif name.startswith(TEXT_HEADS) or name in TEXT_NAMES:
            clip[name] = value
        elif name not in SETTINGS:
            other[name] = value
    return ClipWeights(layout, clip, alpha, other, quick_gelu)


def _split(named: State, prefix: str) -> tuple[State, State]:
    inside = {name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)}
    return inside, {name: value for name, value in named.items() if not name.startswith(prefix)}
