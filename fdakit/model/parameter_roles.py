"""What every weight is to training: its name, its role, and how deep it lies in its tower.

| role | weights |
|---|---|
| `stem` | the convolutions of the visual tower that read RGB |
| `alpha-path` | the fusion |
| `visual-trunk` | the rest of the visual tower; all of an encoder that does not tell its parts apart |
| `prompts` | tokens that a method adds to those of the frames |
| `text-tower` | the text tower |
| `aggregator` | the aggregator |
| `matcher` | the matcher |
| `mask` | a mask that works on the device |
| `objective` | what an objective brings along, but its scale |
| `logit-scale` | weights called `logit_scale` or `logit_bias`, of objectives and of an open_clip model |

An encoder of your own may offer `parameter_role(name) -> role`, asked for each of its weights by its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from fdakit.choices import ROLES, Role
from fdakit.errors import PluginError, attribute_errors, nearest
from fdakit.plugin.abilities import NamesRoles

from .clip_encoder import ClipEncoder
from .layer_depth import SCALES, Depth, TowerLayers, clip_towers
from .retriever import Retriever

_OWN: Mapping[str, Role] = {
    "fusion": "alpha-path",
    "aggregator": "aggregator",
    "matcher": "matcher",
    "mask": "mask",
}


@dataclass(frozen=True)
class Weight:
    """One weight: full name, as `encoder.clip.visual.conv1.weight` or `objective.0.logit_scale`, and role.

    `depth` is None outside the towers, and where nothing tells how deep a weight lies.
    """

    name: str
    role: Role
    value: nn.Parameter
    depth: Depth | None = None


def list_weights(retriever: Retriever, objectives: Sequence[Any] = ()) -> tuple[Weight, ...]:
    """Return every weight of a retriever and its objectives once, in the order of the modules.

    Raises `PluginError` if an encoder's `parameter_role` gives no role.
    """
    depths: dict[str, Depth] = {}
    for tower in towers_of(retriever):
        depths |= tower.depths()
    found: dict[int, Weight] = {}
    for name, value in _named(retriever, objectives):
        found.setdefault(id(value), Weight(name, _role(retriever, name), value, depths.get(name)))
    return tuple(found.values())


def towers_of(retriever: Retriever) -> tuple[TowerLayers, ...]:
    """Return the towers whose layers can be told: those of a `ClipEncoder`; their weights carry full names."""
    encoder = retriever.encoder
    return clip_towers(encoder.clip, prefix="encoder.clip.") if isinstance(encoder, ClipEncoder) else ()


def _named(retriever: Retriever, objectives: Sequence[Any]) -> Iterator[tuple[str, nn.Parameter]]:
    yield from retriever.named_parameters()
    for number, objective in enumerate(objectives):
        if isinstance(objective, nn.Module):
            yield from ((f"objective.{number}.{name}", value) for name, value in objective.named_parameters())


def _role(retriever: Retriever, name: str) -> Role:
    part, _, inner = name.partition(".")
    if part == "objective":
        return "logit-scale" if name.rpartition(".")[2] in SCALES else "objective"
    if part in _OWN:
        return _OWN[part]
    encoder = retriever.encoder
    if not isinstance(encoder, NamesRoles):
        return "visual-trunk"
    label = retriever.labels["encoder"]
    with attribute_errors(label, "in parameter_role"):
        role = encoder.parameter_role(inner)
    if role not in ROLES:
        raise PluginError(f"{label}: parameter_role({inner!r}) gave {role!r}; {nearest(str(role), ROLES)}")
    return role
