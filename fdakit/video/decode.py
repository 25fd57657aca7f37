"""Reading chosen frames of a file: one sequential decode, exact, without any shortcut.

Frames are identified by their pts, never by count. Colours go through one path, swscale to RGB24 with the
matrix and range that the file states. Source: FFmpeg's decoders and swscale through PyAV.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from av.codec.context import ThreadType
from numpy.typing import NDArray

from fdakit.errors import VideoError
from fdakit.values import Clip, Needs, VideoRef

from .probe import FAULTS, Timeline, first_stream, open_container, scan, words

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

Picture = NDArray[np.uint8]
Vectors = NDArray[Any] | None

_PLAIN = Needs()


def read_frames(
    video: VideoRef, *, indices: NDArray[np.int64], needs: Needs = _PLAIN, size: tuple[int, int] | None = None
) -> Clip:
    """The frames at `indices (t,)` of a full sequential decode sorted by pts, ties by decode order.

    Indices count the frames of the segment, as `frame_times` lists them. Frames come upright (the display
    rotation is applied), uint8 `(t, h, w, 3)`, scaled bicubically to `size` (h, w) if given, else to the
    size of the file's first frame. Neighbours come from the whole file, also from outside the segment, and
    are clamped at its two ends. Motion vectors are FFmpeg's, one structured array a sampled frame or None,
    in pixels of the stored picture: neither turned nor scaled. Pixel aspect ratio is ignored.
    Raises `VideoError` as `frame_times` does, and where decoding fails or ends before a wanted frame;
    `ValueError` for indices outside the segment.
    """
    timeline = scan(video)
    path = video.path.absolute()
    chosen = np.asarray(indices, np.int64)
    count = timeline.last - timeline.first
    if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= count:
        raise ValueError(f"{path}: indices {chosen.tolist()}; give at least one, each from 0 to {count - 1}")
    # Positions in the file, by gap; gap 0 is the sampled frames themselves.
    positions = {
        gap: np.clip(chosen + timeline.first + gap, 0, len(timeline.times) - 1).tolist()
        for gap in (0, *needs.neighbours)
    }
    wanted = {position for places in positions.values() for position in places}
    found = _decode(path, timeline=timeline, wanted=wanted, size=size, vectors=needs.motion_vectors)
    stacks = {gap: np.stack([found[place][0] for place in places]) for gap, places in positions.items()}
    return Clip(
        id=video.id,
        frames=stacks[0],
        times=timeline.times[positions[0]],
        neighbours={gap: stacks[gap] for gap in needs.neighbours},
        motion_vectors=tuple(found[place][1] for place in positions[0]) if needs.motion_vectors else None,
    )


def _decode(
    path: Path, *, timeline: Timeline, wanted: set[int], size: tuple[int, int] | None, vectors: bool
) -> dict[int, tuple[Picture, Vectors]]:
    """Upright picture and motion vectors of each wanted position; stops with the last of them."""
    found: dict[int, tuple[Picture, Vectors]] = {}
    seen: Counter[int | None] = Counter()
    fault, cause = "decoding ends", None
    with open_container(path) as container:
        _set_up(container, path=path, vectors=vectors)
        try:
            for frame in container.decode(container.streams.video[0]):
                if not seen:
                    turns, stored = _geometry(frame, size=size)
                stamp = frame.pts if timeline.stamped else 0
                position = timeline.place.get((stamp, seen[stamp]), -1)
                seen[stamp] += 1
                if position in wanted:
                    found[position] = (np.rot90(_rgb(frame, size=stored), turns), _motion_vectors(frame))
                    if len(found) == len(wanted):
                        return found
        except FAULTS as error:
            fault, cause = f"decoding fails: {words(error)}", error
    raise VideoError(
        f"{path}: {fault}; {seen.total()} of {len(timeline.times)} frames decoded, "
        f"{len(wanted) - len(found)} wanted ones not among them; re-encode it or remove it from the data set"
    ) from cause


def _set_up(container: InputContainer, *, path: Path, vectors: bool) -> None:
    """One thread, never by frames: leaving early hangs some decoders otherwise, and loaders have workers."""
    stream = first_stream(container, path=path)
    stream.thread_type = ThreadType.SLICE
    stream.codec_context.thread_count = 1
    if vectors:
        stream.codec_context.options = {"flags2": "+export_mvs"}


def _geometry(frame: VideoFrame, *, size: tuple[int, int] | None) -> tuple[int, tuple[int, int]]:
    """Quarter turns that set the file's first frame upright, and the size (h, w) to scale to before them."""
    # A display matrix that is no rotation gives an angle that is no right one; such a picture is left alone.
    turns = frame.rotation // 90 % 4 if frame.rotation % 90 == 0 else 0
    if size is None:
        return turns, (frame.height, frame.width)
    return turns, (size[::-1] if turns % 2 else size)


def _rgb(frame: VideoFrame, *, size: tuple[int, int]) -> Picture:
    """RGB `(h, w, 3)` as stored, scaled where the size differs."""
    if (frame.height, frame.width) == size:
        return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    scaled = frame.to_ndarray(format="rgb24", height=size[0], width=size[1], interpolation="BICUBIC")
    return np.asarray(scaled, np.uint8)


def _motion_vectors(frame: VideoFrame) -> Vectors:
    """A copy of FFmpeg's AVMotionVector records `(vectors,)`; a view would keep the whole frame alive."""
    vectors = frame.side_data.get("MOTION_VECTORS")
    return None if vectors is None else np.array(vectors.to_ndarray())
