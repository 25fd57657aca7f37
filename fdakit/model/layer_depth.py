"""The depth of a weight in its tower, counted as in timm, for towers of open_clip and timm.

Layer 0 reads the input (embeddings, stem, first norm), then come the blocks, and above them the rest (last norm,
projection, pooling). timm's trunks have their own matcher; open_clip's towers are matched here by name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from fdakit.choices import Role

Ordinal = tuple[float, ...]
SCALES = ("logit_scale", "logit_bias")

_TOP: Ordinal = (math.inf,)
_WITH_FORMER = 99999  # timm's marker of a norm that belongs to the block before it
_VISUAL = {
    "stem": r"(?:conv\d|bn\d|class_embedding|positional_embedding|ln_pre)(?:\.|$)",
    "blocks": [(r"transformer\.resblocks\.(\d+)\.", None), (r"layer(\d+)\.(\d+)\.", None)],
}
_TEXT = {
    "stem": r"(?:token_embedding|positional_embedding|cls_emb)(?:\.|$)"
    r"|transformer\.(?:.+?\.)??(?:embeddings|embed_tokens|embed_positions|layernorm_embedding|shared)\.",
    "blocks": r"transformer\.(?:.+?\.)??(?:resblocks|layers?|blocks?)\.(\d+)\.",  # Hugging Face's towers too
}


@dataclass(frozen=True)
class Depth:
    """The position of a weight in its tower: `layer` of `of`, 0 at the input.

    `block` from 1, 0 outside the blocks.
    """

    tower: str
    layer: int
    of: int
    block: int


class TowerLayers:
    """One tower with the two methods that timm's layer functions call.

    `weights` and `ordinals` are by full name.
    """

    def __init__(self, name: str, weights: Mapping[str, nn.Parameter], ordinals: Mapping[str, Ordinal]) -> None:
        self.name = name
        self._weights = weights
        self._ordinals = ordinals

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield names and weights."""
        yield from self._weights.items()

    def group_matcher(self, coarse: bool = False) -> Callable[[str], Ordinal]:
        """Return the function from names to ordinals that timm's protocol asks for and counts into layers."""
        return self._ordinals.__getitem__

    def depths(self) -> Mapping[str, Depth]:
        """Return the depth of every weight; empty for a tower without a recognisable input or blocks."""
        from timm.models import group_parameters

        blocks = sorted({o for o in self._ordinals.values() if _in_a_block(o)})
        if not blocks or not any(ordinal[0] == 0 for ordinal in self._ordinals.values()):
            return {}
        numbers = {ordinal: number for number, ordinal in enumerate(blocks, start=1)}
        layers = group_parameters(self, self.group_matcher(), reverse=True)
        of = max(layers.values()) + 1
        return {
            name: Depth(self.name, layers[name], of, numbers.get(self._ordinals[name], 0)) for name in self._weights
        }

    def scales(self, layer_decay: float) -> Mapping[str, float]:
        """Return the learning rate factor of every trained weight: `layer_decay` to the number of layers above it.

        Empty if `depths` is.
        """
        from timm.optim import param_groups_layer_decay

        if not self.depths():
            return {}
        found: dict[int, float] = {}
        for group in param_groups_layer_decay(self, layer_decay=layer_decay):
            found |= {id(weight): float(group["lr_scale"]) for weight in group["params"]}
        return {name: found[id(weight)] for name, weight in self._weights.items() if id(weight) in found}


def clip_towers(clip: Any, *, prefix: str) -> tuple[TowerLayers, ...]:
    """Return visual and text tower of an open_clip model, weights named as in the model, with `prefix`."""
    ordinal_of = {"visual tower": _visual_ordinals(clip.visual), "text tower": _text_ordinal}
    towers: dict[str, dict[str, nn.Parameter]] = {name: {} for name in ordinal_of}
    for name, weight in clip.named_parameters():
        role = clip_role(name)
        if role != "logit-scale":
            towers["text tower" if role == "text-tower" else "visual tower"][name] = weight
    return tuple(
        TowerLayers(
            tower,
            {prefix + name: weight for name, weight in weights.items()},
            {prefix + name: ordinal_of[tower](name) for name in weights},
        )
        for tower, weights in towers.items()
    )


def clip_role(name: str, *, stem: Sequence[str] = ()) -> Role:
    """Return the role of an open_clip model's weight by its name; `stem` names the convolutions that read RGB.

    The text tower is under `text.`, or its parts are directly in the model.
    """
    if name in SCALES:
        return "logit-scale"
    if not name.startswith("visual."):
        return "text-tower"
    read_rgb = any(name.startswith(f"visual.{convolution}.") for convolution in stem)
    return "stem" if read_rgb else "visual-trunk"


def _visual_ordinals(visual: Any) -> Callable[[str], Ordinal]:
    """Return timm's own matcher for a timm trunk, else a match by open_clip's names."""
    trunk: Any = getattr(visual, "trunk", None)
    matcher = trunk.group_matcher(coarse=False) if hasattr(trunk, "group_matcher") else None

    def ordinal(name: str) -> Ordinal:
        short = name.removeprefix("visual.")
        if matcher is None:
            return _matched(short, _VISUAL)
        return _matched(short.removeprefix("trunk."), matcher) if short.startswith("trunk.") else _TOP

    return ordinal


def _text_ordinal(name: str) -> Ordinal:
    return _matched(name.removeprefix("text."), _TEXT)


def _matched(name: str, matcher: Any) -> Ordinal:
    """Return what timm's `group_with_matcher` makes of a name: index of the pattern, its numbers, its suffix."""
    if callable(matcher):
        found = matcher(name)
        return tuple(found) if isinstance(found, Iterable) else (float(found),)
    for place, patterns in enumerate(matcher.values()):
        for pattern, suffix in patterns if isinstance(patterns, tuple | list) else [(patterns, None)]:
            if pattern is not None and (match := re.match(pattern, name)):
                return (float(place), *(float(g) for g in match.groups() if g), *map(float, suffix or ()))
    return _TOP


def _in_a_block(ordinal: Ordinal) -> bool:
    return 0 < ordinal[0] < math.inf and ordinal[-1] != _WITH_FORMER
