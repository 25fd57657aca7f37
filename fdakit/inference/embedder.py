"""Encoding with a retriever, batch by batch: clips or texts in, what its matcher compares out.

Evaluation, `fdakit.load` and search go through here. Every batch of clips is aggregated at once, so that frame
vectors of a whole split are never held where one vector a video suffices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.loaded_batch import LoadedBatch
from fdakit.data_pipeline.loading.clip_loader import ClipLoader, batches_by
from fdakit.errors import VideoError
from fdakit.features import ClipBatch, TextFeatures, VideoFeatures
from fdakit.model.retriever import Retriever
from fdakit.plugin.contracts import Progress, TextRole
from fdakit.settings import LoaderSettings
from fdakit.system.devices import autocast
from fdakit.system.ranks import Ranks
from fdakit.values import UnreadableVideo

from .batch_alphas import batch_alphas


@dataclass(frozen=True)
class EmbeddedVideos:
    """The videos of a clip data set, in its order, under each of its controls; features lie on the CPU.

    An unreadable video, `lost` by id, has no valid vector. `repaired` is the file's fault for each video of which
    only the decodable frames were used. `coverage (n,)` is the share of each valid frame that alpha marks under the
    first control, in the order of reading.
    """

    features: Mapping[str, VideoFeatures]
    lost: Mapping[str, UnreadableVideo]
    repaired: Mapping[str, str]
    coverage: NDArray[np.float64]


@dataclass(frozen=True)
class _EncodedBatch:
    """The clips of one batch, by control, and those that could not be read."""

    number: int
    ids: tuple[str, ...]
    features: Mapping[str, VideoFeatures]
    coverage: torch.Tensor
    lost: tuple[UnreadableVideo, ...]
    repaired: Mapping[str, str]


class Embedder:
    """Encodes clips and texts with one retriever in evaluation mode.

    `precision` is that of `[train]`; `progress` is called after each batch. With several `ranks` each encodes its
    share of the batches of `videos` and `split_texts`, and rank 0 alone is given the features. Videos are read by
    `clip_loader`, if given.
    """

    def __init__(
        self,
        retriever: Retriever,
        *,
        device: torch.device,
        precision: str,
        progress: Progress,
        ranks: Ranks | None = None,
        clip_loader: ClipLoader | None = None,
    ) -> None:
        self._retriever, self._clip_loader = retriever, clip_loader
        self._device = device
        self._precision = precision
        self._progress = progress
        self._ranks = ranks or Ranks()

    def batch(self, batch: LoadedBatch) -> dict[str, VideoFeatures]:
        """Return what is compared of a batch's clips, on the CPU, under each of its controls."""
        return self.encoded(batch)[0]

    @torch.inference_mode()
    def encoded(self, batch: LoadedBatch) -> tuple[dict[str, VideoFeatures], torch.Tensor]:
        """Return the features by control, and the coverage of the valid frames under the first `(n,)`, on the CPU."""
        clips = ClipBatch.of(batch, self._device)
        alphas = batch_alphas(self._retriever, batch, clips)
        found = {}
        for control, alpha in alphas.items():
            with autocast(self._device, self._precision):
                features = self._retriever.encode_videos(clips, alpha)
            self._retriever.check_videos(features, clips, alpha)
            videos = self._retriever.aggregate(features.float())
            self._retriever.check_aggregated(videos)
            found[control] = videos.to("cpu")
        first = next(iter(alphas.values()))
        return found, first.mean(dim=(2, 3, 4)).cpu()[batch.valid]

    def videos(
        self, source: ClipDataset, *, batch_size: int, loader: LoaderSettings, what: str
    ) -> EmbeddedVideos | None:
        """Return the features of all videos of a data set; None on ranks but the first.

        Batches are the same whatever the number of ranks. Raises `VideoError` if no video can be read.
        """
        count = len(source)
        plan = [[ClipRequest(i) for i in range(k, min(k + batch_size, count))] for k in range(0, count, batch_size)]
        told = self._ranks.at_first(list(self._own_batches(source, plan, loader=loader, what=what)))
        if told is None:
            return None
        found = sorted((one for own in told for one in own), key=lambda one: one.number)
        lost = {video.id: video for one in found for video in one.lost}
        encoded = [one for one in found if one.ids]
        if not encoded:
            reasons = "; ".join(video.reason for video in list(lost.values())[:3])
            raise VideoError(f"none of the {len(lost)} {what} could be read: {reasons}")
        rows = {video: row for row, video in enumerate(name for one in encoded for name in one.ids)}
        order = torch.tensor([rows.get(video.id, -1) for video in source.videos])
        ordered: dict[str, VideoFeatures] = {
            control: VideoFeatures.cat([one.features[control] for one in encoded]).rows(order)
            for control in source.controls
        }
        repaired = {name: fault for one in found for name, fault in one.repaired.items()}
        coverage = torch.cat([one.coverage for one in encoded]).double().numpy()
        return EmbeddedVideos(ordered, lost, repaired, coverage)

    def _own_batches(
        self, source: ClipDataset, plan: Sequence[Sequence[ClipRequest]], *, loader: LoaderSettings, what: str
    ) -> Iterator[_EncodedBatch]:
        """Yield this rank's share of the batches of a plan, encoded."""
        ranks = self._ranks
        own = plan[ranks.rank :: ranks.size]
        done = 0
        loaded = batches_by(source, own, loader=loader, device=self._device, clip_loader=self._clip_loader)
        for number, batch in zip(range(ranks.rank, len(plan), ranks.size), loaded, strict=True):
            features, coverage = self.encoded(batch) if batch.ids else ({}, torch.zeros(0))
            yield _EncodedBatch(number, batch.ids, features, coverage, batch.lost, batch.repaired)
            done += len(batch.ids) + len(batch.lost)
            self._progress(f"encoding {what}", min(done * ranks.size, len(source)), len(source))

    def texts(self, texts: Sequence[str], *, batch_size: int, what: str, role: TextRole = "query") -> TextFeatures:
        """Return the features of texts, on the CPU; of their tokens only if the matcher compares them."""
        parts = []
        for start in range(0, len(texts), batch_size):
            parts.append(self._encoded_texts(texts[start : start + batch_size], role))
            self._progress(f"encoding {what}", min(start + batch_size, len(texts)), len(texts))
        return TextFeatures.cat(parts)

    def split_texts(
        self, texts: Sequence[str], *, batch_size: int, what: str, role: TextRole = "query"
    ) -> TextFeatures | None:
        """Return `texts`, encoded by all ranks, a batch in turn; None on ranks but the first."""
        ranks = self._ranks
        if ranks.size == 1:
            return self.texts(texts, batch_size=batch_size, what=what, role=role)
        starts = range(0, len(texts), batch_size)
        own = [
            (start, self._encoded_texts(texts[start : start + batch_size], role))
            for start in starts[ranks.rank :: ranks.size]
        ]
        self._progress(f"encoding {what}", len(texts), len(texts))
        told = ranks.at_first(own)
        if told is None:
            return None
        found = dict(one for own in told for one in own)
        return TextFeatures.cat([found[start] for start in starts])

    @torch.inference_mode()
    def _encoded_texts(self, texts: Sequence[str], role: TextRole) -> TextFeatures:
        with autocast(self._device, self._precision):
            features = self._retriever.encode_texts(texts, role)
        if not self._retriever.matcher.needs_tokens:
            features = replace(features, tokens=None)
        self._retriever.check_texts(features)
        return features.float().to("cpu")
