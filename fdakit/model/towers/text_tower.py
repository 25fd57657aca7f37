"""The text tower of an open_clip model as a function of token ids: one vector a text, and its token states.

Source: `open_clip.model.CLIP.encode_text` and `open_clip.transformer.TextTransformer.forward`, whose steps these are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from fdakit.errors import PluginError

from .tower_inputs import is_of


def encode_token_ids(clip: Any, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return vectors `(q, d)` of `ids (q, l)`, those of `clip.encode_text`, and the token states `(q, l, d)`.

    The states are those of the last block in the embedding space: normalised by the tower's last norm and projected
    as the vector is. None for a tower whose code fdakit does not know, such as one of transformers.
    """
    if is_of(clip, "open_clip", "CLIP"):
        return _encode_clip(clip, ids)
    known = is_of(clip, "open_clip", "CustomTextCLIP", "CoCa")
    if not (known and is_of(clip.text, "open_clip", "TextTransformer")):
        return clip.encode_text(ids), None
    vectors, tokens = _encode_transformer(clip.text, ids)
    if is_of(clip, "open_clip", "CoCa"):  # its encode_text gives unit vectors
        vectors = nn.functional.normalize(vectors, dim=-1)
    return vectors, tokens


def text_blocks(clip: Any) -> Sequence[nn.Module]:
    """Return the transformer blocks of a text tower from the bottom; empty if its code is not known."""
    if is_of(clip, "open_clip", "CLIP"):
        return list(clip.transformer.resblocks)
    known = is_of(getattr(clip, "text", None), "open_clip", "TextTransformer")
    return list(clip.text.transformer.resblocks) if known else ()


def text_positions(clip: Any) -> torch.Tensor | None:
    """Return the position embedding `(l, w)` of a text tower; None if its code is not known."""
    tower = clip if is_of(clip, "open_clip", "CLIP") else getattr(clip, "text", None)
    positions: torch.Tensor | None = getattr(tower, "positional_embedding", None) if text_blocks(clip) else None
    return positions


def set_text_checkpointing(clip: Any, enable: bool) -> None:
    """Compute activations of a text tower again in the backward pass, or keep them.

    Raises `PluginError` if the tower cannot.
    """
    if is_of(clip, "open_clip", "CLIP"):
        clip.transformer.grad_checkpointing = enable
        return
    inner: Any = getattr(clip.text, "transformer", None)
    new = hasattr(inner, "activation_checkpointing_enable")  # of transformers from 5 on
    name = "activation_checkpointing" if new else "gradient_checkpointing"
    try:
        if not hasattr(inner, f"{name}_enable"):
            clip.text.set_grad_checkpointing(enable)
        elif enable:  # without this, an older one takes a way that loses the gradient of what follows frozen weights
            getattr(inner, f"{name}_enable")({"use_reentrant": False})
        else:
            getattr(inner, f"{name}_disable")()
    except (AttributeError, ValueError) as error:
        name = type(clip.text if inner is None else inner).__name__
        raise PluginError(f"{name} cannot compute its activations again in the backward pass ({error})") from error


def _encode_clip(clip: Any, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    dtype = clip.transformer.get_cast_dtype()
    x = clip.token_embedding(ids).to(dtype) + clip.positional_embedding.to(dtype)
    x = clip.ln_final(clip.transformer(x, attn_mask=clip.attn_mask))
    vectors = _pool(x, ids, clip.text_pool_type, getattr(clip, "text_eos_id", None))
    return _project(clip, vectors), _project(clip, x)


def _encode_transformer(text: Any, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    x, mask = text._embeds(ids)
    x = text.transformer(x, attn_mask=mask)
    if text.cls_emb is not None:  # CoCa appends its class token, and normalises after pooling
        return _project(text, text.ln_final(x[:, -1])), _project(text, text.ln_final(x[:, :-1]))
    x = text.ln_final(x)
    vectors = _pool(x, ids, text.pool_type, getattr(text, "eos_id", None))
    return _project(text, vectors), _project(text, x)


def _pool(x: torch.Tensor, ids: torch.Tensor, pool_type: str, end: int | None) -> torch.Tensor:
    from open_clip.transformer import text_global_pool

    vectors: torch.Tensor = text_global_pool(x, ids, pool_type, eos_token_id=end)
    return vectors


def _project(tower: Any, x: torch.Tensor) -> torch.Tensor:
    projection = tower.text_projection
    if projection is None:
        return x
    projected: torch.Tensor = projection(x) if isinstance(projection, nn.Linear) else x @ projection
    return projected
