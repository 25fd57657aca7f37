"""Decoded frames made fit for H.264: upright, 8 bits of 4:2:0, an even size, all of one size."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from fdakit.video.orientation import Orientation, orientation

if TYPE_CHECKING:
    from av import VideoFrame

FORMAT = "yuv420p"
_TURNS: dict[int, tuple[str, ...]] = {0: (), 1: ("transpose=cclock",), 2: ("hflip", "vflip"), 3: ("transpose=clock",)}
_RGB, _UNKNOWN = 0, 2  # of AVColorSpace
_FULL = 2  # of AVColorRange
_TIME_BASE = Fraction(1, 90000)  # of the filters; the times of frames are set afterwards


class UprightFrames:
    """Converts frames, in colours of limited range with the matrix that they have.

    The size is that of the first frame, less a row or column where it is odd; `swaps` tells whether frames are turned
    on their side. Frames that fit already pass as they are.
    """

    def __init__(self, first: VideoFrame) -> None:
        self._turn = orientation(first)
        size = (first.height, first.width) if self.swaps else (first.width, first.height)
        self.width, self.height = (max(2, side - side % 2) for side in size)
        self._known: tuple[Any, ...] = ()
        self._graph: Any = None

    @property
    def swaps(self) -> bool:
        """Whether width and height are swapped."""
        return self._turn.swaps

    def converted(self, frame: VideoFrame) -> VideoFrame:
        """Return the frame as the encoder takes it."""
        fits = (frame.width, frame.height, frame.format.name) == (self.width, self.height, FORMAT)
        if fits and self._turn == Orientation() and frame.color_range != _FULL:
            return frame
        kind = (frame.width, frame.height, frame.format.name)
        if kind != self._known:
            self._known, self._graph = kind, self._filters(frame)
        frame.pts, frame.time_base = 0, _TIME_BASE
        self._graph.push(frame)
        made: VideoFrame = self._graph.pull()
        return made

    def _filters(self, frame: VideoFrame) -> Any:
        from av.filter import Graph

        graph = Graph()
        steps = (("hflip",) if self._turn.mirrored else ()) + _TURNS[self._turn.turns]
        upright = (frame.height, frame.width) if self.swaps else (frame.width, frame.height)
        if all(0 <= own - wanted <= 1 for own, wanted in zip(upright, (self.width, self.height), strict=True)):
            steps += (f"crop={self.width}:{self.height}:0:0:exact=1",)
        scale = f"scale={self.width}:{self.height}:flags=bicubic+accurate_rnd+full_chroma_int:out_range=limited"
        nodes = [graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=_TIME_BASE)]
        for step in (*steps, scale, f"format={FORMAT}"):
            name, _, options = step.partition("=")
            nodes.append(graph.add(name, options or None))
        graph.link_nodes(*nodes, graph.add("buffersink")).configure()
        return graph


def colours_of(frame: VideoFrame) -> dict[str, int]:
    """Return what a stream states of its colours for frames like this one; nothing that is unknown, or of RGB."""
    stated = {
        "colorspace": frame.colorspace,
        "color_primaries": frame.color_primaries,
        "color_trc": frame.color_trc,
    }
    return {name: int(value) for name, value in stated.items() if int(value) not in (_RGB, _UNKNOWN)}
