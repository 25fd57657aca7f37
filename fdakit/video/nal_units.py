"""The packet headers of H.264 and HEVC.

Sources: ITU-T H.264 and H.265, clauses 7.3, 7.4, annexes B and D.
"""

from __future__ import annotations

from collections.abc import Iterator

from .bit_reader import BitReader
from .packet_flags import BACKWARD, ENTRY, PARAMETERS, SILENT, UNSURE

_SLICES = (1, 2, 5)  # of H.264: a picture, its first data partition, a picture that resets the decoder
_SUPPLEMENT, _SEQUENCE, _PICTURE = 6, 7, 8
_RECOVERY = 6  # the SEI message recovery_point: decoding can start here
_CHROMA_PROFILES = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
_END = 5  # bytes of an end-of-sequence unit, with its prefix
_ENDS = tuple(before + unit for before in (b"\0\0\1", b"\0\0\2") for unit in (b"\x48\1", b"\x4a\1"))
_PLENTY = 64  # bytes that contain what is read of a sequence's or slice's header


class _Units:
    """The base of both codecs: splitting into units, and the known parameter sets.

    Units are length-prefixed if `extradata` lists parameter sets, else separated by start codes.
    """

    _length_at: int  # the byte of such extradata whose last two bits give the size of a length

    def __init__(self, extradata: bytes | None) -> None:
        self._known = extradata or b""
        listed = len(self._known) > self._length_at and self._known[0] == 1
        self._length_size = (self._known[self._length_at] & 3) + 1 if listed else 0
        self._begun = False

    def _begins(self, data: memoryview) -> Iterator[int]:
        """Yield the start of each unit; what follows a picture's header is only searched on demand."""
        size, step = len(data), self._length_size
        if not step:
            whole = bytes(data)
            at = whole.find(b"\0\0\1") + 3
            while 3 <= at < size:
                yield at
                at = whole.find(b"\0\0\1", at) + 3
            return
        at = step
        while at < size:
            yield at
            at += int.from_bytes(data[at - step : at], "big") + step

    def _unit(self, data: memoryview, begin: int) -> bytes:
        if self._length_size:
            return bytes(data[begin : begin + int.from_bytes(data[begin - self._length_size : begin], "big")])
        rest = bytes(data[begin:])
        end = rest.find(b"\0\0\1")
        return (rest if end < 0 else rest[:end]).rstrip(b"\0")

    def _new(self, unit: bytes) -> bool:
        """Return whether a parameter set differs from all before it."""
        if unit in self._known:
            return False
        self._known += b"\0" + unit
        return True


class AvcHeaders(_Units):
    """H.264. Called with each packet in file order; returns its flags."""

    _length_at = 4

    def __init__(self, extradata: bytes | None) -> None:
        super().__init__(extradata)
        self._number_bits: int | None = None  # bits of a frame's number, where pictures may be single fields
        self._planes = False
        if self._length_size:
            self._learn(self._known[8:])
            return
        listed = memoryview(self._known)
        for begin in self._begins(listed):
            if listed[begin] & 31 == _SEQUENCE:
                self._learn(self._unit(listed, begin))

    def __call__(self, data: memoryview) -> int:
        step = self._length_size
        if step and self._begun and self._number_bits is None and len(data) > step + 1 and data[step] & 31 == 1:
            return BACKWARD if _backward(data[step + 1]) else 0  # most packets
        marks = recovery = 0
        mute = True  # whether all units are non-VCL; false in a damaged packet
        for begin in self._begins(data):
            kind = data[begin] & 31
            if kind in _SLICES:
                self._begun = True
                if begin + 1 < len(data) and _backward(data[begin + 1]):
                    marks |= BACKWARD
                if self._number_bits is not None and self._field(bytes(data[begin + 1 : begin + 1 + _PLENTY])):
                    marks |= UNSURE
                return marks | (ENTRY if kind == 5 else recovery)
            if kind == _SUPPLEMENT and _recovers(self._unit(data, begin)[1:]):
                recovery = ENTRY
            elif kind in (_SEQUENCE, _PICTURE):
                unit = self._unit(data, begin)
                if self._new(unit):
                    marks |= PARAMETERS if self._begun else 0
                    if kind == _SEQUENCE:
                        self._learn(unit)
            mute = mute and _SUPPLEMENT <= kind <= 15
        return marks | (SILENT if mute else 0)

    def _learn(self, unit: bytes) -> None:
        try:
            found, planes = _frame_number_bits(BitReader(unit[1:]))
        except EOFError:
            return
        if found is not None:
            self._number_bits, self._planes = found, planes

    def _field(self, header: bytes) -> bool:
        """Return whether a slice is of a single field: two such pictures make a frame, in one packet or in two."""
        bits = BitReader(header)
        try:
            for _ in range(3):
                bits.number()
            bits.take((2 if self._planes else 0) + (self._number_bits or 0))
            return bool(bits.take(1))
        except EOFError:
            return False


