"""A video file for tests that read one."""

from __future__ import annotations

from pathlib import Path

from fdakit.values import VideoRef

from .building import example_clip


def example_video(path: Path, frames: int = 12, size: int = 64, *, seed: int = 0) -> VideoRef:
    """Write `example_clip` as MPEG-4 video at 8 frames a second, and return its reference."""
    import av

    clip = example_clip(frames, size, seed=seed)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=8, width=size, height=size, pix_fmt="yuv420p")
        for picture in clip.frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())
    return VideoRef(clip.id, path)
