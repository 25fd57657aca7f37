"""Times and chosen frames of a video, exact to the pixel: what readers stand on."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
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
    """A video whose file is open: ask for `times` and for frames, in any order and as often as wanted.

    Its packets are read once. Use it in a `with` block or close it; reading after that raises `ValueError`. Raises
    `VideoError` for a file that is absent, unreadable, encrypted or without frames.
    """

    def __init__(self, video: VideoRef) -> None:
        self.video = video
        self.refetched = 0
        self._film = VideoFile(video.path)
        self._closed = False

    def __enter__(self) -> OpenVideo:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._closed = True
        self._film.close()

    @property
    def stream(self) -> int:
        """Number of the stream in the file that is read: attached pictures and thumbnails are passed over."""
        return self._film.source.stream

    @property
    def remarks(self) -> tuple[str, ...]:
        """What about the file's order and times is not as it states, in words; empty for most files."""
        return self._film.timeline.remarks

    @property
    def mirrored(self) -> bool:
        """Whether the file's display matrix mirrors its pictures; decodes the first frame to know it."""
        canvas = FrameBuffer({0: [(0, 0)]}, layers=1, rows=1, size=(1, 1))
        self._film.decode(canvas, vectors=False, tolerant=False, sparse=True)
        return canvas.orientation.mirrored

    def times(self) -> NDArray[np.float64]:
        """As `frame_times`."""
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
        """As `read_frames`. Raises `ValueError` if the video is closed.

        `refetched` then tells how many frames did not come out of a sparse decode and were fetched by a full one.
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
        """Return the frames at the positions of each layer, decoded.

        With motion vectors those of frames before them too.
        """
        vectors, slots = needs.motion_vectors, _slots(layers)
        compared = bool(needs.neighbours) or vectors
        make = partial(
            FrameBuffer, layers=len(layers), rows=len(layers[0]), size=size, grey=needs.luma, compared=compared
        )
        if vectors and not tolerant:
            canvas = make({**dict.fromkeys(before_each(layers[0]), ()), **slots})
            with suppress(VideoError):  # of a frame before those that are wanted, or met again below
                self._film.decode(canvas, vectors=vectors, tolerant=tolerant, sparse=sparse)
                return canvas
        canvas = make(slots)
        self._film.decode(canvas, vectors=vectors, tolerant=tolerant, sparse=sparse)
        return canvas

    def _step_over(self, canvas: FrameBuffer, layers: list[list[int]], *, tolerant: bool, sparse: bool) -> None:
        """Put the nearest frames that show another picture in the place of neighbours that are repeats."""
        searches = find_searches(canvas, layers, last=len(self._film.timeline.times) - 1)
        if not searches:
            return
        lookout = RepeatDetector(canvas, searches)
        # What is damaged beyond the frames that were asked for is no fault of theirs.
        with suppress(VideoError):
            self._film.decode(lookout, vectors=False, tolerant=tolerant, sparse=sparse)
        lookout.finish()


def _vectors(canvas: FrameBuffer, positions: list[int]) -> tuple[NDArray[np.float32] | None, ...]:
    """Return the motion vectors of frames; of a repeat, those of the frame that first showed its picture."""
    return tuple(canvas.vectors[shown_first(position, canvas.miniatures)] for position in positions)


def _slots(layers: list[list[int]]) -> dict[int, list[tuple[int, int]]]:
    """Return where each position belongs: (layer, row), several where it is wanted several times."""
    slots: dict[int, list[tuple[int, int]]] = {}
    for layer, positions in enumerate(layers):
        for row, position in enumerate(positions):
            slots.setdefault(position, []).append((layer, row))
    return slots


def frame_times(video: VideoRef) -> NDArray[np.float64]:
    """Times `(count,)` of the frames of the segment, ascending, in seconds from the file's first frame.

    A frame at t is in the segment where `start <= t < end`. Where pts are missing, the frames stand at the average
    rate that the file states (at 25 a second if it states none). A clock that jumps or starts again is taken as if
    it did not, and so are the segment's two ends.
    Raises `VideoError` for a file that is absent, unreadable, encrypted, without frames, or without any
    in the segment.
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
    """Return the frames at `indices (t,)` of a full sequential decode by one thread, in the order they are shown in.

    That is the order of their pts, and the decoder's own where the container does not say when frames are shown.
    Indices count the frames of the segment, as `frame_times` lists them. Frames come upright (turned and mirrored
    as the file's display matrix says), uint8 `(t, h, w, 3)`, scaled bicubically to `size` if given: (h, w), or a
    rule that makes it of the upright frame's own (h, w). Neighbours come from the whole file, also from outside the
    segment, and are clamped at its two ends; one that repeats the frame's picture is stepped over, see
    `fdakit.plugin.Needs`. Motion vectors and luma are as `fdakit.plugin.Clip` describes them. The
    clip tells its pixel aspect ratio; nothing is stretched by it.
    `tolerant` passes over damaged packets; it decodes everything, as `sparse = False` does.
    Raises `VideoError` as `frame_times` does, and where decoding fails or ends before a wanted frame;
    `ValueError` for indices outside the segment.
    """
    with OpenVideo(video) as opened:
        return opened.read(indices, needs=needs, size=size, tolerant=tolerant, sparse=sparse)
