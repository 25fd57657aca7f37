"""The torch side of `captioning`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from fdakit.model import ClipEncoder, load_strictly, read_clip_weights
from fdakit.plugin import Batch, CheckpointError, Encoder, PairFeatures, PluginError, TextFeatures

from .captioning import CaptioningOptions

_RELEASED = {"caption_prenorm.": "norm.", "caption_transformer.": "decoder.", "caption_head.": "head."}


class Captioner(nn.Module):
    """A causal decoder over the encoder's word embeddings, which looks at the vectors of the frames.

    Vectors of frames and words are `width` wide; `words` is the size of the vocabulary. No gradient reaches the
    encoder's embeddings from here. Words after the end of a caption count nothing.
    """

    over: Literal["pairs"] = "pairs"

    def __init__(self, options: CaptioningOptions, *, width: int, words: int, heads: int, pretrained: bool) -> None:
        super().__init__()
        self._options, self._pretrained = options, pretrained
        layer = nn.TransformerDecoderLayer(
            width, heads, options.feed_forward or 4 * width, options.dropout, batch_first=True
        )
        self.norm = nn.LayerNorm(width)
        self.decoder = nn.TransformerDecoder(layer, options.layers, norm=nn.LayerNorm(width))
        self.head = nn.Linear(width, words)
        self.end = -1
        self.most = 0
        self._text: tuple[Any, ...] = ()  # no module of this one: its weights are the encoder's
        self.register_buffer("weights", torch.ones(words), persistent=False)

    def start_from(self, encoder: Encoder) -> None:
        """Take the word embeddings, the first weights of the last layer, and the ids of common words.

        Raises `PluginError` for an encoder whose text tower has no embeddings of that width.
        """
        text = _text_tower(encoder)
        width = self.head.in_features
        if text is None or text.token_embedding.weight.shape[1] != width:
            found = "none" if text is None else f"embeddings of {text.token_embedding.weight.shape[1]}"
            raise PluginError(
                f"it needs a text tower with embeddings of words as wide as the vectors, {width}, and found {found}; "
                "choose a CLIP such as ViT-B-32"
            )
        assert isinstance(encoder, ClipEncoder)
        self._text, self.most = (text,), encoder.max_tokens
        tokenise = encoder.text_tokeniser()
        rows = [tokenise([word])["ids"][0] for word in (*self._options.common_words, "a")]
        spelt = [row[row != tokenise.pad] for row in rows]
        self.end = int(spelt[-1][-1])
        ids = {int(token) for row in spelt[:-1] for token in row} | {int(spelt[-1][0]), self.end}
        self.weigh(ids)
        with torch.no_grad():
            self.head.weight.copy_(text.token_embedding.weight)
            self.head.bias.zero_()
        if self._options.weights is not None and self._pretrained:
            self.load(self._options.weights)

    def weigh(self, common: set[int]) -> None:
        """Give these tokens the weight of common ones, and the others 1."""
        weights = self.get_buffer("weights")
        weights.fill_(1)
        weights[torch.tensor(sorted(common), device=weights.device)] = self._options.common_weight

    def load(self, path: Path) -> None:
        """Load the decoder of a Prompt Switch checkpoint. Raises `CheckpointError` if it has none that fits."""
        other = read_clip_weights(path).other
        state = {
            ours + name.removeprefix(theirs): value.float()
            for theirs, ours in _RELEASED.items()
            for name, value in other.items()
            if name.startswith(theirs)
        }
        if not state:
            raise CheckpointError(f"{path.absolute()}: holds no decoder of captions; leave out objective.weights")
        load_strictly(self, state, where=path)

    def forward(self, pairs: PairFeatures) -> Mapping[str, torch.Tensor]:
        """Return one loss, `captioning`: the weighted mean over the words of all captions, ends included."""
        ids, targets = self._targets(pairs.texts)
        logits = self.logits(ids, pairs.frames.vectors, pairs.frames.valid)
        each = cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none", ignore_index=-1)
        weights = self._weights_of(targets).flatten()
        return {"captioning": (each * weights).sum() / weights.sum().clamp(min=1e-6)}

    def count(self, texts: TextFeatures, batch: Batch) -> torch.Tensor:
        """Return the sum of the weights of all words, which the mean is over."""
        return self._weights_of(self._targets(texts)[1]).sum()

    def logits(self, ids: torch.Tensor, frames: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Return logits `(q, l, words)` float32 of what follows each of `ids (q, l)`, of `frames (q, t, d)`."""
        if not self._text:
            raise PluginError("it was not started from an encoder")
        text, length = self._text[0], ids.shape[1]
        spelt = text.token_embedding.weight.detach()[ids] + text.positional_embedding.detach()[:length]
        seen = self.decoder(
            self.norm(spelt),
            frames.to(spelt.dtype),
            tgt_mask=nn.Transformer.generate_square_subsequent_mask(length, device=ids.device),
            tgt_is_causal=True,
            memory_key_padding_mask=~valid,
        )
        logits: torch.Tensor = self.head(seen).float()
        return logits

    def _targets(self, texts: TextFeatures) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ids that are given, and those that are to be told, `(q, l)` each; -1 behind the end."""
        if texts.ids is None:
            raise PluginError("the encoder gives no ids of words; choose a CLIP of open_clip's")
        ids = texts.ids[:, : self.most or None]
        mask = ids >= 0 if texts.mask is None else texts.mask[:, : ids.shape[1]]
        given, told = ids[:, :-1], ids[:, 1:]
        ended = (given == self.end).cumsum(1) > 0
        return given, told.masked_fill(ended | ~mask[:, 1:], -1)

    def _weights_of(self, targets: torch.Tensor) -> torch.Tensor:
        return self.get_buffer("weights")[targets.clamp(min=0)] * (targets >= 0)


def _text_tower(encoder: Encoder) -> Any:
    """Return what holds the embeddings of words and positions; None if fdakit does not know where they are."""
    clip: Any = encoder.clip if isinstance(encoder, ClipEncoder) else None
    text = getattr(clip, "text", clip)
    words, places = (getattr(text, name, None) for name in ("token_embedding", "positional_embedding"))
    return text if isinstance(words, nn.Embedding) and places is not None else None
