"""The forward passes of timm's ViT and EVA inside open_clip, as functions of their inputs.

Source: `timm.models.vision_transformer.VisionTransformer` and `timm.models.eva.Eva`, whose steps these are.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from .stem import TowerStem, hand_over
from .tower_inputs import TowerInputs, is_of, keep_tokens

_BLOCKS = {"VisionTransformer": ("Block", "ResPostBlock"), "Eva": ("EvaBlock", "EvaBlockPostNorm")}
_ATTENTION = ("Attention", "EvaAttention", "AttentionRope")


class TimmVit:
    """timm's ViT or EVA; `refuse_timm` says whether a tower is one.

    Maps of a fusion replace the stem of a plain patch embedding. Behind several convolutions (MobileCLIP, ViTamin)
    they are handed over by hooks for that pass, as in `HookedTower`; the blocks need none.
    """

    def __init__(self, visual: Any, stem: TowerStem) -> None:
        trunk = visual.trunk
        self._visual = visual
        self._stem = stem
        self._is_eva = is_of(trunk, "timm", "Eva")
        self._plain = _replaces_stem(trunk.patch_embed, stem)
        self.grid = (int(trunk.patch_embed.grid_size[0]), int(trunk.patch_embed.grid_size[1]))
        self.prefix = int(trunk.num_prefix_tokens)
        self.width = int(trunk.embed_dim)
        self.layers = len(trunk.blocks)
        self.heads = int(trunk.blocks[0].attn.num_heads)

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """The transformer blocks, from the bottom."""
        return list(self._visual.trunk.blocks)

    def __call__(self, inputs: TowerInputs) -> torch.Tensor:
        """Return vectors `(n, d)`."""
        trunk = self._visual.trunk
        x = self._patches(inputs)
        x, rope = _embed_eva(trunk, x, inputs.keep) if self._is_eva else (_embed_vit(trunk, x, inputs.keep), None)
        x = trunk.norm_pre(x)
        mixed = getattr(trunk, "rope_mixed", False)
        for index, block in enumerate(trunk.blocks):
            named: dict[str, Any] = {} if rope is None else {"rope": rope[index] if mixed else rope}
            bias = inputs.bias_of(index)
            if bias is not None:
                named["attn_mask"] = bias.to(x.dtype)[:, None, None]
            x = checkpoint(block, x, use_reentrant=False, **named) if trunk.grad_checkpointing else block(x, **named)
        vectors: torch.Tensor = self._visual.head(trunk.forward_head(trunk.norm(x)))
        return vectors

    def _patches(self, inputs: TowerInputs) -> torch.Tensor:
        embed = self._visual.trunk.patch_embed
        patches: torch.Tensor
        if inputs.maps is None:
            patches = embed(inputs.pixels)
        elif self._plain:
            patches = embed.norm(inputs.maps[0].flatten(2).transpose(1, 2))
        else:
            with hand_over(self._stem.modules, inputs.maps):
                patches = embed(inputs.pixels)
        return patches


def _replaces_stem(embed: Any, stem: TowerStem) -> bool:
    """Return whether a patch embedding is one convolution, so that maps replace it."""
    plain = is_of(embed, "timm", "PatchEmbed") and embed.flatten and not embed.dynamic_img_pad
    return bool(plain) and [id(module) for module in stem.modules] == [id(embed.proj)]


def _embed_vit(trunk: Any, patches: torch.Tensor, keep: torch.Tensor | None) -> torch.Tensor:
    x: torch.Tensor = trunk._pos_embed(patches)
    if keep is None:
        dropped: torch.Tensor = trunk.patch_drop(x)
        return dropped
    return keep_tokens(x, keep, prefix=trunk.num_prefix_tokens)


def _embed_eva(
    trunk: Any, patches: torch.Tensor, keep: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return tokens and rotary embedding. With `keep`, the steps of EVA's `_pos_embed` but for its patch dropout."""
    if keep is None:
        dropped: tuple[torch.Tensor, torch.Tensor | None] = trunk._pos_embed(patches)
        return dropped
    x, position = patches, trunk.pos_embed
    if position is not None and trunk.no_embed_class:
        x = x + position
    own = [token.expand(len(x), -1, -1) for token in (trunk.cls_token, trunk.reg_token) if token is not None]
    x = torch.cat((*own, x), dim=1)
    if position is not None and not trunk.no_embed_class:
        x = x + position
    tokens = keep_tokens(trunk.pos_drop(x), keep, prefix=trunk.num_prefix_tokens)
    return tokens, None if trunk.rope is None else _keep_rope(trunk, tokens, keep)


def _keep_rope(trunk: Any, tokens: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
    from timm.layers import apply_keep_indices_nlc

    sized = hasattr(trunk.rope, "feat_shape")
    rope = trunk.rope.get_embed() if sized else trunk.rope.get_embed(shape=trunk.patch_embed.grid_size)
    kept: torch.Tensor = apply_keep_indices_nlc(tokens, rope, keep)
    return kept.transpose(0, 1) if getattr(trunk, "rope_mixed", False) else kept.unsqueeze(1)


def refuse_timm(visual: Any) -> str:
    """Return why a tower is not timm's ViT or EVA as this module knows them; empty if it is."""
    trunk = getattr(visual, "trunk", None)
    name = type(visual if trunk is None else trunk).__name__
    if not (is_of(visual, "open_clip", "TimmModel") and is_of(trunk, "timm", *_BLOCKS)):
        return f"{name} is not a sequence of transformer blocks over one grid of tokens"
    assert trunk is not None
    blocks = list(trunk.blocks)
    known = all(
        is_of(block, "timm", *_BLOCKS[name]) and is_of(block.attn, "timm", *_ATTENTION) and _takes_mask(block)
        for block in blocks
    )
    if not blocks or not known:
        return f"{name} is not built of the blocks that fdakit knows"
    return f"{name} is not of one image size, and so of no fixed grid of tokens" if trunk.dynamic_img_size else ""


def _takes_mask(block: Any) -> bool:
    return all("attn_mask" in inspect.signature(module.forward).parameters for module in (block, block.attn))
