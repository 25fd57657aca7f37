"""For tests of damage: a film damaged in part, work that hangs or dies, and a reader that does so at one video."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from fdakit.dataset_files.damage_ledger import Finding
from fdakit.plugin import BuildContext, Clip, Component, Needs, Options, VideoRef, hookimpl
from fdakit.video import frame_times, read_frames

FRAMES, HOLES = 20, (5, 6)


def holed_film(path: Path) -> Path:
    """20 key frames of 64 x 48 px at 8 a second, of grey level 30 + 6 i; numbers 5 and 6 do not decode."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8, options={"qp": "0", "g": "1"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for number in range(FRAMES):
            picture = np.full((48, 64, 3), 30 + 6 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        spots = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for number in HOLES:
        place, size = spots[number]
        content[place : place + size] = b"\xff" * size
    path.write_bytes(content)
    return path


def numbers(frames: NDArray[np.uint8]) -> list[int]:
    """Which frames of `holed_film` these are."""
    found: list[int] = np.rint((frames.astype(float).mean((1, 2, 3)) - 30) / 6).astype(int).tolist()
    return found


def work_on(task: str) -> str:
    """Does what the task says."""
    what, _, value = task.partition(" ")
    if what == "raise":
        raise ValueError(value)
    if what == "sleep":
        time.sleep(float(value))
    if what == "die":
        os.kill(os.getpid(), int(value))
    return f"{task} done"


def look(path: Path) -> Finding:
    """A finding by the file's name: `sleep 60.mp4` sleeps, and `die 11.mp4` dies."""
    work_on(path.stem)
    return Finding("ok", promised=3, decoded=3)


class Trouble(Options):
    """At which video, and what then: `sleep` for ever, or `die` by a signal."""

    video: str = ""
    end: int = 0


class Troubled:
    """fdakit's own reader, but for one video."""

    def __init__(self, options: Trouble, shapes: BuildContext) -> None:
        self.options = options

    def times(self, video: VideoRef) -> NDArray[np.float64]:
        if video.id == self.options.video:
            if self.options.end:
                os.kill(os.getpid(), self.options.end)
            while True:
                time.sleep(60)
        return frame_times(video)

    def read(self, video: VideoRef, indices: Any, needs: Needs, size: Any) -> Clip:
        return read_frames(video, indices=indices, needs=needs, size=size)


@hookimpl
def fdakit_readers() -> Iterable[Component[Any, Any]]:
    return [Component("troubled", "hangs or dies at one video", Trouble, Troubled)]


KILL, CRASH = int(signal.SIGKILL), int(signal.SIGSEGV)
