"""Decoded frames as arrays: one colour conversion, one scaler for a whole file, written straight to their slots.

Colours go through swscale to RGB24 with the matrix and range that the file states. Source: FFmpeg through PyAV.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from fdakit.plugin.contracts import SizeRule

from .motion_vectors import motion_vectors
from .orientation import Orientation, orientation

if TYPE_CHECKING:
    from av import VideoFrame

SHORT_SIDE = 96
"""Pixels of the shorter side of a miniature."""

Size = tuple[int, int]
Slots = Mapping[int, Sequence[tuple[int, int]]]
Vectors = NDArray[np.float32] | None


def miniature_size(shape: Size) -> Size:
    """Return the (h, w) of the miniature of a frame of `shape`; small frames keep theirs."""
    height, width = shape
    scale = min(1.0, SHORT_SIDE / min(shape))
    return max(1, round(height * scale)), max(1, round(width * scale))


class FrameSink(Protocol):
    """A receiver of decoded frames: `slots` has the wanted positions as keys, `stack` is None until set up."""

    stack: NDArray[np.uint8] | None

    @property
    def slots(self) -> Mapping[int, Any]:
        """The slots by position."""
        ...

    def set_up(self, frame: VideoFrame) -> None:
        """Read the geometry from a first frame."""
        ...

    def take(self, position: int, frame: VideoFrame, *, vectors: bool = False) -> None:
        """Store a wanted frame."""
        ...


class FrameBuffer:
    """The frames of a file, stored as they are decoded, in any order.

    `slots` lists the (layer, row) slots of each position; `rows` is the number of rows of a layer. `size` is (h, w),
    a rule from the upright frame's (h, w), or None for that size itself. `grey` fills `luma` along with `stack`,
    `compared` the `miniatures` by position.
    """

    def __init__(
        self,
        slots: Slots,
        *,
        layers: int,
        rows: int,
        size: Size | SizeRule | None,
        grey: bool = False,
        compared: bool = False,
    ) -> None:
        self.slots = slots
        self._layers, self._rows, self._grey = layers, rows, grey
        self._size = size
        self._scaler = VideoReformatter()
        self._compared, self._reducer, self._reduced = compared, VideoReformatter(), (0, 0)
        self.miniatures: dict[int, NDArray[np.uint8]] = {}
        self.orientation = Orientation()  # from the stored frame to upright
        self._stored: Size = (0, 0)
        self.stack: NDArray[np.uint8] | None = None
        self.luma: NDArray[np.uint8] | None = None
        self.vectors: dict[int, Vectors] = {}

    def set_up(self, frame: VideoFrame) -> None:
        """Read orientation and size from a first frame."""
        self.orientation = orientation(frame)
        own = (frame.height, frame.width)
        upright = own[::-1] if self.orientation.swaps else own
        target = self._size(upright) if callable(self._size) else self._size or upright
        self._stored = target[::-1] if self.orientation.swaps else target
        self._reduced = miniature_size(own)
        self.stack = np.empty((self._layers, self._rows, *target, 3), np.uint8)
        self.luma = np.empty((self._layers, self._rows, *target), np.uint8) if self._grey else None

    def take(self, position: int, frame: VideoFrame, *, vectors: bool = False) -> None:
        """Convert, scale and turn a frame, and store it in the slots of its position."""
        if self.stack is None:
            self.set_up(frame)
        self.put(frame, self.slots[position])
        if self._compared:
            self.miniatures[position] = self.miniature(frame)
        if vectors:
            self.vectors[position] = motion_vectors(frame, size=self._stored, orientation=self.orientation)

    def put(self, frame: VideoFrame, places: Sequence[tuple[int, int]]) -> None:
        """Convert, scale and turn a frame, and store it at each (layer, row); the geometry must be known."""
        if not places:
            return
        upright = self.orientation.upright
        picture = upright(self._converted(frame, "rgb24"))
        grey = upright(self._converted(frame, "gray")) if self._grey else None
        for layer, row in places:
            self.stack[layer, row] = picture  # type: ignore[index]
            if grey is not None:
                self.luma[layer, row] = grey  # type: ignore[index]

    def miniature(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Return the decoder's luma `(h, w)`, averaged to `SHORT_SIDE` px, as stored, independent of `size`."""
        height, width = self._reduced
        made = self._reducer.reformat(
            frame, width=width, height=height, format="gray", interpolation="AREA", threads=1
        )
        plane: Any = made.planes[0]
        return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:height, :width].copy()

    def _converted(self, frame: VideoFrame, form: str) -> NDArray[np.uint8]:
        """Return a view `(h, w, 3)`, or `(h, w)` of gray, on the converted frame's own plane.

        One thread, as waiting for more costs more. Gray is the decoder's luma, scaled to 0 to 255.
        """
        height, width = self._stored
        channels = 3 if form == "rgb24" else 1
        scaled = (frame.height, frame.width) != self._stored
        made = self._scaler.reformat(
            frame,
            width=width,
            height=height,
            format=form,
            interpolation="BICUBIC" if scaled else None,
            threads=1,
        )
        plane: Any = made.planes[0]  # supports the buffer protocol, which its stubs do not declare
        lines = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:height, : width * channels]
        if channels == 1:
            return lines
        return lines.reshape(height, width, 3) if plane.line_size == width * 3 else _unpadded(lines, width)


def _unpadded(lines: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    return np.lib.stride_tricks.as_strided(lines, (len(lines), width, 3), (lines.strides[0], 3, 1), writeable=False)
