"""Building of a small CLIP of random weights from open_clip's own classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, overload

from open_clip import CLIP, CLIPTextCfg, CLIPVisionCfg

from fdakit.model.clip_encoder import ClipEncoder
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Preprocess

from .folded_tokenizer import FoldedTokenizer
from .options import TinyOptions

E = TypeVar("E", bound=ClipEncoder)


@overload
def build_tiny(options: TinyOptions, shapes: BuildContext) -> ClipEncoder: ...
@overload
def build_tiny(options: TinyOptions, shapes: BuildContext, *, make: Callable[..., E]) -> E: ...
def build_tiny(
    options: TinyOptions, shapes: BuildContext, *, make: Callable[..., ClipEncoder] = ClipEncoder
) -> ClipEncoder:
    """Return a CLIP of the sizes in the options as an encoder, its random weights by torch's seed.

    `make` is `ClipEncoder` or what derives from it, called with that class's arguments.
    """
    clip = CLIP(
        embed_dim=options.embedding,
        vision_cfg=CLIPVisionCfg(
            image_size=options.image_size, patch_size=options.patch, width=options.width, layers=options.layers
        ),
        text_cfg=CLIPTextCfg(
            context_length=options.context_length,
            vocab_size=options.vocabulary,
            width=options.width,
            heads=options.width // 64,
            layers=options.text_layers,
        ),
    )
    return make(
        clip,
        tokenizer=FoldedTokenizer(options.vocabulary, options.context_length),
        preprocess=Preprocess(size=options.image_size, mean=options.mean, std=options.std),
        shapes=shapes,
        max_tokens=options.max_tokens,
        pretrained=False,
    )
