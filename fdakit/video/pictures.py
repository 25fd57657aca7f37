"""Decoded frames as pictures: one colour path, one scaler for a whole file, written straight to where they belong.

Colours go through swscale to RGB24 with the matrix and range that the file states. Source: FFmpeg through PyAV.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from fdakit.contracts import SizeRule

if TYPE_CHECKING:
    from av import VideoFrame

Size = tuple[int, int]
Slots = Mapping[int, Sequence[tuple[int, int]]]
Vectors = NDArray[Any] | None


class Canvas:
    """Takes the frames of a file as they are decoded, in any order.

    `slots` says for each position in which (layer, row) it belongs; `rows` how many rows a layer has. `size` is
    (h, w), a rule from the upright frame's own (h, w), or None for that itself.
    """

    def __init__(self, slots: Slots, *, layers: int, rows: int, size: Size | SizeRule | None) -> None:
        self.slots = slots
        self._layers, self._rows = layers, rows
        self._size = size
        self._scaler = VideoReformatter()
        self.turns = 0  # quarter turns that set the stored picture upright
        self._stored: Size = (0, 0)
        self.stack: NDArray[np.uint8] | None = None
        self.vectors: dict[int, Vectors] = {}

    def set_up(self, frame: VideoFrame) -> None:
        """Learn geometry from a first frame: its display rotation and its size."""
        # A display matrix that is no rotation gives an angle that is no right one; such a picture is left alone.
        self.turns = frame.rotation // 90 % 4 if frame.rotation % 90 == 0 else 0
        own = (frame.height, frame.width)
        upright = own[::-1] if self.turns % 2 else own
        target = self._size(upright) if callable(self._size) else self._size or upright
        self._stored = target[::-1] if self.turns % 2 else target
        self.stack = np.empty((self._layers, self._rows, *target, 3), np.uint8)

    def take(self, position: int, frame: VideoFrame, *, vectors: bool = False) -> None:
        """Convert, scale and turn a frame, and put it wherever its position belongs."""
        if self.stack is None:
            self.set_up(frame)
        picture = np.rot90(self._rgb(frame), self.turns)
        for layer, row in self.slots[position]:
            self.stack[layer, row] = picture  # type: ignore[index]
        if vectors:
            self.vectors[position] = _motion_vectors(frame)

    def _rgb(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """A view `(h, w, 3)` on the converted frame's own plane; one thread, as waiting for more costs more."""
        height, width = self._stored
        scaled = (frame.height, frame.width) != self._stored
        rgb = self._scaler.reformat(
            frame,
            width=width,
            height=height,
            format="rgb24",
            interpolation="BICUBIC" if scaled else None,
            threads=1,
        )
        plane: Any = rgb.planes[0]  # offers the buffer protocol, which its stubs do not tell
        lines = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:height, : width * 3]
        return lines.reshape(height, width, 3) if plane.line_size == width * 3 else _unpadded(lines, width)


def _unpadded(lines: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    return np.lib.stride_tricks.as_strided(lines, (len(lines), width, 3), (lines.strides[0], 3, 1), writeable=False)


def _motion_vectors(frame: VideoFrame) -> Vectors:
    """A copy of FFmpeg's AVMotionVector records `(vectors,)`; a view would keep the whole frame alive."""
    vectors = frame.side_data.get("MOTION_VECTORS")
    return None if vectors is None else np.array(vectors.to_ndarray())
