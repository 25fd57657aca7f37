"""Opening a video file and reading its packets once; nothing is decoded.

A packet without the discard flag is a frame; its presentation time (pts) says when. Headers are not asked:
their frame counts and durations are often wrong. Source: FFmpeg's demuxers through PyAV.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import av.error
import numpy as np

from fdakit.errors import VideoError

from .timeline import NO_STAMP, PacketIndex

if TYPE_CHECKING:
    from av import Packet
    from av.container import InputContainer
    from av.video.stream import VideoStream

FAULTS = (av.error.FFmpegError, OSError)
"""What PyAV raises for a file it cannot read; everything else is a fault of ours."""


def open_container(path: Path) -> InputContainer:
    """The opened file, to be closed by the caller. Raises `VideoError` where it is no readable file."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise VideoError(f"{path}: no such file; correct the path or fetch the video") from error
    except OSError as error:
        raise VideoError(f"{path}: cannot be reached: {words(error)}; check the path and its rights") from error
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
        raise VideoError(f"{path}: {what}; give the path of a video file")
    try:
        # Tags in some old encoding are common, and no reason to lose a video.
        return av.open(str(path), metadata_errors="ignore")
    except FAULTS as error:
        raise VideoError(
            f"{path}: cannot be opened as a video: {words(error)}; replace it or remove it from the data set"
        ) from error


def first_stream(container: InputContainer, *, path: Path) -> VideoStream:
    """The first video stream. Raises `VideoError` where there is none, or none that can be decoded."""
    if not container.streams.video:
        raise VideoError(f"{path}: no video stream; replace it or remove it from the data set")
    stream = container.streams.video[0]
    if getattr(stream, "codec_context", None) is None:
        raise VideoError(f"{path}: no decoder for its video codec; re-encode it, for example as h264")
    return stream


def words(error: Exception) -> str:
    """The error in FFmpeg's or the system's own words, lower case, with the demuxer's last complaint."""
    said = (getattr(error, "strerror", None) or str(error)).lower()
    log: Any = getattr(error, "log", None)  # (level, source, message) where FFmpeg logged something
    return f"{said} ({log[2].strip().lower()})" if log else said


def read_packets(
    container: InputContainer, *, stream: VideoStream, path: Path, keep: bool
) -> tuple[PacketIndex, list[Packet[VideoStream]]]:
    """The index of a stream and, where `keep`, its packets, number by number; the container is then at its end.

    Raises `VideoError` for a file that ends in trouble, is encrypted, or shows no frame.
    """
    packets: list[Packet[VideoStream]] = []
    facts: list[tuple[int, bool, bool]] = []
    try:
        for packet in container.demux(stream):
            if packet.size == 0:  # the demuxer's end mark
                continue
            # The decoders do not know that data are encrypted.
            if packet.has_sidedata("encryption_info"):
                raise VideoError(f"{path}: encrypted; decrypt it or remove it from the data set")
            pts = packet.pts
            facts.append((NO_STAMP if pts is None else pts, packet.is_keyframe, packet.is_discard))
            if keep:
                packets.append(packet)
    except FAULTS as error:
        raise VideoError(
            f"{path}: cannot be read to its end: {words(error)}; re-encode it or remove it from the data set"
        ) from error
    if all(hidden for _, _, hidden in facts):
        raise VideoError(f"{path}: its video stream holds no frame; replace it or remove it from the data set")
    stamps, keys, hidden = zip(*facts, strict=True)
    index = PacketIndex(
        np.array(stamps, np.int64),
        np.array(keys, np.bool_),
        np.array(hidden, np.bool_),
        stream.time_base,
        stream.average_rate or stream.guessed_rate,
    )
    return index, packets
