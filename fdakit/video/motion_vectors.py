"""A codec's motion vectors in the pixels of their frames: read, scaled, turned, cropped, mirrored.

Rows are (x, y, width, height, dx, dy), float32 `(n, 6)`, see `fdakit.plugin.Clip`. Source: FFmpeg's AVMotionVector
(libavutil/motion_vector.h): dst is a block's centre, motion points from there to the block it is predicted from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .orientation import Orientation

if TYPE_CHECKING:
    from av import VideoFrame

Vectors = NDArray[np.float32]


def motion_vectors(frame: VideoFrame, *, size: tuple[int, int], orientation: Orientation) -> Vectors | None:
    """Return the vectors of the upright frame, its stored frame scaled to `size`, for its `orientation`.

    None if the codec gave none, as for intra frames.
    """
    said = frame.side_data.get("MOTION_VECTORS")
    if said is None:
        return None
    records = said.to_ndarray()
    # Motion points to the reference; content comes from a past reference, and goes to a future one.
    forward = np.where(records["source"] < 0, -1.0, 1.0) / np.maximum(records["motion_scale"], 1)
    columns = [records[name] for name in ("dst_x", "dst_y", "w", "h")]
    rows = np.stack([*columns, records["motion_x"] * forward, records["motion_y"] * forward], axis=1)
    height, width = size
    found = scaled(rows.astype(np.float32), x=width / frame.width, y=height / frame.height)
    if orientation.mirrored:
        found = mirrored(found, width=width)
    for _ in range(orientation.turns):
        found, (height, width) = _turned(found, width=width), (width, height)
    return found


def scaled(vectors: Vectors, *, x: float, y: float) -> Vectors:
    """Return the vectors of a frame scaled `x` times in width and `y` times in height."""
    return vectors * np.array([x, y, x, y, x, y], np.float32)


def shifted(vectors: Vectors, *, x: float, y: float) -> Vectors:
    """Return the vectors of a frame whose content is shifted by `x` and `y` pixels, by cropping or padding."""
    return vectors + np.array([x, y, 0, 0, 0, 0], np.float32)


def mirrored(vectors: Vectors, *, width: int) -> Vectors:
    """Return the vectors of a frame of this `width` mirrored left to right."""
    found = vectors * np.array([-1, 1, 1, 1, -1, 1], np.float32)
    return shifted(found, x=width, y=0)


def _turned(vectors: Vectors, *, width: int) -> Vectors:
    """Return the vectors after a counter-clockwise quarter turn, as of `numpy.rot90`, of a frame `width` wide."""
    x, y, wide, high, dx, dy = vectors.T
    return np.stack([y, width - x, high, wide, dy, -dx], axis=1)
