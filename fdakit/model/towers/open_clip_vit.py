"""The forward pass of open_clip's own vision transformer, as a function of its inputs.

Source: `open_clip.transformer.VisionTransformer`, whose steps these are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

import torch
from torch import nn
from torch.nn.functional import pad
from torch.utils.checkpoint import checkpoint

from .stem import TowerStem
from .tower_inputs import TokenSteps, TowerInputs, is_of, keep_tokens


class OpenClipVit:
    """open_clip's ViT; `refuse_vit` says whether a tower is one."""

    prefix = 1

    def __init__(self, visual: Any) -> None:
        self._visual = visual
        self.grid = (int(visual.grid_size[0]), int(visual.grid_size[1]))
        self.width = int(visual.transformer.width)
        self.layers = len(visual.transformer.resblocks)
        self.heads = int(visual.transformer.resblocks[0].attn.num_heads)

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """The transformer blocks, from the bottom."""
        return list(self._visual.transformer.resblocks)

    @cached_property
    def _compiled_packed_block(self) -> Callable[..., torch.Tensor]:
        """`_run_packed_block` for blocks that were compiled: it calls their parts, and so not what was compiled."""
        compiled: Callable[..., torch.Tensor] = torch.compile(_run_packed_block, dynamic=True)
        return compiled

    def __call__(self, inputs: TowerInputs) -> torch.Tensor:
        """Return vectors `(n, d)`."""
        transformer = self._visual.transformer
        x = self._embed(inputs)
        if inputs.steps is not None:
            return self._project(self._run_steps(x, inputs, inputs.steps))
        for index, block in enumerate(transformer.resblocks):
            x = self._run_block(block, x, inputs.bias_of(index), replay=transformer.grad_checkpointing)
        return self._project(x)

    def _project(self, x: torch.Tensor) -> torch.Tensor:
        visual = self._visual
        vectors: torch.Tensor = visual._pool(x)[0]
        return vectors if visual.proj is None else vectors @ visual.proj

    def _run_steps(self, x: torch.Tensor, inputs: TowerInputs, steps: TokenSteps) -> torch.Tensor:
        """Run the blocks with what a method does before each attention; compiled blocks are not called."""
        transformer = self._visual.transformer
        x = steps.begin(x)
        for index, block in enumerate(transformer.resblocks):
            bias = inputs.bias_of(index)
            if bias is not None:
                bias = pad(bias.to(x.dtype), (0, x.shape[1] - bias.shape[1]))
            arguments = (block, x, bias, partial(steps.before_attention, block=index))
            replay = transformer.grad_checkpointing
            x = checkpoint(_run_stepped, *arguments, use_reentrant=False) if replay else _run_stepped(*arguments)
        return steps.end(x)

    def _embed(self, inputs: TowerInputs) -> torch.Tensor:
        visual = self._visual
        maps = visual.conv1(inputs.pixels) if inputs.maps is None else inputs.maps[0]
        x = maps.flatten(2).permute(0, 2, 1)
        class_token = visual.class_embedding.view(1, 1, -1).expand(len(x), -1, -1)
        x = torch.cat((class_token.to(x.dtype), x), dim=1)
        x = x + visual.positional_embedding.to(x.dtype)
        x = visual.patch_dropout(x) if inputs.keep is None else keep_tokens(x, inputs.keep, prefix=1)
        tokens: torch.Tensor = visual.ln_pre(x)
        return tokens

    def _run_block(self, block: Any, x: torch.Tensor, bias: torch.Tensor | None, *, replay: bool) -> torch.Tensor:
        call, arguments = block, [x]
        if bias is not None:
            call, arguments = self._biased(block), [block, x, bias.to(x.dtype)]
        result: torch.Tensor = checkpoint(call, *arguments, use_reentrant=False) if replay else call(*arguments)
        return result

    def _biased(self, block: Any) -> Callable[..., torch.Tensor]:
        """Return what runs a block with a bias on the keys of its attention."""
        if not isinstance(block.attn, nn.MultiheadAttention):
            return _run_masked_block
        return _run_packed_block if block._compiled_call_impl is None else self._compiled_packed_block


def _run_packed_block(block: Any, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Run a block of `nn.MultiheadAttention`, which takes a bias on keys as a mask of padding, not copied by query.

    The block's own forward has no argument for it, so hooks on the block itself do not run.
    """
    y = block.ln_1(x)
    x = x + block.ls_1(block.attn(y, y, y, need_weights=False, key_padding_mask=bias)[0])
    result: torch.Tensor = x + block.ls_2(block.mlp(block.ln_2(x)))
    return result


def _run_masked_block(block: Any, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = block(x, attn_mask=bias[:, None, None])
    return result


def _run_stepped(
    block: Any, x: torch.Tensor, bias: torch.Tensor | None, change: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Run a block whose attention sees what `change` makes of its normalised input `(n, s, w)`."""
    y = change(block.ln_1(x))
    if isinstance(block.attn, nn.MultiheadAttention):
        seen = block.attn(y, y, y, need_weights=False, key_padding_mask=bias)[0]
    else:
        seen = block.ln_attn(block.attn(y, attn_mask=None if bias is None else bias[:, None, None]))
    x = x + block.ls_1(seen)
    result: torch.Tensor = x + block.ls_2(block.mlp(block.ln_2(x)))
    return result


def refuse_vit(visual: Any, stem: TowerStem) -> str:
    """Return why a tower is not open_clip's ViT as this module knows it; empty if it is."""
    if not is_of(visual, "open_clip", "VisionTransformer"):
        return f"{type(visual).__name__} is not a sequence of transformer blocks over one grid of tokens"
    transformer = visual.transformer
    blocks = list(getattr(transformer, "resblocks", ()))
    known = (
        is_of(transformer, "open_clip", "Transformer")
        and transformer.batch_first
        and blocks
        and all(_is_known(block) for block in blocks)
        and [id(module) for module in stem.modules] == [id(visual.conv1)]
        and hasattr(visual, "_pool")
    )
    return "" if known else f"{type(visual).__name__} is not built of the blocks that fdakit knows"


def _is_known(block: Any) -> bool:
    if is_of(block, "open_clip", "ResidualAttentionBlock"):
        packed = block.attn
        return type(packed) is nn.MultiheadAttention and packed.batch_first and not hasattr(block, "ln_1_kv")
    return is_of(block, "open_clip", "CustomResidualAttentionBlock") and is_of(block.attn, "open_clip", "Attention")
