"""Reading with PyAV: exactly the frames that a full sequential decode gives, on one thread.

Source: FFmpeg through PyAV, https://github.com/PyAV-Org/PyAV.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit import Clip, Component, Needs, Options, Reader, Shapes, VideoRef, hookimpl


class PyavOptions(Options):
    """Nothing to choose."""


@dataclass(frozen=True)
class PyavReader:
    """The two questions of a reader, handed on to fdakit's own probe and decoder."""

    frame_times: Callable[..., NDArray[np.float64]]
    read_frames: Callable[..., Clip]

    def times(self, video: VideoRef) -> NDArray[np.float64]:
        """Time of every frame `(count,)` in seconds from the first, ascending, within the segment."""
        return self.frame_times(video)

    def read(self, video: VideoRef, indices: NDArray[np.int64], needs: Needs, size: tuple[int, int] | None) -> Clip:
        """The frames at `indices`, upright, uint8 `(t, h, w, 3)`, scaled to `size` (h, w) if given."""
        return self.read_frames(video, indices=indices, needs=needs, size=size)


def build(options: PyavOptions, shapes: Shapes) -> Reader:
    """The decoder is imported here, so that listing readers stays instant."""
    from fdakit import frame_times, read_frames

    return PyavReader(frame_times, read_frames)


PYAV = Component("pyav", "any file that FFmpeg reads, exact frames, one thread", PyavOptions, build)


@hookimpl
def fdakit_readers() -> Iterable[Component[Any, Reader]]:
    return (PYAV,)
