"""The orientation of a stored frame: one of eight, from the file's display matrix.

The matrix maps a stored point to the displayed one, `x' = a x + c y`, `y' = b x + d y`, in 16.16 fixed point. A
negative determinant mirrors, as phones write it for front camera videos. Sources: ISO/IEC 14496-12, 8.5.2 and
FFmpeg's libavutil/display.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av import VideoFrame

_CROOKED = 1e-2  # of its largest entry: smaller entries count as zero


@dataclass(frozen=True)
class Orientation:
    """`mirrored` left to right, then `turns` counter-clockwise quarter turns, as `numpy.rot90` counts them."""

    turns: int = 0
    mirrored: bool = False

    @property
    def swaps(self) -> bool:
        """Whether height and width are swapped."""
        return self.turns % 2 == 1

    def upright(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return an upright view of a stored frame `(h, w, …)`."""
        shown: NDArray[np.uint8] = np.rot90(picture[:, ::-1] if self.mirrored else picture, self.turns)
        return shown


def orientation(frame: VideoFrame) -> Orientation:
    """Return the orientation of a frame; as stored if its matrix is no multiple of a quarter turn."""
    try:
        stated: Any = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # side data of a kind that PyAV does not know; it still knows the angle
        return Orientation(frame.rotation // 90 % 4 if frame.rotation % 90 == 0 else 0)
    if stated is None:
        return Orientation()
    entries = np.frombuffer(stated, np.int32).astype(np.float64)
    a, b, c, d = entries[[0, 1, 3, 4]]
    least = _CROOKED * max(abs(a), abs(b), abs(c), abs(d))
    straight = min(abs(a), abs(d)) > least and max(abs(b), abs(c)) <= least
    turned = min(abs(b), abs(c)) > least and max(abs(a), abs(d)) <= least
    if not (straight or turned):
        return Orientation()
    mirrored = bool(a * d - b * c < 0)
    if mirrored:  # what remains after mirroring is a rotation
        a, b = -a, -b
    turns = (0 if a > 0 else 2) if straight else (3 if b > 0 else 1)
    return Orientation(turns, mirrored)
