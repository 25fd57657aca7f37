"""The CLIP encoder: an open_clip model, its towers run by `towers/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fdakit.choices import Role
from fdakit.features import ClipBatch, Fused, PixelForm, TextFeatures, VideoFeatures
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Fuse, Preprocess, TextRole

from .layer_depth import clip_role
from .tokens.clip_tokeniser import ClipTokeniser
from .towers.quick_gelu import keep_less
from .towers.stem import TowerStem
from .towers.text_tower import encode_token_ids, set_text_checkpointing, text_blocks, text_positions
from .towers.tower_inputs import TokenSteps
from .towers.vision_tower import VisionTower
from .weight_formats import ClipWeights
from .weight_loading import load_towers


class ClipEncoder(nn.Module):
    """Any open_clip model as an fdakit encoder: frames through its visual tower, texts through its text tower.

    `tokenizer` is open_clip's for the model; `max_tokens` truncates captions earlier than the context length does;
    `pretrained` is false if the weights are random. The logit scale of the model is only read: training has its own,
    in the objective. Frames are encoded one by one; texts have no role.
    """

    pixel_form: PixelForm = "normalised"
    frame_count: int | None = None

    def __init__(
        self,
        clip: nn.Module,
        *,
        tokenizer: Any,
        preprocess: Preprocess,
        shapes: BuildContext,
        max_tokens: int | None = None,
        pretrained: bool = True,
    ) -> None:
        super().__init__()
        self.clip = clip
        self.pretrained = pretrained
        self.tokenizer = tokenizer
        self.preprocess = preprocess
        self.former_preprocess: Preprocess | None = None
        self.alpha_weights: tuple[torch.Tensor, ...] = ()
        keep_less(clip)
        self._tower = VisionTower(clip.visual, size=preprocess.size)
        self.accepts = self._tower.accepts
        self.context_length = int(getattr(clip, "context_length", tokenizer.context_length))
        self.max_tokens = min(max_tokens or self.context_length, self.context_length)
        self.shapes = self._measure(shapes)
        scale: Any = clip.logit_scale
        scale.requires_grad_(False)
        if getattr(clip, "logit_bias", None) is not None:
            clip.logit_bias.requires_grad_(False)

    @property
    def stem(self) -> TowerStem:
        """The convolutions of the visual tower that read RGB, as a fusion is given them."""
        return self._tower.stem

    @property
    def takes_steps(self) -> bool:
        """Whether `encode_images` takes `steps`: the visual tower is open_clip's own ViT."""
        return self._tower.takes_steps

    @property
    def logit_scale(self) -> float:
        """The natural logarithm of the factor the model was trained with."""
        scale: Any = self.clip.logit_scale
        return float(scale.detach())

    def _measure(self, shapes: BuildContext) -> BuildContext:
        tower, size = self._tower, self.preprocess.size
        stem = tower.stem.convolutions
        grid, width = tower.grid, tower.width
        if stem and not tower.layers:
            grid, width = (size // stem[0].stride[0], size // stem[0].stride[1]), stem[0].channels
        return replace(
            shapes,
            image_size=size,
            grid=grid,
            prefix_tokens=tower.prefix,
            width=width,
            embedding=int(self.encode_texts(["a"]).vectors.shape[1]),
            layers=tower.layers,
            heads=tower.heads,
            context_length=self.context_length,
            vocabulary=int(getattr(self.clip, "vocab_size", 0)),
            stem=stem,
        )

    def load(self, weights: ClipWeights, *, where: Path) -> None:
        """Load the towers of a weights file; its alpha convolution, if any, is held for the fusion.

        A file with only a visual tower replaces that tower. Raises `CheckpointError`, changing nothing, if the
        weights are of another architecture.
        """
        load_towers(self.clip, weights, where=where)
        self.alpha_weights = weights.alpha or self.alpha_weights

    def parameter_role(self, name: str) -> Role:
        """Return the role of a weight of this encoder in training: stem, tower or scale."""
        return clip_role(name.removeprefix("clip."), stem=[stem.name for stem in self.shapes.stem])

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Compute the activations of the blocks of both towers again in the backward pass, or keep them.

        Raises `PluginError` for a tower that cannot, such as open_clip's ResNet.
        """
        self._tower.set_grad_checkpointing(enable)
        set_text_checkpointing(self.clip, enable)

    def blocks(self) -> list[nn.Module]:
        """Return the transformer blocks of both towers, of those whose code fdakit knows."""
        return [*self._tower.blocks, *text_blocks(self.clip)]

    def text_blocks(self) -> list[nn.Module]:
        """Return the blocks of the text tower from the bottom, if fdakit knows its code."""
        return list(text_blocks(self.clip))

    def text_positions(self) -> torch.Tensor | None:
        """Return the position embedding of the text tower `(l, w)`, if fdakit knows its code."""
        return text_positions(self.clip)

    def encode_videos(self, clips: ClipBatch, fuse: Fuse) -> VideoFeatures:
        """Return one vector a frame `(v, t, d)`. Padding is not encoded and stays zero."""
        rgb = clips.packed()
        fused = fuse(rgb, self.stem if self.stem.convolutions else None)
        return VideoFeatures(clips.unpacked(self.encode_images(rgb, fused)), clips.valid)

    def encode_images(self, rgb: torch.Tensor, fused: Fused, steps: TokenSteps | None = None) -> torch.Tensor:
        """Return one vector an image `(n, d)` of `rgb (n, 3, h, w)`, with what a fusion changes.

        `steps`, as of an encoder derived from this one, is called between the steps of the visual tower. Without it,
        of a ViT or EVA, this and the fusion are one graph to `torch.compile`, for any n from 2. Raises `PluginError`
        for steps where `takes_steps` is false.
        """
        return self._tower.forward(
            rgb if fused.pixels is None else fused.pixels,
            features=fused.features,
            attention_bias=fused.attention_bias,
            bias_from=fused.bias_from,
            keep=fused.keep,
            keep_counts=fused.keep_counts,
            steps=steps,
        )

    def encode_texts(self, texts: Sequence[str], role: TextRole = "query") -> TextFeatures:
        """Return one vector a text `(q, d)`, and one a token `(q, l, d)` if the tower's code is known.

        Texts of more than `max_tokens` tokens are truncated and marked in `cut`.
        """
        tokens = self.text_tokeniser(role)(texts)
        return self.encode_tokens({name: torch.from_numpy(values) for name, values in tokens.items()}, role)

    def text_tokeniser(self, role: TextRole = "query") -> ClipTokeniser:
        """Return what makes token ids of texts, and says which are truncated, without the model."""
        return ClipTokeniser(self.tokenizer, max_tokens=self.max_tokens, context_length=self.context_length)

    def encode_tokens(self, tokens: Mapping[str, torch.Tensor], role: TextRole = "query") -> TextFeatures:
        """Return what `encode_texts` does, of texts whose tokens are known."""
        device = next(self.clip.parameters()).device
        ids, cut = (tokens[name].to(device, non_blocking=True) for name in ("ids", "cut"))
        vectors, of_tokens = encode_token_ids(self.clip, ids)
        return TextFeatures(vectors, of_tokens, mask=ids != self.text_tokeniser().pad, ids=ids, cut=cut)

    def shared_words(self, texts: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        """Return groups of different words of the texts that share a token id; empty if the tokeniser has none."""
        shared = getattr(self.tokenizer, "shared", None)
        return tuple(shared(texts)) if shared is not None else ()
