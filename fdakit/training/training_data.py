"""What a training draws its batches from: the clips of a split and their captions."""

from __future__ import annotations

from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.dataset_files.identical_videos import identical_videos
from fdakit.errors import DatasetError
from fdakit.values import Split

from .batching import epoch_batches


class TrainingData:
    """The pairs of a split, as requests to its `clips`; batches are sampled by `seed` and epoch."""

    def __init__(self, clips: ClipDataset, split: Split, *, batch_size: int, seed: int) -> None:
        self.clips, self.seed = clips, seed
        self._batch_size = batch_size
        numbers = {video.id: number for number, video in enumerate(split.videos)}
        twins = identical_videos(split.videos)
        self._shown = [numbers[twins.get(video.id, video.id)] for video in split.videos]
        self._pairs = [(numbers[caption.video_id], caption.text) for caption in split.captions]

    def plan(self, epoch: int) -> list[list[ClipRequest]]:
        """Return the batches of an epoch. Raises `DatasetError` if there are too few pairs for one."""
        plan = epoch_batches(self._pairs, batch_size=self._batch_size, seed=self.seed, epoch=epoch, shown=self._shown)
        if not plan:
            raise DatasetError("split 'train': too few captions for one batch; lower train.batch_size")
        return plan

    def steps(self, epochs: int, *, limit: int | None) -> int:
        """Return the number of steps of a training. Epochs differ in length, as their batches are resampled."""
        planned = 0
        for epoch in range(epochs):
            planned += len(self.plan(epoch))
            if limit is not None and planned >= limit:
                return limit
        return planned
