"""Where decoding can start and what each packet yields, according to the stream's own headers.

A container's keyframe flags are only a claim: MP4 without a sync table declares every packet one. Sources: the
specification of each codec, named at its function.
"""

from __future__ import annotations

from collections.abc import Callable

from .bit_reader import BitReader
from .nal_units import AvcHeaders, HevcHeaders
from .packet_flags import BACKWARD, ENTRY, SILENT, UNSURE

Headers = Callable[[memoryview], int]
"""Called with every packet of a stream in file order; returns flags, see `fdakit.video.packet_flags`."""

_VIDEO_OBJECT = 32  # bytes that contain what is read of the header of a video object layer
_EARLY = 24  # packets
_HEADER = 1024  # bytes that contain the headers of almost every picture
_NO_PICTURE = 12  # bytes of an MPEG-4 picture that may be a header alone (nothing coded: the picture repeats)


def header_reader(codec: str, extradata: bytes | None) -> Headers | None:
    """Return the packet header reader of a codec; None if any of its pictures may depend on those before."""
    if codec in _STATEFUL:
        return _STATEFUL[codec](extradata)
    return _PLAIN.get(codec)


class Mpeg4Headers:
    """MPEG-4 part 2, ISO/IEC 14496-2, 6.2.3 and 6.2.5."""

    def __init__(self, extradata: bytes | None) -> None:
        # For interlaced video the decoder derives the time of later pictures from the first it meets.
        self._backward = BACKWARD
        self._seen = 0
        self._learn(extradata or b"")

    def __call__(self, data: memoryview) -> int:
        whole = bytes(data)
        at = whole.find(b"\0\0\1\xb6")
        if at < 0 or len(whole) - at <= _NO_PICTURE:
            return UNSURE
        # Packets with several pictures are DivX's, which come out with later ones; they occur early in a file.
        self._seen += 1
        if self._seen <= _EARLY and whole.find(b"\0\0\1\xb6", at + 4) >= 0:
            return UNSURE
        if at > _VIDEO_OBJECT:
            self._learn(whole[:at])
        return (ENTRY, 0, self._backward, 0)[whole[at + 4] >> 6]

    def _learn(self, header: bytes) -> None:
        at = header.find(b"\0\0\1")
        while at >= 0 and at + 4 < len(header):
            if header[at + 3] & 0xF0 == 0x20:
                try:
                    if _interlaced(BitReader(header[at + 4 : at + 4 + _VIDEO_OBJECT])):
                        self._backward = BACKWARD | UNSURE
                except EOFError:
                    self._backward = BACKWARD | UNSURE
                return
            at = header.find(b"\0\0\1", at + 3)


def _interlaced(bits: BitReader) -> bool:
    """Return whether a video object layer may hold interlaced pictures; assumed for non-rectangular shapes."""
    bits.take(9)
    if bits.take(1):
        bits.take(7)
    if bits.take(4) == 15:
        bits.take(16)
    if bits.take(1):
        bits.take(3)
        if bits.take(1):
            bits.take(79)
    if bits.take(2):
        return True
    bits.take(1)
    resolution = bits.take(16)
    bits.take(1)
    if bits.take(1):
        bits.take(max(1, (resolution - 1).bit_length()))
    bits.take(29)
    return bool(bits.take(1))


def _mpeg12(data: memoryview) -> int:
    """Return the flags by ISO/IEC 11172-2 and 13818-2, 6.2.3. A field picture is half a frame."""
    whole = bytes(data[:_HEADER])
    at = whole.find(b"\0\0\1\0")
    if at < 0 or at + 40 >= _HEADER:
        whole = bytes(data)
        at = whole.find(b"\0\0\1\0")
    if at < 0 or at + 5 >= len(whole):
        return UNSURE
    coding = whole.find(b"\0\0\1\xb5", at + 4, at + 32)
    if coding >= 0 and whole[coding + 4] >> 4 == 8 and whole[coding + 6] & 3 != 3:
        return UNSURE
    kind = whole[at + 5] >> 3 & 7
    if kind == 1:
        return ENTRY if whole.find(b"\0\0\1\xb3", 0, at) >= 0 else 0
    return BACKWARD if kind == 3 else 0


def _h263(data: memoryview) -> int:
    """Return the flags by ITU-T H.263, 5.1."""
    if len(data) < 9 or data[0] or data[1] or data[2] & 0xFC != 0x80:
        return UNSURE
    if data[4] >> 2 & 7 != 7:
        return 0 if data[4] & 2 else ENTRY
    bits = int.from_bytes(data[:9], "big")
    full = bits >> (72 - 41) & 7 == 1
    kind = bits >> (72 - 62 if full else 72 - 44) & 7
    return BACKWARD if kind == 3 else ENTRY if full and kind == 0 else 0


def _vp8(data: memoryview) -> int:
    """Return the flags by RFC 6386, 9.1."""
    return (0 if data[0] & 1 else ENTRY) | (0 if data[0] & 16 else SILENT)


def _vp9(data: memoryview) -> int:
    """Return the flags by the VP9 bitstream specification, 6.2 and annex B.

    Hidden frames come in one packet with a shown frame, or alone.
    """
    first, last = data[0], data[-1]
    shift = 2 if first & 0x30 == 0x30 else 3
    again, inter, shown = (first >> shift + place & 1 for place in (0, -1, -2))
    if again:
        return 0
    packed = last & 0xE0 == 0xC0
    return (0 if inter else ENTRY) | (0 if shown or packed else SILENT)


def _av1(data: memoryview) -> int:
    """Return the flags by the AV1 bitstream specification, 5.3 to 5.9."""
    at, sequence = 0, False
    while at < len(data):
        kind, extended, sized = data[at] >> 3 & 15, data[at] & 4, data[at] & 2
        at += 2 if extended else 1
        size = len(data) - at
        if sized:
            size = shift = 0
            while at < len(data):
                size |= (data[at] & 127) << shift
                shift, at = shift + 7, at + 1
                if not data[at - 1] & 128:
                    break
        if size and at < len(data):
            if kind == 1:
                sequence = True
                if data[at] & 8:  # a still picture's short header
                    return ENTRY
            elif kind in (3, 6):
                return ENTRY if sequence and data[at] & 0xF0 == 0x10 else 0
        at += size
    return UNSURE


def _theora(data: memoryview) -> int:
    """Return the flags by the Theora specification, 7.1."""
    return ENTRY if data[0] & 0xC0 == 0 else 0


def _ffv1(data: memoryview) -> int:
    """Return the flags by RFC 9043, 4.4: the first range-coded bit."""
    return ENTRY if int.from_bytes(data[:2], "big") >= 0x7F80 else 0


def _mjpeg(data: memoryview) -> int:
    """Return the flags by ITU-T T.81, annex B: a picture with all of its tables."""
    whole = bytes(data)
    return ENTRY if b"\xff\xdb" in whole and b"\xff\xc4" in whole else 0


def _alone(data: memoryview) -> int:
    return ENTRY


_STATEFUL: dict[str, Callable[[bytes | None], Headers]] = {
    "h264": AvcHeaders,
    "hevc": HevcHeaders,
    "mpeg4": Mpeg4Headers,
}
_PLAIN: dict[str, Headers] = {
    "mpeg1video": _mpeg12,
    "mpeg2video": _mpeg12,
    "h263": _h263,
    "vp8": _vp8,
    "vp9": _vp9,
    "av1": _av1,
    "theora": _theora,
    "ffv1": _ffv1,
    "mjpeg": _mjpeg,
    "prores": _alone,
    "dnxhd": _alone,
}
