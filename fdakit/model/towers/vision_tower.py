"""A vision tower as one function of its inputs: image, maps of a fusion, bias of attention, tokens to keep.

Open_clip's own ViT, and timm's ViT and EVA inside open_clip, are steps of this package: nothing is handed over
through modules, so that `torch.compile` makes one graph of a pass. Any other tower runs its own forward pass, see
`HookedTower`. Which one a tower is, is decided by exact classes and confirmed by one image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from fdakit.errors import PluginError
from fdakit.features import FusionOutput

from .hooked_tower import HookedTower
from .open_clip_vit import OpenClipVit, refuse_vit
from .stem import Probe, TowerStem, probe_tower, still
from .timm_vit import TimmVit, refuse_timm
from .tower_inputs import TokenSteps, TowerInputs, is_of

Family = OpenClipVit | TimmVit | HookedTower


class VisionTower:
    """The visual tower of an open_clip model, whose images have `size` pixels a side.

    `stem` is what a fusion sees of it. `grid` is the token grid (rows, columns), `prefix` the number of tokens before
    it, `width` the token dimension, `layers` the number of blocks, `heads` that of attention heads. All are 0 for a
    tower whose tokens cannot be steered: `refusal` is the reason. `accepts` names what `forward` takes of a
    fusion, `takes_steps` whether it takes `steps`. Raises `PluginError` if the tower cannot encode such images.
    """

    def __init__(self, visual: Any, *, size: int) -> None:
        probe = probe_tower(visual, size=size)
        self.stem = TowerStem(visual, probe)
        self._family, self.refusal = _choose(visual, self.stem, probe)
        family = self._family
        self.grid, self.prefix, self.width = family.grid, family.prefix, family.width
        self.layers, self.heads = family.layers, family.heads
        self.accepts = _accepted(self.stem, family)
        self.takes_steps = isinstance(family, OpenClipVit)
        self._visual = visual
        self._name = type(getattr(visual, "trunk", visual)).__name__

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """The transformer blocks from the bottom; empty if the tower's code is not known."""
        return self._family.blocks

    def set_grad_checkpointing(self, enable: bool) -> None:
        """Compute activations again in the backward pass, or keep them. Raises `PluginError` if the tower cannot."""
        trunk = getattr(self._visual, "trunk", self._visual)
        try:
            if is_of(trunk, "open_clip", "ModifiedResNet"):
                raise NotImplementedError("open_clip's method for it does nothing")
            trunk.set_grad_checkpointing(enable)
        except (AttributeError, AssertionError, NotImplementedError, TypeError, ValueError) as error:
            raise PluginError(
                f"{type(trunk).__name__} cannot compute its activations again in the backward pass ({error})"
            ) from error

    def forward(
        self,
        pixels: torch.Tensor,
        *,
        features: tuple[torch.Tensor, ...] | None = None,
        attention_bias: torch.Tensor | None = None,
        bias_from: int = 0,
        keep: torch.Tensor | None = None,
        keep_counts: torch.Tensor | None = None,
        steps: TokenSteps | None = None,
    ) -> torch.Tensor:
        """Return vectors `(n, d)` of `pixels (n, 3, h, w)` normalised.

        `features` hold one map `(n, d, gh, gw)` for each convolution of the stem, in place of its own. Only the grid
        positions `keep (n, k)` int64, ascending, go through the blocks; with `keep_counts (n,)` the first so many of
        each row, frames of one count together, which waits for the device. `attention_bias (n, gh * gw)` is added to
        the attention logits of those keys, from block `bias_from` on. `steps` is called between the steps of
        open_clip's own ViT. Raises `PluginError` if the tower cannot, or shapes do not fit it.
        """
        if features is not None and len(features) != len(self.stem.convolutions):
            raise PluginError(
                f"fusion gave {len(features)} maps; this stem has {len(self.stem.convolutions)} convolutions"
            )
        asked = "attention_bias" if attention_bias is not None else "keep" if keep is not None else ""
        if asked and self.refusal:
            raise PluginError(
                f"fusion asks for {asked}, but {self.refusal}; choose a ViT or EVA encoder, or a fusion such as "
                "alpha-conv"
            )
        if keep is not None:
            self._check_keep(keep)
        bias = None if attention_bias is None else self._bias_keys(attention_bias, bias_from, keep)
        if steps is not None and not self.takes_steps:
            raise PluginError(f"{self._name} is not open_clip's own ViT, the only one between whose steps others fit")
        inputs = TowerInputs(pixels, features, keep, bias, bias_from, steps)
        if keep_counts is None:
            return self._family(inputs)
        if steps is not None:
            raise PluginError("fusion keeps other numbers of patches of other frames, which steps cannot take")
        return self._by_count(inputs, keep_counts)

    def _by_count(self, inputs: TowerInputs, counts: torch.Tensor) -> torch.Tensor:
        """Return vectors of frames of which the first `counts (n,)` of their kept positions stay."""
        assert inputs.keep is not None
        longest, numbers = inputs.keep.shape[1], counts.tolist()
        if not all(0 < number <= longest for number in numbers):
            raise PluginError(f"keep_counts: from {min(numbers)} to {max(numbers)}; wanted 1 to {longest}")
        found, rows = [], []
        for number in sorted(set(numbers)):
            rows.append((counts == number).nonzero().squeeze(1))
            found.append(self._family(inputs.rows(rows[-1], number, prefix=self.prefix)))
        return torch.cat(found)[torch.cat(rows).argsort()]

    def _check_keep(self, keep: torch.Tensor) -> None:
        tokens = self.grid[0] * self.grid[1]
        if keep.ndim != 2 or keep.dtype != torch.int64 or not 0 < keep.shape[1] <= tokens:
            raise PluginError(
                f"keep: found {keep.dtype} {tuple(keep.shape)}; wanted int64 (frames, k), k from 1 to {tokens}"
            )

    def _bias_keys(self, bias: torch.Tensor, first: int, keep: torch.Tensor | None) -> torch.Tensor:
        """Return the bias `(n, keys)` of the sequence's tokens: 0 for the prefix, then that of the kept patches."""
        tokens = self.grid[0] * self.grid[1]
        if bias.ndim != 2 or bias.shape[1] != tokens or not 0 <= first <= self.layers:
            raise PluginError(
                f"attention_bias: found {tuple(bias.shape)} from block {first}; wanted (frames, {tokens}) and a "
                f"block from 0 to {self.layers}"
            )
        if keep is not None:
            bias = bias.gather(1, keep)
        return torch.cat((bias.new_zeros(len(bias), self.prefix), bias), dim=1)


