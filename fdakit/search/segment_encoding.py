"""Rows of segments from files: each file probed, its segments read by loader workers and encoded in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.data_pipeline.loaded_batch import LoadedBatch
from fdakit.data_pipeline.loading.clip_loader import ClipLoader
from fdakit.features import VideoFeatures
from fdakit.inference.embedder import Embedder
from fdakit.inference.loaded_retriever import LoadedRetriever
from fdakit.plugin.abilities import InnerProduct
from fdakit.system.devices import loader_workers
from fdakit.values import UnreadableVideo, VideoRef
from fdakit.video.thumbnails import frames_jpeg

from .file_inventory import FileState
from .file_probe import FileProbe, ProbedFile
from .table.index_info import Segmentation
from .table.segment_rows import Segment, SegmentRow, Status, VideoFacts

Filling = Callable[[SegmentRow, str], SegmentRow]
"""`filling(row, reason)`: a row with what was encoded of its segment."""

THUMBNAIL = 120  # px a side at most
_WHOLE = Segment(0, 0.0, 0.0)


@dataclass(frozen=True)
class EncodedFile:
    """A file with its rows: one a segment, or a single one that says why it cannot be read."""

    file: FileState
    rows: tuple[SegmentRow, ...]

    @property
    def lost(self) -> str:
        """Why nothing of it could be read; "" if something could."""
        return "" if any(row.status != "unreadable" for row in self.rows) else self.rows[0].reason


class SegmentEncoder:
    """Encodes the segments of files with one retriever; a context manager, as it holds loader workers."""

    def __init__(self, loaded: LoadedRetriever, segmentation: Segmentation, *, workers: int | None = None) -> None:
        recipe, model = loaded.recipe, loaded.model
        self._model, self._segmentation = model, segmentation
        self._size, self._prefetch = recipe.eval.batch_size, recipe.loader.prefetch
        self._control = recipe.control
        self._limit = recipe.loader.time_limit
        count = recipe.loader.workers if workers is None else workers
        self._loader = ClipLoader(loader_workers(count, loaded.device), device=loaded.device)
        self._embedder = Embedder(
            model,
            device=loaded.device,
            precision=recipe.train.precision,
            progress=lambda *_: None,
            clip_loader=self._loader,
        )
        self._source = ClipDataset(
            ClipSettings.of(recipe),
            (),
            training=False,
            preprocess=model.preprocess,
            shapes=replace(model.encoder.shapes, device=str(loaded.device)),
            controls=(self._control,),
            device_needs=model.mask_needs,
            keep=False,
        )
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._open.enter_context(self._loader)
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def encode(self, files: Sequence[FileState]) -> Iterator[EncodedFile]:
        """Yield each file with its rows, in order, as soon as all of its segments are encoded."""
        videos = [VideoRef(file.path, Path(file.path)) for file in files]
        probe = FileProbe(self._segmentation, videos, time_limit=self._limit)
        probed = list(self._loader.outcomes(probe, range(len(videos)), ahead=4))
        segments = [
            (place, segment)
            for place, one in enumerate(probed)
            if isinstance(one, ProbedFile)
            for segment in one.segments
        ]
        self._source.videos = tuple(
            VideoRef(_segment_id(files[place], segment), videos[place].path, segment.start, segment.end)
            for place, segment in segments
        )
        encoded = self._rows(files, probed, segments)
        for place, one in enumerate(probed):
            if isinstance(one, UnreadableVideo):
                yield EncodedFile(files[place], (unreadable_row(files[place], one.reason),))
            else:
                rows = tuple(next(encoded) for _ in one.segments)
                yield EncodedFile(files[place], rows or (unreadable_row(files[place], "has no frame"),))

    def _rows(
        self,
        files: Sequence[FileState],
        probed: Sequence[ProbedFile | UnreadableVideo],
        segments: Sequence[tuple[int, Segment]],
    ) -> Iterator[SegmentRow]:
        count, size = len(segments), self._size
        plan = [[ClipRequest(i) for i in range(k, min(k + size, count))] for k in range(0, count, size)]
        batches = self._loader.batches(self._source, plan, prefetch=self._prefetch)
        for asked, batch in zip(plan, batches, strict=True):
            made = self._encoded(batch)
            lost = {video.id: video.reason for video in batch.lost}
            for request in asked:
                place, segment = segments[request.video]
                one = probed[place]
                assert isinstance(one, ProbedFile)
                row = SegmentRow(files[place], one.facts, segment)
                name = self._source.videos[request.video].id
                if name in lost:
                    yield replace(row, status="unreadable", reason=lost[name])
                else:
                    yield made[name](row, batch.repaired.get(name, ""))

    def _encoded(self, batch: LoadedBatch) -> dict[str, Filling]:
        """Return by id of each clip of a batch what fills its row."""
        if not batch.ids:
            return {}
        by_control, coverage = self._embedder.encoded(batch)
        features = by_control[self._control]
        counts = batch.valid.sum(1).tolist()
        marked = [float(part.mean()) for part in torch.split(coverage.float(), counts)]
        found: dict[str, Filling] = {}
        for place, name in enumerate(batch.ids):
            still = marked[place] < self._segmentation.skip_still
            vectors = None if still else self._vectors(features, place)
            found[name] = partial(_filled, vectors, marked[place], _thumbnail(batch, place))
        return found

    def _vectors(self, features: VideoFeatures, row: int) -> NDArray[np.float32]:
        """Return the valid vectors `(m, d)` of a clip as the matcher compares them, each of length 1."""
        own = features.vectors[row][features.valid[row]]
        matcher = self._model.matcher
        if isinstance(matcher, InnerProduct):
            own = matcher.product_vectors(own)
        elif matcher.stores == "vector":
            own = torch.nn.functional.normalize(own, dim=-1)
        return np.ascontiguousarray(own.numpy(), np.float32)


def _filled(
    vectors: NDArray[np.float32] | None, coverage: float, thumbnail: bytes, row: SegmentRow, reason: str
) -> SegmentRow:
    """Return a row with what was encoded; without vectors it is `still`."""
    status: Status = "still" if vectors is None else "indexed"
    return replace(row, status=status, reason=reason, coverage=coverage, vectors=vectors, thumbnail=thumbnail)


def unreadable_row(file: FileState, reason: str) -> SegmentRow:
    """Return the row of a file that cannot be read."""
    return SegmentRow(file, VideoFacts(), _WHOLE, status="unreadable", reason=reason)


def _segment_id(file: FileState, segment: Segment) -> str:
    """Return a name of a segment, which keys random masks; the first one's is the file's."""
    return file.path if segment.number == 0 else f"{file.path} [{segment.number}]"


def _thumbnail(batch: LoadedBatch, row: int) -> bytes:
    """Return the middle frame of a clip, as the model sees it, as JPEG."""
    count = int(batch.valid[row].sum())
    frame = batch.frames[row, count // 2].permute(1, 2, 0).cpu().numpy()
    if max(frame.shape[:2]) > THUMBNAIL:
        picture = Image.fromarray(np.ascontiguousarray(frame))
        picture.thumbnail((THUMBNAIL, THUMBNAIL))
        frame = np.asarray(picture)
    return frames_jpeg(np.ascontiguousarray(frame)[None])
