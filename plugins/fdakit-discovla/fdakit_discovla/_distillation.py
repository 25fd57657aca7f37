"""The torch side of `frame-token-distillation`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, log
from typing import Any

import torch
from torch.nn.functional import cross_entropy, kl_div, normalize

from fdakit.plugin import Encoder, HasLogitScale, PairFeatures, PluginError, TrainingPairs, VideoFeatures

from .frame_captions import FrameCaptions

_NAME = "frame_captions"
_FAR = -1e4  # before the softmax: no weight, and still a number
_DEFAULT_SCALE = 1 / 0.07  # where neither the options nor the encoder tell one


class Distillation:
    """The loss `distillation`: how far the student's softmax over a batch is from the teacher's, both ways.

    Pairs are compared with each other, so it is over the batch.
    """

    def __init__(
        self, *, captions: FrameCaptions | None, alignment: float, scale: float | None, stop_gradient: bool
    ) -> None:
        self._captions, self._alignment, self._stop_gradient = captions, alignment, stop_gradient
        self._given, self._factor = scale is not None, scale or _DEFAULT_SCALE
        self._encoder: Encoder | None = None

    def start_from(self, encoder: Encoder) -> None:
        """Take the encoder's scale, unless the options set one, and its text tower for captions of frames."""
        self._encoder = encoder
        if not self._given and isinstance(encoder, HasLogitScale):
            self._factor = exp(encoder.logit_scale)

    def check_pairs(self, pairs: TrainingPairs) -> None:
        """Raise `DatasetError` if the file of captions has none of a training video."""
        if self._captions is not None:
            self._captions.of(pairs.ids)

    def extra(self, pairs: TrainingPairs) -> Mapping[str, Sequence[tuple[str, ...]]]:
        """Return the captions of the frames of each pair's video; nothing without a file of them.

        Raises `DatasetError` if the file has none of a video.
        """
        return {} if self._captions is None else {_NAME: self._captions.of(pairs.ids)}

    def __call__(self, pairs: PairFeatures) -> Mapping[str, torch.Tensor]:
        """Return the losses of a batch. Raises `PluginError` if the encoder gives no vectors of tokens."""
        teacher = self._factor * self.teacher(pairs)
        student = self._factor * pairs.scores
        taught = teacher.detach() if self._stop_gradient else teacher
        found = {"distillation": (_divergence(student, taught) + _divergence(student.T, taught.T)) / 2}
        if self._alignment:
            target = torch.arange(len(teacher), device=teacher.device)
            loss = (cross_entropy(teacher, target) + cross_entropy(teacher.T, target)) / 2
            found["alignment"] = self._alignment * loss
        return found

    def teacher(self, pairs: PairFeatures) -> torch.Tensor:
        """Return the similarities `(q, v)` that late interaction gives, in full precision."""
        words, mask = self._words(pairs)
        with torch.autocast(words.device.type, enabled=False):
            return interaction(words.float(), mask, pairs.frames.float(), sharpness=self._factor)

    def _words(self, pairs: PairFeatures) -> tuple[torch.Tensor, torch.Tensor]:
        """Return vectors `(q, l, d)` and what counts of them `(q, l)`."""
        captions = pairs.batch.extra.get(_NAME)
        if captions is not None:
            return self._encoded(captions, pairs.frames.vectors.device)
        texts = pairs.texts
        if texts.tokens is None or texts.mask is None:
            raise PluginError(
                "frame-token-distillation needs vectors of tokens, which this encoder does not give; choose another "
                "encoder, or set captions"
            )
        return texts.tokens, texts.mask

    def _encoded(
        self, captions: Sequence[tuple[str, ...]], device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode the captions of the frames of each video, each text once."""
        if self._encoder is None:
            raise PluginError("frame-token-distillation was not started from an encoder, which captions need")
        places = {text: place for place, text in enumerate(dict.fromkeys(text for row in captions for text in row))}
        vectors = self._encoder.encode_texts(list(places)).vectors
        most = max(map(len, captions))
        rows = torch.tensor([[places[text] for text in row] + [-1] * (most - len(row)) for row in captions])
        rows = rows.to(device)
        return vectors[rows.clamp(min=0)], rows >= 0


class AlignedDistillation(Distillation):
    """With the loss `alignment`, which trains the teacher; so the loss at chance is known."""

    def chance_loss(self, batch_size: int) -> float:
        """Return the teacher's contrastive loss at equal logits; there is nothing to distil then."""
        return self._alignment * log(batch_size)


def interaction(words: torch.Tensor, mask: torch.Tensor, frames: VideoFeatures, *, sharpness: float) -> torch.Tensor:
    """Return `(q, v)` of words `(q, l, d)`, with `mask (q, l)`, and frames `(v, m, d)`.

    Each word takes its best cosine among the frames, each frame its best among the words. Either are averaged with
    the weights of their softmax, times `sharpness`; the score is the mean of the two.
    """
    cosines = torch.einsum("qld,vmd->qvlm", normalize(words, dim=-1), normalize(frames.vectors, dim=-1))
    of_words = cosines.masked_fill(~frames.valid[None, :, None, :], -1.0).amax(3)
    of_frames = cosines.masked_fill(~mask[:, None, :, None], -1.0).amax(2)
    return (_pooled(of_words, mask[:, None], sharpness) + _pooled(of_frames, frames.valid[None], sharpness)) / 2


def _pooled(values: torch.Tensor, mask: torch.Tensor, sharpness: float) -> torch.Tensor:
    weights = (sharpness * values).masked_fill(~mask, _FAR).softmax(-1)
    return (weights * values).sum(-1)


def _divergence(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Return KL(teacher || student) of the softmax of each row, its mean over rows."""
    logs: Any = kl_div(student.log_softmax(1), teacher.log_softmax(1), reduction="batchmean", log_target=True)
    found: torch.Tensor = logs
    return found
