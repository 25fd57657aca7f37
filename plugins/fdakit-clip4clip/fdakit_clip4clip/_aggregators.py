"""The torch side of `seq-lstm` and `seq-transformer`."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import normalize

from fdakit.plugin import Encoder, Gives, HasTextBlocks, PluginError, VideoFeatures

_EPS = 1e-12  # of the reference's LayerNorm, which is BERT's; CLIP's own is 1e-5


class _Sequence(nn.Module):
    """Frames to one vector a video; `frames_of` is what differs."""

    gives: Gives = "vector"

    def frames_of(self, vectors: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Return the frames `(v, t, d)` after the head, with what it was given added; `valid (v, t)`."""
        raise NotImplementedError

    def forward(self, features: VideoFeatures) -> VideoFeatures:
        """Return vectors `(v, 1, d)` of unit length from `(v, m, d)`; 0 of a video without a valid vector.

        Computed in float32 whatever `train.precision` says, as in the reference.
        """
        with torch.autocast(features.vectors.device.type, enabled=False):
            frames = self.frames_of(features.vectors.float(), features.valid)
        unit = normalize(frames, dim=-1) * features.valid.unsqueeze(-1)
        mean = unit.sum(1) / features.valid.sum(1, keepdim=True).clamp(min=1)
        return VideoFeatures.of_clips(normalize(mean, dim=-1))


class SeqLstm(_Sequence):
    """One layer of an LSTM, forwards, over as many frames as are valid; hidden width = embedding."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width, batch_first=True)

    def frames_of(self, vectors: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Return the LSTM's output added to the frames.

        After the last valid frame of a video it is 0, and after that of the longest video the frame itself, as where
        packed sequences are padded again.
        """
        lengths = valid.sum(1, keepdim=True)
        place = torch.arange(vectors.shape[1], device=valid.device)
        inside, beyond = (place < lengths).unsqueeze(-1), (place >= lengths.max()).unsqueeze(-1)
        found, _ = self.lstm(vectors * inside)
        return torch.where(inside, found, vectors * beyond) + vectors


class SeqTransformer(_Sequence):
    """Layers as CLIP's, over frames with positions; frames that only pad are no keys."""

    def __init__(self, width: int, *, layers: int, heads: int, positions: int, from_text: bool) -> None:
        super().__init__()
        if width % heads:
            raise PluginError(
                f"{heads} heads do not divide the encoder's {width} numbers a frame; set aggregator.heads"
            )
        self.positions = nn.Embedding(positions, width)
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(layers))
        self._heads, self._from_text = heads, from_text
        for name, weight in self.named_parameters():
            if weight.ndim >= 2 and "attn.in_proj" not in name:  # the reference's initializer_range
                nn.init.normal_(weight, std=0.02)

    def frames_of(self, vectors: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Return the transformer's output added to the frames.

        Raises `PluginError` if a clip has more frames than there are positions.
        """
        count, most = vectors.shape[1], self.positions.num_embeddings
        if count > most:
            raise PluginError(f"a clip has {count} frames, and there are {most} positions; set aggregator.positions")
        hidden = vectors + self.positions.weight[:count]
        keys = valid | ~valid.any(1, keepdim=True)  # a video without a valid frame must not become NaN
        for block in self.blocks:
            hidden = block(hidden, ~keys)
        return hidden + vectors

    def start_from(self, encoder: Encoder) -> None:
        """Copy the lowest layers and the positions of the text tower, as many of them as both have.

        Raises `PluginError` if the encoder does not tell its layers, or they do not fit.
        """
        if not self._from_text:
            return
        remedy = 'set aggregator.start = "random", or choose another encoder'
        if not isinstance(encoder, HasTextBlocks) or not (blocks := encoder.text_blocks()):
            raise PluginError(f"the encoder does not tell the layers of its text tower; {remedy}")
        for own, block in zip(self.blocks, blocks, strict=False):
            _copy(own, block, self._heads, remedy)
        positions = encoder.text_positions()
        if positions is not None:
            rows = min(len(positions), self.positions.num_embeddings)
            with torch.no_grad():
                self.positions.weight[:rows] = positions[:rows]


class _Block(nn.Module):
    """A residual attention block of CLIP, its weights named as there."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=_EPS)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(width, eps=_EPS)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def forward(self, hidden: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        seen = self.ln_1(hidden)
        attended, _ = self.attn(seen, seen, seen, need_weights=False, key_padding_mask=padding)
        hidden = hidden + attended
        inner = self.mlp["c_fc"](self.ln_2(hidden))
        changed: torch.Tensor = hidden + self.mlp["c_proj"](inner * torch.sigmoid(1.702 * inner))
        return changed


def _copy(own: nn.Module, block: nn.Module, wanted_heads: int, remedy: str) -> None:
    """Copy a block of the text tower, whole or not at all. Raises `PluginError` if it is another kind of block."""
    heads = getattr(getattr(block, "attn", None), "num_heads", wanted_heads)
    if heads != wanted_heads:
        raise PluginError(f"the text tower has {heads} heads; set aggregator.heads = {heads}, or {remedy}")
    given, wanted = block.state_dict(), own.state_dict()
    odd = sorted(given.keys() ^ wanted.keys()) or [
        f"{name} {tuple(given[name].shape)} for {tuple(wanted[name].shape)}"
        for name in wanted
        if given[name].shape != wanted[name].shape
    ]
    if odd:
        raise PluginError(f"the text tower's layers do not fit frames of this encoder ({odd[0]}); {remedy}")
    own.load_state_dict(given)
