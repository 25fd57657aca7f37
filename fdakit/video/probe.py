"""Opening a video file and reading its packets once; nothing is decoded.

A packet without the discard flag is a frame; its presentation time (pts) is when it is shown. The container's headers
are not used: their frame counts, durations and keyframe flags are often wrong. Source: FFmpeg's demuxers through
PyAV.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import av.error
import numpy as np
from av.stream import Disposition

from fdakit.errors import VideoError

from .packet_checks import index_packets
from .packet_flags import PARAMETERS, SILENT
from .stream_headers import header_reader
from .timeline import PacketIndex
from .timestamps import NO_STAMP

if TYPE_CHECKING:
    from collections.abc import Collection

    from av import Packet
    from av.container import InputContainer
    from av.packet import PktSideDataT
    from av.video.stream import VideoStream

FAULTS = (av.error.FFmpegError, OSError)
"""What PyAV raises for a file it cannot read; everything else is a bug."""

_MATTERING: tuple[PktSideDataT, ...] = ("encryption_info", "new_extradata")
_STILL = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image


def open_container(path: Path) -> InputContainer:
    """Return the opened file, to be closed by the caller. Raises `VideoError` if it is no readable file."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise VideoError(f"{path}: no such file; correct the path or fetch the video") from error
    except OSError as error:
        raise VideoError(f"{path}: cannot be reached: {error_text(error)}; check the path and its rights") from error
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
        raise VideoError(f"{path}: {what}; give the path of a video file")
    try:
        # Tags in old encodings are common, and no reason to reject a video.
        return av.open(str(path), metadata_errors="ignore")
    except FAULTS as error:
        raise VideoError(
            f"{path}: cannot be opened as a video: {error_text(error)}; replace it or remove it from the data set"
        ) from error


def first_stream(container: InputContainer, *, path: Path) -> VideoStream:
    """Return the first video stream that is neither an attached picture nor a thumbnail.

    If there are only such streams, the first of them. Raises `VideoError` if there is no video stream, or none that
    can be decoded.
    """
    streams = container.streams.video
    if not streams:
        raise VideoError(f"{path}: no video stream; replace it or remove it from the data set")
    stream = next((stream for stream in streams if not _still(stream)), streams[0])
    if getattr(stream, "codec_context", None) is None:
        raise VideoError(f"{path}: no decoder for its video codec; re-encode it, for example as h264")
    return stream


def _still(stream: VideoStream) -> bool:
    """Return whether a stream is a still image: marked so, or a single frame in an image codec."""
    context = getattr(stream, "codec_context", None)
    single = stream.frames == 1 and context is not None and context.codec.intra_only
    return bool(stream.disposition & _STILL) or single


def _beside(packet: Packet[VideoStream]) -> Collection[str]:
    """Return the kinds of a packet's side data that matter here."""
    try:
        return [data.data_type for data in packet.iter_sidedata()]
    except IndexError:  # PyAV has no name for one of them
        return [kind for kind in _MATTERING if packet.has_sidedata(kind)]


def error_text(error: Exception) -> str:
    """Return FFmpeg's or the system's message, in lower case, with the demuxer's last complaint."""
    said = (getattr(error, "strerror", None) or str(error)).lower()
    log: Any = getattr(error, "log", None)  # (level, source, message) if FFmpeg logged something
    return f"{said} ({log[2].strip().lower()})" if log else said


def read_packets(
    container: InputContainer, *, stream: VideoStream, path: Path, keep: bool
) -> tuple[PacketIndex, list[Packet[VideoStream]]]:
    """Return the index of a stream and, with `keep`, its packets by number; the container is then at its end.

    Raises `VideoError` for a file that cannot be read to its end, is encrypted, or has no frames.
    """
    packets: list[Packet[VideoStream]] = []
    facts: list[tuple[int, int, int, bool]] = []
    codec = stream.codec_context.codec.canonical_name
    headers = header_reader(codec, stream.codec_context.extradata)
    try:
        for packet in container.demux(stream):
            if packet.size == 0:  # the demuxer's end mark
                continue
            marks = headers(memoryview(packet)) if headers is not None else 0
            beside = _beside(packet)
            # Decoders do not notice that data are encrypted.
            if "encryption_info" in beside:
                raise VideoError(f"{path}: encrypted; decrypt it or remove it from the data set")
            if "new_extradata" in beside and facts:
                marks |= PARAMETERS
            pts, dts = packet.pts, packet.dts
            stamp, order = NO_STAMP if pts is None else pts, NO_STAMP if dts is None else dts
            facts.append((stamp, order, marks, packet.is_discard))
            if keep:
                packets.append(packet)
    except FAULTS as error:
        raise VideoError(
            f"{path}: cannot be read to its end: {error_text(error)}; re-encode it or remove it from the data set"
        ) from error
    if all(discarded or marks & SILENT for _, _, marks, discarded in facts):
        raise VideoError(f"{path}: its video stream holds no frame; replace it or remove it from the data set")
    stamps, orders, told, discarded = (np.array(column) for column in zip(*facts, strict=True))
    index = index_packets(
        stamps,
        decoding=orders,
        marks=told,
        discarded=discarded,
        container=container.format.name,
        reorders=stream.codec_context.codec.reorder if headers is None else None,
        delays=stream.codec_context.has_b_frames,
        tick=stream.time_base,
        rate=stream.average_rate or stream.guessed_rate,
    )
    return index, packets
