"""Reading with PyAV: exactly the frames of a full sequential decode, decoding as few as possible.

Packets are read once. The decoder skips frames that no other refers to and starts at the last entry point before each
wanted frame, by the stream's own headers; one thread, as loaders have workers.

Source: FFmpeg through PyAV, https://github.com/PyAV-Org/PyAV.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fdakit.plugin import BuildContext, Clip, Component, Needs, Options, Reader, VideoRef, hookimpl

if TYPE_CHECKING:
    from fdakit.video import OpenVideo


class PyavOptions(Options):
    """How much is decoded."""

    sparse: bool = Field(
        True, description="skip frames that no wanted frame refers to; the pixels are the same; false: decode all"
    )


class PyavReader:
    """Keeps the file open between the calls for its times and for its frames, so that it is read once.

    A file of which a segment was read stays open until another is asked for: its next segment is then near at hand.
    """

    def __init__(self, *, sparse: bool) -> None:
        self._sparse = sparse
        self._open: OpenVideo | None = None

    def times(self, video: VideoRef) -> NDArray[np.float64]:
        """Return the time of every frame `(count,)` in seconds from the first, ascending, within the segment."""
        opened = self._taken(video)
        try:
            times = opened.times()
        except BaseException:
            opened.close()
            raise
        self._open = opened
        return times

    def read(self, video: VideoRef, indices: NDArray[np.int64], needs: Needs, size: Any) -> Clip:
        """Return the frames at `indices`, upright, uint8 `(t, h, w, 3)`, scaled to `size` if given."""
        opened = self._taken(video)
        try:
            clip = opened.read(indices, needs=needs, size=size, sparse=self._sparse)
        except BaseException:
            opened.close()
            raise
        if video.start is None and video.end is None:
            opened.close()
        else:
            self._open = opened
        return clip

    def _taken(self, video: VideoRef) -> OpenVideo:
        """Return the video that `times` left open, else open it."""
        from fdakit.video import OpenVideo

        kept, self._open = self._open, None
        if kept is not None:
            if kept.shows(video):
                return kept
            kept.close()
        return OpenVideo(video)


def build(options: PyavOptions, shapes: BuildContext) -> Reader:
    """Return the reader, which opens nothing until a video is requested."""
    return PyavReader(sparse=options.sparse)


PYAV = Component("pyav", "any file that FFmpeg reads, exact frames, one thread", PyavOptions, build)


@hookimpl
def fdakit_readers() -> Iterable[Component[Any, Reader]]:
    return (PYAV,)
