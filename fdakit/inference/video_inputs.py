"""Videos as arguments of `encode_videos`: paths, `VideoRef`s, clips, arrays of frames, in any iterable."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from fdakit.catalog import Part
from fdakit.errors import PluginError, VideoError
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Reader, SizeRule
from fdakit.values import Clip, Needs, VideoRef, describe
from fdakit.video.repeated_frames import step_over_repeats

VideoLike = str | os.PathLike[str] | VideoRef | Clip | NDArray[np.uint8] | torch.Tensor
"""A path, a `VideoRef`, or frames uint8 `(t, h, w, 3)` in memory; in a `Clip` with their times."""

T = TypeVar("T")
_RATE = 25.0  # assumed frames a second of an array, which has no times
_WANTED = "a path, a fdakit.plugin.VideoRef, a fdakit.plugin.Clip, or frames uint8 (t, h, w, 3)"


@dataclass(frozen=True)
class VideoInput:
    """One video: `ref` identifies it, `clip` holds its frames if they are in memory already."""

    ref: VideoRef
    clip: Clip | None = None


def chunks(values: Iterable[T], *, name: str, size: int) -> Iterator[list[T]]:
    """Yield a collection whole, any other iterable `size` values at a time, so that not all clips are held at once.

    Raises `TypeError` if one value is given instead of several, or it is not iterable.
    """
    one = isinstance(values, str | bytes | os.PathLike | VideoRef | Clip) or getattr(values, "ndim", 1) in (0, 4)
    if one:
        shown = describe(values)
        raise TypeError(f"{name} is {shown}, one value instead of several; give a list, as [{shown}]")
    try:
        found = iter(values)
    except TypeError:
        raise TypeError(f"{name} is {values!r}; wanted a list or another iterable") from None
    if isinstance(values, Sized):
        return iter([list(found)])
    return iter(lambda: list(islice(found, size)), [])


def as_video_input(value: object, place: int) -> VideoInput:
    """Return the video that a value stands for.

    Raises `TypeError` or `ValueError` for any other value, with its index.
    """
    if isinstance(value, str | os.PathLike):
        path = Path(value)
        return VideoInput(VideoRef(str(path), path))
    if isinstance(value, VideoRef):
        return VideoInput(replace(value, path=Path(value.path)))
    if isinstance(value, Clip):
        clip = replace(value, frames=_frames(value.frames, place), neighbours={}, motion_vectors=None, luma={})
        return VideoInput(VideoRef(clip.id, Path(clip.id)), clip)
    if isinstance(value, np.ndarray | torch.Tensor):
        frames = _frames(value, place)
        name = f"videos[{place}]"
        clip = Clip(name, frames, np.arange(len(frames)) / _RATE)
        return VideoInput(VideoRef(name, Path(name)), clip)
    raise TypeError(f"videos[{place}] is {value!r}; wanted {_WANTED}")


def _frames(values: Any, place: int) -> NDArray[np.uint8]:
    shown = f"videos[{place}] is {describe(values)}"
    frames = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    if frames.dtype != np.uint8:
        raise TypeError(f"{shown}; wanted uint8, 0 to 255")
    if frames.ndim != 4 or frames.shape[3] != 3:
        turned = frames.ndim == 4 and frames.shape[1] == 3
        raise ValueError(f"{shown}; wanted (t, h, w, 3)" + ("; channels belong last" if turned else ""))
    if 0 in frames.shape:
        raise VideoError(f"{shown}; wanted at least one frame of one pixel")
    return frames


class InputReader:
    """A reader of in-memory clips by their id, and of any other video with the recipe's own reader."""

    def __init__(self, clips: Mapping[str, Clip], others: Reader) -> None:
        self._clips, self._others = clips, others

    def times(self, video: VideoRef) -> NDArray[np.float64]:
        """Return the times of the frames in seconds."""
        clip = self._clips.get(video.id)
        return self._others.times(video) if clip is None else clip.times

    def read(self, video: VideoRef, indices: NDArray[np.int64], needs: Needs, size: SizeRule | None) -> Clip:
        """Return the frames at `indices` in their size. Raises `PluginError` for needs that only a file can meet."""
        clip = self._clips.get(video.id)
        if clip is None:
            return self._others.read(video, indices, needs, size)
        unknown = {
            "the codec's motion vectors": needs.motion_vectors,
            "the decoder's luma": needs.luma,
            "the place of its frames in a file": needs.placement,
        }
        for what, asked in unknown.items():
            if asked:
                raise PluginError(
                    f"{video.id}: the mask needs {what}, which frames in memory have not; give the file"
                )
        last = len(clip.frames) - 1
        near = {gap: np.clip(indices + gap, 0, last) for gap in needs.neighbours}
        read = clip.frames.__getitem__
        found = {gap: step_over_repeats(indices, there, last=last, read=read) for gap, there in near.items()}
        return replace(
            clip,
            frames=clip.frames[indices],
            times=clip.times[indices],
            neighbours={gap: clip.frames[there] for gap, there in found.items()},
        )


def reading_from(clips: Mapping[str, Clip], reader: Part[Reader]) -> Part[Reader]:
    """Return the reader's part, under the same name, extended by in-memory clips."""

    def build(options: Any, shapes: BuildContext) -> Reader:
        others: Callable[[Any, BuildContext], Reader] = reader.offer.component.build
        return InputReader(clips, others(options, shapes))

    component = replace(reader.offer.component, build=build)
    return replace(reader, offer=replace(reader.offer, component=component))
