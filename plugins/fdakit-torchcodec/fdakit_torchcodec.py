"""A reader that decodes with torchcodec, on the CPU or with an NVIDIA GPU's own decoder.

Times and segments come from fdakit's packet index, pixels from torchcodec in its exact mode. A frame with another
time than requested is an error, never a silent substitute. Source: https://github.com/meta-pytorch/torchcodec.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fdakit.plugin import (
    BuildContext,
    Clip,
    Component,
    Needs,
    Options,
    PluginError,
    Reader,
    VideoError,
    VideoRef,
    hookimpl,
)

if TYPE_CHECKING:
    import torch
    from torchcodec.decoders import VideoDecoder

_SLACK = 1e-3  # seconds: tolerance of a frame's time, as one side rounds ticks to seconds
SizeRule = Callable[[tuple[int, int]], tuple[int, int]]  # (h, w) of an upright frame -> the wanted (h, w)
_ADVICE = "re-encode it, remove it from the data set, or set reader.use = 'pyav'"


class TorchcodecOptions(Options):
    """Declared once: checked, shown by `fdakit show reader torchcodec`, and part of the editor schema."""

    device: Literal["cpu", "cuda"] = Field("cpu", description="where frames are decoded; cuda: the current GPU")
    threads: int = Field(
        1, ge=1, le=1_024, description="decoding threads on the CPU; loader workers are best left with 1"
    )


@dataclass(frozen=True)
class TorchcodecReader:
    """Holds only options: files are opened when they are read, so it can be pickled for loader workers."""

    device: str
    threads: int

    def times(self, video: VideoRef) -> NDArray[np.float64]:
        """Return the time of every frame `(count,)` in seconds from the first, ascending, within the segment."""
        from fdakit.video import frame_times

        return frame_times(video)

    def read(self, video: VideoRef, indices: NDArray[np.int64], needs: Needs, size: SizeRule | None) -> Clip:
        """Return the frames at `indices`, upright, uint8 `(t, h, w, 3)`, resized bicubically by the rule `size`.

        Neighbours come from the whole file and are clamped at its two ends; repeats are skipped. Raises `VideoError`
        if the file cannot be read or torchcodec gives another frame, `PluginError` if motion vectors are needed,
        `ValueError` for indices outside the segment.
        """
        for asked, what in ((needs.motion_vectors, "codec motion vectors"), (needs.luma, "the decoder's luma")):
            if asked:
                raise PluginError(
                    f"reader 'torchcodec': video {video.id!r}: the mask needs {what}, which torchcodec "
                    "does not give; set reader.use = 'pyav' or choose another mask"
                )
        from fdakit.video import step_over_repeats

        every, stream = _facts(video)
        first = 0 if video.start is None else int(np.searchsorted(every, video.start))
        last = len(every) if video.end is None else int(np.searchsorted(every, video.end))
        chosen = np.asarray(indices, np.int64)
        if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= last - first:
            raise ValueError(
                f"{video.path}: indices {chosen.tolist()}; give at least one, each from 0 to {last - first - 1}"
            )
        last = len(every) - 1
        places = {gap: np.clip(chosen + first + gap, 0, last) for gap in (0, *needs.neighbours)}
        held: dict[int, NDArray[np.uint8]] = {}

        def read(wanted: NDArray[np.int64]) -> NDArray[np.uint8]:
            missing = np.array([place for place in wanted.tolist() if place not in held], np.int64)
            if len(missing):
                made = self._decode(video.path.absolute(), missing, every, size, stream)
                held.update(zip(missing.tolist(), made, strict=True))
            return np.stack([held[place] for place in wanted.tolist()])

        read(np.unique(np.concatenate(list(places.values()))))  # all at once: each call opens the file
        for gap in needs.neighbours:
            places[gap] = step_over_repeats(places[0], places[gap], last=last, read=read)
        stacks = {gap: read(place) for gap, place in places.items()}
        return Clip(
            id=video.id,
            frames=stacks[0],
            times=every[places[0]],
            neighbours={gap: stacks[gap] for gap in needs.neighbours},
        )

    def _decode(
        self, path: Path, wanted: NDArray[np.int64], times: NDArray[np.float64], size: SizeRule | None, stream: int
    ) -> NDArray[np.uint8]:
        """Return the frames `(n, h, w, 3)` at the positions `wanted (n,)` in the whole file."""
        from torch import OutOfMemoryError
        from torchcodec.decoders import VideoDecoder

        try:
            decoder = VideoDecoder(str(path), num_ffmpeg_threads=self.threads, device=self.device)
            if (
                stream != decoder.stream_index
            ):  # torchcodec takes the best stream, fdakit the first that is a video proper
                decoder = VideoDecoder(
                    str(path), num_ffmpeg_threads=self.threads, device=self.device, stream_index=stream
                )
            if len(decoder) != len(times):
                raise VideoError(
                    f"{path}: torchcodec counts {len(decoder)} frames where its packets hold {len(times)}; {_ADVICE}"
                )
            batch = decoder.get_frames_at(wanted.tolist())
        except OutOfMemoryError:  # depends on sizes, not a fault of the file
            raise
        except (RuntimeError, ValueError, IndexError) as error:
            raise VideoError(f"{path}: torchcodec cannot decode it: {_words(error)}; {_ADVICE}") from error
        begin = float(decoder.metadata.begin_stream_seconds)
        late = np.abs(batch.pts_seconds.cpu().numpy() - begin - times[wanted])
        if late.max() > _SLACK:
            place = int(wanted[late.argmax()])
            raise VideoError(
                f"{path}: torchcodec gave another frame than {place}, {late.max():.3f} s away from it; {_ADVICE}"
            )
        return _as_numpy(batch.data, size)


def import_decoder() -> type[VideoDecoder]:
    """Return torchcodec's `VideoDecoder`. Raises `PluginError` if it, or FFmpeg's libraries, are missing."""
    try:
        from torchcodec.decoders import VideoDecoder

        _load_ffmpeg(VideoDecoder)
    except ImportError as error:
        raise PluginError(
            f"reader 'torchcodec': torchcodec cannot be imported ({_words(error)}); pip install torchcodec in the "
            "version that fits torch, or set reader.use = 'pyav'"
        ) from error
    except (RuntimeError, OSError) as error:
        raise PluginError(
            f"reader 'torchcodec': torchcodec cannot load its libraries ({_words(error)}); install FFmpeg's "
            "shared libraries, for example by `apt install ffmpeg`, or set reader.use = 'pyav'"
        ) from error
    decoder: type[VideoDecoder] = VideoDecoder
    return decoder


def _load_ffmpeg(decoder: type[VideoDecoder]) -> None:
    """Load FFmpeg, which torchcodec may defer to its first decoder. Raises `RuntimeError` if it cannot."""
    try:
        decoder(b"\0")
    except Exception as error:
        if "libtorchcodec" in str(error):
            raise
        return  # FFmpeg has looked at it and found no video


def _facts(video: VideoRef) -> tuple[NDArray[np.float64], int]:
    """Return the times of all frames of the file `(count,)`, and the number of its stream."""
    from fdakit.video import OpenVideo

    with OpenVideo(VideoRef(video.id, video.path)) as opened:
        reasons = opened.remarks or (("its display matrix mirrors it",) if opened.mirrored else ())
        if reasons:
            raise VideoError(
                f"{video.path.absolute()}: torchcodec cannot read it as fdakit does: {reasons[0]}; {_ADVICE}"
            )
        return opened.times(), opened.stream


def _as_numpy(frames: torch.Tensor, size: SizeRule | None) -> NDArray[np.uint8]:
    """uint8 `(n, 3, h, w)` on any device -> `(n, h, w, 3)` as `size` says, smoothed where it becomes smaller."""
    height, width = frames.shape[2:]
    target = (height, width) if size is None else size((height, width))
    if target != (height, width):
        from torch.nn.functional import interpolate

        resized = interpolate(frames.float(), target, mode="bicubic", antialias=True)
        frames = resized.round().clamp(0, 255).byte()
    pictures: NDArray[np.uint8] = frames.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return pictures


def _words(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")


def build(options: TorchcodecOptions, shapes: BuildContext) -> Reader:
    """Return the reader.

    Raises `PluginError` at once if torchcodec, FFmpeg or the GPU is missing, before any video is read.
    """
    import_decoder()
    if options.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise PluginError("reader 'torchcodec': device 'cuda': torch finds no GPU; set reader.device = 'cpu'")
    return TorchcodecReader(options.device, options.threads)


TORCHCODEC = Component("torchcodec", "decodes with torchcodec, on the CPU or a GPU", TorchcodecOptions, build)


@hookimpl
def fdakit_readers() -> Iterable[Component[Any, Reader]]:
    """Offer this package's parts; fdakit finds them by the entry point in pyproject.toml."""
    return (TORCHCODEC,)
