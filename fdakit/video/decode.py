"""Frame times and selected frames of a video, exact to the pixel: the base of readers."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fdakit.errors import VideoError
from fdakit.plugin.contracts import SizeRule
from fdakit.values import Clip, Needs, VideoRef

from .frame_buffer import FrameBuffer, Size
from .repeated_frames import RepeatDetector, before_each, find_searches, shown_first
from .video_file import VideoFile

if TYPE_CHECKING:
    from types import TracebackType

_PLAIN = Needs()


class OpenVideo:
    """A video whose file is open: `times` and frames can be read in any order and any number of times.

    Its packets are read once. Use it in a `with` block or close it; reading after that raises `ValueError`. Raises
    `VideoError` for a file that is missing, unreadable, encrypted or without frames.
    """

    def __init__(self, video: VideoRef) -> None:
        self.video = video
        self.refetched = 0
        self._stamp = _stamp(video.path)
        self._film = VideoFile(video.path)
        self._closed = False

    def __enter__(self) -> OpenVideo:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def shows(self, video: VideoRef) -> bool:
        """Turn to another video if it is of the same unchanged file; return whether it is.

        Of a segment it is its range that is turned to.
        """
        if self._closed or video.path.absolute() != self._film.path or _stamp(video.path) != self._stamp:
            return False
        self.video = video
        return True

    def close(self) -> None:
        """Close the file."""
        self._closed = True
        self._film.close()

    @property
    def stream(self) -> int:
        """The index of the stream that is read: attached pictures and thumbnails are skipped."""
        return self._film.source.stream

    @property
    def coded_size(self) -> tuple[int, int]:
        """Height and width of the stored frames, in pixels, before they are turned upright."""
        return self._film.source.shape

    @property
    def remarks(self) -> tuple[str, ...]:
        """How the file's order and times differ from what it states; empty for most files."""
        return self._film.timeline.remarks

    @property
    def mirrored(self) -> bool:
        """Whether the file's display matrix mirrors its frames; decodes the first frame to find out."""
        canvas = FrameBuffer({0: [(0, 0)]}, layers=1, rows=1, size=(1, 1))
        self._film.decode(canvas, vectors=False, tolerant=False, sparse=True)
        return canvas.orientation.mirrored

    def times(self) -> NDArray[np.float64]:
        """Return the times that `frame_times` returns."""
        first, last = self._film.timeline.segment(self.video)
        return self._film.timeline.times[first:last]

    def read(
        self,
        indices: NDArray[np.int64],
        *,
        needs: Needs = _PLAIN,
        size: Size | SizeRule | None = None,
        tolerant: bool = False,
        sparse: bool = True,
    ) -> Clip:
        """Return frames as `read_frames` does. Raises `ValueError` if the video is closed.

        `refetched` is then how many frames did not come out of a sparse decode and needed a full one.
        """
        if self._closed:
            raise ValueError(f"{self._film.path}: this OpenVideo is closed; open the video anew")
        timeline, chosen = self._film.timeline, np.asarray(indices, np.int64)
        first, last = timeline.segment(self.video)
        if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= last - first:
            raise ValueError(
                f"{self._film.path}: indices {chosen.tolist()}; give at least one, each from 0 to {last - first - 1}"
            )
        # Positions in the file, a layer for each gap; gap 0 is the sampled frames themselves.
        gaps = (0, *needs.neighbours)
        layers = [np.clip(chosen + first + gap, 0, len(timeline.times) - 1).tolist() for gap in gaps]
        canvas = self._canvas(layers, needs=needs, size=size, tolerant=tolerant, sparse=sparse)
        self.refetched = self._film.refetched
        if needs.neighbours:
            self._step_over(canvas, layers, tolerant=tolerant, sparse=sparse)
        stack = canvas.stack
        assert stack is not None
        return Clip(
            id=self.video.id,
            frames=stack[0],
            times=timeline.times[layers[0]],
            neighbours={gap: stack[layer] for layer, gap in enumerate(gaps) if layer},
            pixel_aspect=self._film.pixel_aspect ** (-1 if canvas.orientation.swaps else 1),
            motion_vectors=_vectors(canvas, layers[0]) if needs.motion_vectors else None,
            luma={} if canvas.luma is None else dict(zip(gaps, canvas.luma, strict=True)),
        )

    def _canvas(
        self, layers: list[list[int]], *, needs: Needs, size: Size | SizeRule | None, tolerant: bool, sparse: bool
    ) -> FrameBuffer:
        """Return the decoded frames at the positions of each layer.

        With motion vectors, those of earlier frames too.
        """
        vectors, slots = needs.motion_vectors, _slots(layers)
        compared = bool(needs.neighbours) or vectors
        make = partial(
            FrameBuffer, layers=len(layers), rows=len(layers[0]), size=size, grey=needs.luma, compared=compared
        )
        if vectors and not tolerant:
            canvas = make({**dict.fromkeys(before_each(layers[0]), ()), **slots})
            with suppress(VideoError):  # it concerns a frame before the wanted ones, or is raised again below
                self._film.decode(canvas, vectors=vectors, tolerant=tolerant, sparse=sparse)
                return canvas
        canvas = make(slots)
        self._film.decode(canvas, vectors=vectors, tolerant=tolerant, sparse=sparse)
        return canvas

    def _step_over(self, canvas: FrameBuffer, layers: list[list[int]], *, tolerant: bool, sparse: bool) -> None:
        """Replace neighbours that are repeats by the nearest frames that differ."""
        searches = find_searches(canvas, layers, last=len(self._film.timeline.times) - 1)
        if not searches:
            return
        lookout = RepeatDetector(canvas, searches)
        # Damage beyond the requested frames is not an error.
        with suppress(VideoError):
            self._film.decode(lookout, vectors=False, tolerant=tolerant, sparse=sparse)
        lookout.finish()


