"""Freezing: by role, by depth in the towers, and the running statistics that belong to frozen weights.

`clip4clip` is the rule of CLIP4Clip (arXiv 2104.08860, its code with `freeze_layer_num` 0) stated by depth: what is
below the first block of a tower is frozen, blocks and what follows them train, and so does everything outside the
towers, including the alpha path.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from fdakit.errors import RecipeError
from fdakit.model.parameter_roles import Weight
from fdakit.model.retriever import Retriever
from fdakit.settings import TrainSettings

_TOWER = ("stem", "visual-trunk", "text-tower")


def freeze(weights: Sequence[Weight], train: TrainSettings, *, encoder: str) -> None:
    """Disable the gradient of every weight that `[train]` freezes.

    `encoder` is its label for errors. Raises `RecipeError` if depths are required but unknown, or more blocks than a
    tower has.
    """
    _check_depths(weights, train, encoder)
    for weight in weights:
        if _stays(weight, train):
            weight.value.requires_grad_(False)


def _stays(weight: Weight, train: TrainSettings) -> bool:
    if weight.role in train.freeze:
        return True
    if weight.depth is None:
        return False
    below = train.freeze_rule == "clip4clip" and weight.depth.layer == 0
    return below or 0 < weight.depth.block <= train.freeze_blocks


def _check_depths(weights: Sequence[Weight], train: TrainSettings, encoder: str) -> None:
    asked = {
        "freeze_rule": train.freeze_rule != "none",
        "freeze_blocks": train.freeze_blocks > 0,
        "layer_decay": train.layer_decay < 1,
    }
    concerned = [weight for weight in weights if weight.role in _TOWER and weight.role not in train.freeze]
    unknown = [weight.name for weight in concerned if weight.depth is None]
    if unknown and any(asked.values()):
        keys = ", ".join(f"train.{key}" for key, wanted in asked.items() if wanted)
        raise RecipeError(
            f"{keys}: nothing tells how deep {unknown[0]!r} lies in {encoder}; leave it out, or choose an encoder "
            "with towers of open_clip or timm, or freeze that role whole with train.freeze"
        )
    blocks: dict[str, int] = {}  # for towers whose blocks are not frozen by role
    for depth in (weight.depth for weight in concerned):
        if depth is not None and depth.block:
            blocks[depth.tower] = max(blocks.get(depth.tower, 0), depth.block)
    faults = [
        f"train.freeze_blocks: found {train.freeze_blocks}; the {tower} has {count} blocks; set at most {count}, or "
        "freeze it whole with train.freeze"
        for tower, count in blocks.items()
        if count < train.freeze_blocks
    ]
    if faults:
        raise RecipeError(faults)


def check_chunks(retriever: nn.Module, train: TrainSettings, *, ranks: int = 1) -> None:
    """Raise `RecipeError` if a batch norm that trains would see the statistics of a chunk instead of the batch's.

    That of the aggregator and of objectives sees the whole batch.
    """
    in_chunks = train.micro_batch is not None and train.micro_batch < train.batch_size
    if not in_chunks and ranks == 1:
        return
    found = f"train.micro_batch: found {train.micro_batch}" if in_chunks else f"torchrun: found {ranks} processes"
    remedy = "leave train.micro_batch out" if ranks == 1 else "train in one process without train.micro_batch"
    towers = {name: part for name, part in retriever.named_children() if name in ("encoder", "fusion", "mask")}
    still = {id(norm) for norm in frozen_batch_norms(towers.values())}
    for name, part in towers.items():
        trained = [
            n for n, module in part.named_modules() if isinstance(module, _BatchNorm) and id(module) not in still
        ]
        if trained:
            raise RecipeError(
                f"{found}, but {name}.{trained[0]} is a batch norm that trains, and would see the statistics of a "
                f"chunk; {remedy}, or freeze its role"
            )


def warn_of_blocked(retriever: Retriever) -> None:
    """Warn of a fusion or mask whose weights would train if a gradient could pass the encoder's uint8 pixels."""
    if retriever.encoder.pixel_form != "uint8":
        return
    for kind in ("fusion", "mask"):
        part = getattr(retriever, kind)
        if isinstance(part, nn.Module) and any(weight.requires_grad for weight in part.parameters()):
            warnings.warn(
                f"{retriever.labels[kind]}: its weights stay as they are, as no gradient passes the uint8 pixels "
                f"that {retriever.labels['encoder']} takes; choose an encoder of 'unit' or 'normalised' pixels",
                stacklevel=2,
            )


def frozen_batch_norms(modules: Iterable[nn.Module]) -> list[nn.Module]:
    """Return the batch norms with frozen weights, whose running statistics would still change in training.

    One without weights of its own follows the nearest enclosing module that has some.
    """
    found: list[nn.Module] = []
    for module in modules:
        named = dict(module.named_modules())
        found += [norm for name, norm in named.items() if isinstance(norm, _BatchNorm) and _frozen(name, named)]
    return found


def _frozen(name: str, named: dict[str, nn.Module]) -> bool:
    while not (weights := list(named[name].parameters())):
        if not name:
            return False
        name = name.rpartition(".")[0]
    return not any(weight.requires_grad for weight in weights)
