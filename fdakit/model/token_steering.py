"""Token steering of a visual tower: which tokens a fusion keeps, and where it directs attention.

Open_clip's own ViT and timm's ViT and EVA inside open_clip can be steered; for other towers `refusal` is the reason.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from fdakit.errors import PluginError
from fdakit.features import Fused


class KeepSlot(nn.Module):
    """Replaces a tower's patch dropout: given the tokens to keep, it keeps exactly those, once.

    timm's EVA also needs the kept positions, to gather its rotary embeddings.
    """

    def __init__(self, own: nn.Module | None, *, prefix: int, tells_positions: bool) -> None:
        super().__init__()
        self.own = own
        self.keep: torch.Tensor | None = None
        self._prefix = prefix
        self._tells_positions = tells_positions

    def forward(self, tokens: torch.Tensor) -> Any:
        """Reduce tokens `(n, prefix + grid, d)` to `(n, prefix + k, d)`."""
        if self.keep is None:
            if self.own is None:
                return (tokens, None) if self._tells_positions else tokens
            return self.own(tokens)
        places, self.keep = self.keep, None
        patches = tokens[:, self._prefix :]
        kept = patches.gather(1, places.unsqueeze(-1).expand(-1, -1, patches.shape[-1]))
        tokens = torch.cat((tokens[:, : self._prefix], kept), dim=1)
        return (tokens, places) if self._tells_positions else tokens


class TokenSteering:
    """The transformer blocks of a visual tower.

    `grid` is the token grid (rows, columns), `prefix` the number of tokens before it, `width` the token dimension,
    `layers` the number of blocks, `heads` that of attention heads. All are 0 for a tower whose tokens cannot be
    steered: `refusal` is the reason.
    """

    def __init__(self, visual: Any) -> None:
        self._name = type(getattr(visual, "trunk", visual)).__name__
        self._blocks: tuple[Any, ...] = ()
        self._slot: KeepSlot | None = None
        self.grid, self.prefix, self.width, self.heads = (0, 0), 0, 0, 0
        self.refusal = ""
        if hasattr(visual, "class_embedding") and hasattr(visual, "transformer"):
            self._take(
                visual, visual.transformer.resblocks, "patch_dropout", prefix=1, width=visual.transformer.width
            )
            self.grid = tuple(visual.grid_size)
        elif trunk := _steerable_timm(visual):
            self._take(trunk, trunk.blocks, "patch_drop", prefix=trunk.num_prefix_tokens, width=trunk.embed_dim)
            self.grid = tuple(trunk.patch_embed.grid_size)
        else:
            self.refusal = f"{self._name} is not a sequence of transformer blocks over one grid of tokens"

    @property
    def layers(self) -> int:
        """The number of blocks."""
        return len(self._blocks)

    def _take(self, owner: Any, blocks: Any, slot: str, *, prefix: int, width: int) -> None:
        own = getattr(owner, slot)
        tells = type(owner).__name__ == "Eva"
        idle = own is None or isinstance(own, nn.Identity)
        self._slot = KeepSlot(None if idle else own, prefix=prefix, tells_positions=tells)
        setattr(owner, slot, self._slot)
        self._blocks, self.prefix, self.width = tuple(blocks), prefix, int(width)
        self.heads = int(self._blocks[0].attn.num_heads)

    @contextmanager
    def steered(self, fused: Fused) -> Iterator[None]:
        """Make the tower's next pass inside this context keep `fused.keep` and add `fused.attention_bias`.

        Raises `PluginError` if the tower cannot, or shapes do not fit its grid.
        """
        bias, keep = fused.attention_bias, fused.keep
        asked = "attention_bias" if bias is not None else "keep" if keep is not None else ""
        if asked and self.refusal:
            raise PluginError(
                f"fusion asks for {asked}, but {self.refusal}; choose a ViT or EVA encoder, or a fusion such as "
                "alpha-conv"
            )
        with ExitStack() as stack:
            if keep is not None:
                stack.enter_context(self._keeping(keep))
            if bias is not None:
                stack.enter_context(self._attending(bias, fused.bias_from, keep))
            yield

    @contextmanager
    def _keeping(self, keep: torch.Tensor) -> Iterator[None]:
        tokens = self.grid[0] * self.grid[1]
        if keep.ndim != 2 or keep.dtype != torch.int64 or not 0 < keep.shape[1] <= tokens:
            raise PluginError(
                f"keep: found {keep.dtype} {tuple(keep.shape)}; wanted int64 (frames, k), k from 1 to {tokens}"
            )
        assert self._slot is not None
        self._slot.keep = keep
        try:
            yield
        finally:
            self._slot.keep = None

    @contextmanager
    def _attending(self, bias: torch.Tensor, first: int, keep: torch.Tensor | None) -> Iterator[None]:
        tokens = self.grid[0] * self.grid[1]
        if bias.ndim != 2 or bias.shape[1] != tokens or not 0 <= first <= self.layers:
            raise PluginError(
                f"attention_bias: found {tuple(bias.shape)} from block {first}; wanted (frames, {tokens}) and a "
                f"block from 0 to {self.layers}"
            )
        if keep is not None:
            bias = bias.gather(1, keep)
        bias = torch.cat((bias.new_zeros(len(bias), self.prefix), bias), dim=1)
        handles = [
            block.attn.register_forward_pre_hook(_adding(bias, block.attn), with_kwargs=True)
            for block in self._blocks[first:]
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


Hook = Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], tuple[tuple[Any, ...], dict[str, Any]]]


def _adding(bias: torch.Tensor, attention: nn.Module) -> Hook:
    """Return a hook that passes `bias (n, keys)` to an attention layer in the shape that it expects."""
    packed = isinstance(attention, nn.MultiheadAttention)
    name, shaped = ("key_padding_mask", bias) if packed else ("attn_mask", bias[:, None, None])

    def hand_over(
        module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return args, {**kwargs, name: shaped.to(args[0].dtype)}

    return hand_over


def _steerable_timm(visual: Any) -> Any:
    """Return the trunk if it is timm's and its blocks pass a mask on to their attention."""
    trunk: Any = getattr(visual, "trunk", None)
    if not all(hasattr(trunk, name) for name in ("blocks", "patch_drop", "num_prefix_tokens")):
        return None
    blocks = list(trunk.blocks)
    takes = (hasattr(b, "attn") and "attn_mask" in inspect.signature(b.attn.forward).parameters for b in blocks)
    return trunk if blocks and all(takes) else None