def _backward(first: int) -> bool:
    """Return whether the first byte of a slice that starts at macroblock 0 marks a B slice."""
    return first & 0xF0 == 0xA0 or first & 0xFC == 0x9C


def _recovers(supplement: bytes) -> bool:
    """Return whether all pictures from here on, this one included, decode exactly."""
    at = 0
    while at + 2 < len(supplement):
        found = []
        for _ in range(2):  # type and size, in steps of 255
            total = 0
            while at < len(supplement) - 1 and supplement[at] == 255:
                total, at = total + 255, at + 1
            found.append(total + supplement[at])
            at += 1
            if at >= len(supplement):
                return False
        if found[0] == _RECOVERY:
            return supplement[at] & 0xC0 == 0xC0  # recovery_frame_cnt 0 and exact_match_flag
        at += found[1]
    return False


def _frame_number_bits(bits: BitReader) -> tuple[int | None, bool]:
    """Return the bits of frame_num in slice headers, and separate_colour_plane_flag.

    The first is None if no picture is a field.
    """
    profile = bits.take(8)
    bits.take(16)
    bits.number()
    planes = False
    if profile in _CHROMA_PROFILES:
        chroma = bits.number()
        planes = bool(bits.take(1)) if chroma == 3 else False
        bits.number()
        bits.number()
        bits.take(1)
        if bits.take(1):
            _pass_scaling(bits, lists=12 if chroma == 3 else 8)
    number_bits = bits.number() + 4
    order = bits.number()
    if order == 0:
        bits.number()
    elif order == 1:
        bits.take(1)
        bits.number()
        bits.number()
        for _ in range(bits.number()):
            bits.number()
    bits.number()
    bits.take(1)
    bits.number()
    bits.number()
    return (None if bits.take(1) else number_bits), planes


def _pass_scaling(bits: BitReader, *, lists: int) -> None:
    for place in range(lists):
        last = following = 8
        for _ in range((16 if place < 6 else 64) if bits.take(1) else 0):
            if following:
                code = bits.number()
                following = (last + ((code + 1) // 2 if code % 2 else -code // 2)) % 256
            last = following or last


def _drops(header: memoryview) -> bool:
    """Return whether the slice header of an IRAP picture discards pictures that were not yet output."""
    return len(header) > 0 and header[0] & 0xC0 == 0xC0


class HevcHeaders(_Units):
    """HEVC. Called with each packet in file order; returns its flags."""

    _length_at = 21

    def __init__(self, extradata: bytes | None) -> None:
        super().__init__(extradata)
        self._anew = True  # whether the next picture starts a sequence
        self._cut = True  # whether leading pictures refer to missing pictures

    def __call__(self, data: memoryview) -> int:
        marks, mute, anew = 0, True, self._anew
        for begin in self._begins(data):
            kind = data[begin] >> 1 & 63
            if 16 <= kind <= 21:  # IRAP; its leading pictures are dropped at the start and at a broken link
                self._cut = anew or kind <= 18
                if self._begun and (self._cut or _drops(data[begin + 2 :])):
                    marks |= UNSURE  # it may discard pictures that were not yet output
                self._meet_picture(data)
                return marks | ENTRY
            if kind < 32:
                self._meet_picture(data)
                # Its slice types are too deep in the header to read here: any may refer to a later picture.
                return marks | (SILENT if kind in (8, 9) and self._cut else BACKWARD)
            if 32 <= kind <= 34 and self._new(self._unit(data, begin)):
                marks |= PARAMETERS if self._begun else 0
            mute = mute and kind <= 40
        return marks | (SILENT if mute else 0)

    def _meet_picture(self, data: memoryview) -> None:
        self._begun = True
        self._anew = bytes(data[-_END:]) in _ENDS
