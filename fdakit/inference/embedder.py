"""Encoding with a retriever, batch by batch: clips or texts in, what its matcher compares out.

Evaluation, `fdakit.load` and search go through here. Every batch of clips is aggregated at once, so that frame
vectors of a whole split are never held where one vector a video suffices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest, batches
from fdakit.data_pipeline.collate import LoadedBatch
from fdakit.errors import VideoError
from fdakit.features import ClipBatch, TextFeatures, VideoFeatures
from fdakit.model.retriever import Retriever
from fdakit.plugin.contracts import Progress, TextRole
from fdakit.settings import LoaderSettings
from fdakit.system.devices import autocast, loader_workers
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


class Embedder:
    """Encodes clips and texts with one retriever in evaluation mode.

    `precision` is that of `[train]`; `progress` is called after each batch.
    """

    def __init__(self, retriever: Retriever, *, device: torch.device, precision: str, progress: Progress) -> None:
        self._retriever = retriever
        self._device = device
        self._precision = precision
        self._progress = progress

    def batch(self, batch: LoadedBatch) -> dict[str, VideoFeatures]:
        """Return what is compared of a batch's clips, on the CPU, under each of its controls."""
        return self._encoded(batch)[0]

    @torch.inference_mode()
    def _encoded(self, batch: LoadedBatch) -> tuple[dict[str, VideoFeatures], torch.Tensor]:
        """Return the features by control, and the coverage of the valid frames under the first `(n,)`, on the CPU."""
        clips = ClipBatch.of(batch, self._device)
        alphas = batch_alphas(self._retriever, batch, clips)
        found = {}
        for control, alpha in alphas.items():
            with autocast(self._device, self._precision):
                features = self._retriever.encode_videos(clips, alpha)
            self._retriever.check_valid(features)
            found[control] = self._retriever.aggregate(features.float()).to("cpu")
        first = next(iter((batch.alphas or alphas).values()))
        return found, first.mean(dim=(2, 3, 4)).cpu()[batch.valid]

    def videos(self, source: ClipDataset, *, batch_size: int, loader: LoaderSettings, what: str) -> EmbeddedVideos:
        """Return the features of all videos of a data set. Raises `VideoError` if none can be read."""
        count = len(source)
        plan = [[ClipRequest(i) for i in range(k, min(k + batch_size, count))] for k in range(0, count, batch_size)]
        workers = loader_workers(loader.workers, self._device)
        parts: dict[str, list[VideoFeatures]] = {control: [] for control in source.controls}
        coverage: list[torch.Tensor] = []
        known: list[str] = []
        lost: dict[str, UnreadableVideo] = {}
        repaired: dict[str, str] = {}
        done = 0
        for batch in batches(source, plan, workers=workers, prefetch=loader.prefetch):
            lost.update({video.id: video for video in batch.lost})
            repaired |= batch.repaired
            if batch.ids:
                known += batch.ids
                encoded, covered = self._encoded(batch)
                coverage.append(covered)
                for control, features in encoded.items():
                    parts[control].append(features)
            done += len(batch.ids) + len(batch.lost)
            self._progress(f"encoding {what}", done, count)
        if not known:
            reasons = "; ".join(video.reason for video in list(lost.values())[:3])
            raise VideoError(f"none of the {len(lost)} {what} could be read: {reasons}")
        rows = {video: row for row, video in enumerate(known)}
        order = torch.tensor([rows.get(video.id, -1) for video in source.videos])
        ordered = {control: VideoFeatures.cat(found).rows(order) for control, found in parts.items()}
        return EmbeddedVideos(ordered, lost, repaired, torch.cat(coverage).double().numpy())

    @torch.inference_mode()
    def texts(self, texts: Sequence[str], *, batch_size: int, what: str, role: TextRole = "query") -> TextFeatures:
        """Return the features of texts, on the CPU; of their tokens only if the matcher compares them."""
        parts = []
        for start in range(0, len(texts), batch_size):
            with autocast(self._device, self._precision):
                features = self._retriever.encode_texts(texts[start : start + batch_size], role)
            if not self._retriever.matcher.needs_tokens:
                features = replace(features, tokens=None)
            self._retriever.check_tokens(features)
            parts.append(features.float().to("cpu"))
            self._progress(f"encoding {what}", min(start + batch_size, len(texts)), len(texts))
        return TextFeatures.cat(parts)
