"""For the tests of this folder: small real videos, and a plain full decode to compare with."""

from __future__ import annotations

import csv
from fractions import Fraction

import av
import numpy as np
import pytest

from fdakit.video import frame_times, read_frames

GROUPED = {"bf": "3", "g": "12", "qp": "12", "sc_threshold": "0", "b_strategy": "0"}  # keyframes each dozen, B-frames
LOSSLESS = {"qp": "0", "bf": "3", "g": "12"}  # with B-frames, so that decode order is not shown order


def numbered(count, *, height=48, width=64):
    """Uniform frames `(count, h, w, 3)` whose grey level tells their number: 30 + 6 i."""
    levels = (30 + 6 * np.arange(count)).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3))


def numbers(frames, *, step=6):
    """The numbers that `numbered` wrote, read back from RGB `(t, h, w, 3)`."""
    return np.rint((np.asarray(frames, float).mean((1, 2, 3)) - 30) / step).astype(int).tolist()


def noise(count, *, height=48, width=64):
    """Frames `(count, h, w, 3)` of coarse noise, each another, so that no two can be mixed up."""
    rng = np.random.default_rng(count)
    coarse = rng.integers(0, 256, (count, height // 8, width // 8, 3), np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


def ramp(count, *, height=48, width=64):
    """The same smooth picture `(count, h, w, 3)`: red grows to the right, green downwards."""
    down, right = np.mgrid[0:height, 0:width]
    picture = np.stack([right * (255 // width), down * (255 // height), 0 * down], axis=2).astype(np.uint8)
    return np.broadcast_to(picture, (count, *picture.shape))


def encode(path, pictures, *, codec="libx264", options=LOSSLESS, millis=None, turn=0, tags=None, aspect=None):
    """Writes a video, 25 frames a second or each at its time in `millis`; gives back its path.

    `aspect` is a stored pixel's width over its height, a Fraction; `turn` is the display's rotation.
    """
    with av.open(str(path), "w") as container:
        container.metadata.update(tags or {})
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        unit = Fraction(1, 25) if millis is None else Fraction(1, 1000)
        stream.codec_context.time_base = unit
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if turn:
            if not hasattr(av.VideoStream, "set_display_rotation"):
                pytest.skip(f"PyAV {av.__version__} cannot write a display rotation")
            stream.set_display_rotation(turn)
        for place, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = (place if millis is None else millis[place]), unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def restamp(path, source, *, millis):
    """Copies a video without B-frames, giving its packets other times, also such as no encoder would take."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        packets = [packet for packet in old.demux(video=0) if packet.size]
        for packet, stamp in zip(packets, millis, strict=True):
            packet.pts = packet.dts = stamp
            packet.time_base, packet.stream = Fraction(1, 1000), stream
            new.mux(packet)
    return path


def sequential(path):
    """Every frame as stored, RGB, of a full decode by one thread, in the decoder's order."""
    with av.open(str(path), metadata_errors="ignore") as container:
        stream = container.streams.video[0]
        stream.thread_type = "SLICE"
        stream.codec_context.thread_count = 1
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]


def agrees(video, indices):
    """The frames at `indices` are those of the full decode, pixel for pixel."""
    full = sequential(video.path)
    assert len(full) == len(frame_times(video))
    got = read_frames(video, indices=np.array(indices))
    for place, index in enumerate(indices):
        np.testing.assert_array_equal(got.frames[place], full[index], err_msg=f"{video.path} frame {index}")


def rows(path):
    """The rows of one of the data folder's indices."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