def _accepted(stem: TowerStem, family: Family) -> frozenset[FusionOutput]:
    accepted: set[FusionOutput] = {"pixels"}
    if stem.convolutions:
        accepted.add("stem")
    if family.layers:
        accepted.update(("attention_bias", "keep"))
    return frozenset(accepted)


def _choose(visual: Any, stem: TowerStem, probe: Probe) -> tuple[Family, str]:
    """Return the family of a tower, and why its tokens cannot be steered if they cannot."""
    wrapped = is_of(visual, "open_clip", "TimmModel")
    refusal = refuse_timm(visual) if wrapped else refuse_vit(visual, stem)
    if not refusal:
        family = TimmVit(visual, stem) if wrapped else OpenClipVit(visual)
        if _agrees(family, visual, stem, probe):
            return family, ""
        refusal = f"{type(visual).__name__} is not computed by the steps that fdakit knows, in the version installed"
    return HookedTower(visual, stem), refusal


def _agrees(family: Family, visual: Any, stem: TowerStem, probe: Probe) -> bool:
    """Return whether the steps give the tower's own vectors of the image: another version may compute otherwise."""
    with still(visual):
        maps = stem(probe.picture) if stem.convolutions else None
        found = family(TowerInputs(probe.picture, maps))
    own = probe.vectors
    return found.shape == own.shape and torch.allclose(found, own, rtol=1e-4, atol=1e-5, equal_nan=True)