def _vectors(canvas: FrameBuffer, positions: list[int]) -> tuple[NDArray[np.float32] | None, ...]:
    """Return the motion vectors of frames; of a repeat, those of the frame it repeats."""
    return tuple(canvas.vectors[shown_first(position, canvas.miniatures)] for position in positions)


def _slots(layers: list[list[int]]) -> dict[int, list[tuple[int, int]]]:
    """Return where each position belongs: (layer, row), several if it is wanted several times."""
    slots: dict[int, list[tuple[int, int]]] = {}
    for layer, positions in enumerate(layers):
        for row, position in enumerate(positions):
            slots.setdefault(position, []).append((layer, row))
    return slots


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is replaced or written to; None if it is gone."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_ino, seen.st_size, seen.st_mtime_ns


def frame_times(video: VideoRef) -> NDArray[np.float64]:
    """Return the times `(count,)` of the segment's frames, ascending, in seconds from the file's first frame.

    A frame at t is in the segment if `start <= t < end`. If pts are missing, the frames are spaced at the average
    rate that the file states (25 a second if it states none). A clock that jumps or restarts is made continuous, and
    the segment's two ends refer to that time. Raises `VideoError` for a file that is missing, unreadable, encrypted,
    without frames, or without any in the segment.
    """
    with OpenVideo(video) as opened:
        return opened.times()


def read_frames(
    video: VideoRef,
    *,
    indices: NDArray[np.int64],
    needs: Needs = _PLAIN,
    size: Size | SizeRule | None = None,
    tolerant: bool = False,
    sparse: bool = True,
) -> Clip:
    """Return the frames at `indices (t,)` of a full sequential decode by one thread, in presentation order.

    That is the order of their pts, or the decoder's own if the container does not store presentation times. Indices
    count the frames of the segment, as `frame_times` lists them. Frames are upright (turned and mirrored by the
    file's display matrix), uint8 `(t, h, w, 3)`, scaled bicubically to `size` if given: (h, w), or a rule that
    computes it from the upright frame's (h, w). Neighbours come from the whole file, also from outside the segment,
    and are clamped at its two ends; a neighbour that repeats the frame is skipped, see `fdakit.plugin.Needs`. Motion
    vectors and luma are as `fdakit.plugin.Clip` describes them. The clip states its pixel aspect ratio; frames are
    not stretched by it. `tolerant` skips damaged packets; it decodes everything, as `sparse = False` does. Raises
    `VideoError` as `frame_times` does, and if decoding fails or ends before a wanted frame; `ValueError` for indices
    outside the segment.
    """
    with OpenVideo(video) as opened:
        return opened.read(indices, needs=needs, size=size, tolerant=tolerant, sparse=sparse)
