"""H.264 and HEVC: units written by hand, as clauses 7.3 and 7.4 of their specifications have them."""

from __future__ import annotations

import pytest

from fdakit.video.nal_units import AvcHeaders, HevcHeaders
from fdakit.video.packet_flags import BACKWARD, ENTRY, PARAMETERS, SILENT, UNSURE

START = b"\0\0\1"
SEEN = b"\x41\x9a"  # a P slice of H.264


def bits(*parts: str) -> bytes:
    """Bytes of what is written in 0 and 1, closed as a unit's payload is."""
    text = "".join(parts).replace(" ", "") + "1"
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\0\0", b"\0\0\3")


def number(value: int) -> str:
    """An Exp-Golomb code."""
    code = bin(value + 1)[2:]
    return "0" * (len(code) - 1) + code


def signed(value: int) -> str:
    return number(2 * value - 1 if value > 0 else -2 * value)


def avc(*units: bytes, read: AvcHeaders | None = None) -> int:
    return (read or AvcHeaders(None))(memoryview(b"".join(START + unit for unit in units)))


@pytest.mark.parametrize(
    ("unit", "marks"),
    [
        (b"\x65\x88", ENTRY),  # resets the decoder
        (b"\x25\x88", ENTRY),  # whatever refers to it
        (b"\x41\x9a", 0),
        (b"\x41\x9b", 0),
        (b"\x41\x90", 0),  # the slice types from 3 to 9 but for 6
        (b"\x41\x98", 0),
        (b"\x41\x9c", BACKWARD),
        (b"\x01\x9f", BACKWARD),
        (b"\x41\xa0", BACKWARD),
        (b"\x01\xaf", BACKWARD),
        (b"\x41\xb0", 0),
        (b"\x41\x88", 0),
        (b"\x42\xa0", BACKWARD),  # a data partition
        (b"\x41", 0),  # cut off
        (b"\x06\x05\x01\x80", SILENT),
        (b"\x09\xf0", SILENT),
        (b"\x0c\xff", SILENT),
        (b"\x0f\x80", SILENT),
        (b"\x10\x80", 0),
        (b"\x14\x80", 0),
        (b"\x43\x80", 0),
    ],
)
def test_a_unit_of_h264_says_what_comes_of_its_packet(unit: bytes, marks: int) -> None:
    assert avc(unit) == marks
    assert avc(b"\x09\xf0", unit) == marks
    assert avc(b"\x10\x80", unit) == marks & ~SILENT


@pytest.mark.parametrize(
    ("supplement", "marks"),
    [
        (b"\6\1\xc4", ENTRY),
        (b"\6\1\x44", 0),  # exact after a frame more
        (b"\6\1\x84", 0),  # not exact
        (b"\5\1\xc4", 0),  # another supplement
        (b"\5\2\6\1" + b"\6\1\xc4", ENTRY),  # behind one
        (b"\4\xff\x2d" + b"\x11" * 300 + b"\6\1\xc4", ENTRY),  # which is long
        (b"\4\xff\0" + b"\x11" * 255 + b"\6\1\xc4", ENTRY),
        (b"\xff\6\1\xc4", 0),  # of a kind above 255
        (b"\xff\xff\1\2\6\1" + b"\6\1\xc4", ENTRY),
        (b"\6\1", 0),  # cut off
        (b"\xff\xff\xff", 0),
    ],
)
def test_a_picture_behind_a_recovery_point_is_an_entry(supplement: bytes, marks: int) -> None:
    assert avc(b"\6" + supplement + b"\x80", SEEN) == marks
    assert avc(b"\6" + supplement + b"\x80", b"\x41\xa0") == marks | BACKWARD


def test_parameter_sets_are_marked_where_they_are_new_and_not_at_the_beginning() -> None:
    read = AvcHeaders(None)
    sequence, picture = b"\x67" + set_of(), b"\x68\xce\x3c\x80"
    assert avc(sequence, picture, SEEN, read=read) == 0
    assert avc(sequence, picture, SEEN, read=read) == 0
    assert avc(sequence, b"\x68\xce\x3d\x80", SEEN, read=read) == PARAMETERS
    assert avc(b"\x67" + set_of(number_bits=9), b"\x65\x88", read=read) == PARAMETERS | ENTRY
    assert avc(b"\x68\xce\x3d\x80", read=read) == SILENT


def set_of(
    *, profile: int = 77, chroma: str = "", number_bits: int = 4, order: str = "11", fields: bool = True
) -> bytes:
    """A sequence's parameter set without its first byte, up to where it says whether pictures may be fields."""
    return bits(
        *(f"{profile:08b}", "00000000", "00011110", number(0), chroma, number(number_bits - 4), order),
        *(number(2), "0", number(9), number(7), "0" if fields else "1"),
    )


def slice_of(number_bits: int, *, planes: bool, field: bool) -> bytes:
    head = number(0) + number(5) + number(1) + ("10" if planes else "") + "1" * number_bits
    return b"\x41" + bits(head, "1" if field else "0", "1" * 9)


def lists(count: int, *, first: str = "0", last: str = "0") -> str:
    return "1" + first + "0" * (count - 2) + last


SETS: list[tuple[dict[str, object], int, bool]] = [
    ({}, 4, False),
    ({"number_bits": 16}, 16, False),
    ({"order": number(0) + number(6)}, 4, False),
    ({"order": number(1) + "1" + signed(-3) + signed(4) + number(0)}, 4, False),
    ({"order": number(1) + "0" + signed(1) + signed(0) + number(3) + signed(9) + signed(-9) + signed(2)}, 4, False),
    ({"order": number(2)}, 4, False),
    *(
        ({"profile": profile, "chroma": number(1) + number(2) + number(0) + "00", "number_bits": 7}, 7, False)
        for profile in (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
    ),
    ({"profile": 244, "chroma": number(3) + "0" + number(0) + number(0) + "00"}, 4, False),
    ({"profile": 244, "chroma": number(3) + "1" + number(0) + number(0) + "00"}, 4, True),
    *(
        ({"profile": 100, "chroma": number(1) + number(0) + number(0) + "0" + lists(8, **given)}, 4, False)
        for given in (
            {},
            {"first": "1" + "1" * 16},  # sixteen steps of 0
            {"last": "1" + "1" * 64},
            {"first": "1" + signed(-8)},  # the rest stays as it is
            {"first": "1" + signed(4) + signed(-12)},
            {"first": "1" + signed(-10) + signed(2)},
            {"first": "1" + signed(3) + "1" * 15},
        )
    ),
    (
        {"profile": 244, "chroma": number(3) + "1" + number(0) + number(0) + "0" + lists(12, last="1" + "1" * 64)},
        4,
        True,
    ),
]


@pytest.mark.parametrize(("given", "number_bits", "planes"), SETS, ids=range(len(SETS)))
def test_a_single_field_is_told_by_the_slice_whatever_its_sequence_says_before(
    given: dict[str, object], number_bits: int, planes: bool
) -> None:
    sequence = b"\x67" + set_of(**given)  # type: ignore[arg-type]
    frames = b"\x67" + set_of(**{**given, "fields": False})  # type: ignore[arg-type]
    for field in (False, True):
        seen = slice_of(number_bits, planes=planes, field=field)
        assert avc(sequence, seen) == (UNSURE if field else 0)
        assert avc(frames, seen) == 0
        listed = AvcHeaders(START + b"\x68\xce" + START + sequence + START)
        assert avc(seen, read=listed) == avc(seen, read=listed) == (UNSURE if field else 0)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_units_stand_behind_their_lengths_where_the_parameter_sets_are_listed(size: int) -> None:
    sequence = b"\x67" + set_of()
    listed = bytes([1, 77, 0, 30, 0xFC | size - 1, 0xE1]) + len(sequence).to_bytes(2, "big") + sequence
    read = AvcHeaders(listed)

    def packet(*units: bytes) -> memoryview:
        return memoryview(b"".join(len(unit).to_bytes(size, "big") + unit for unit in units))

    assert read(packet(b"\x09\xf0", b"\6\6\1\xc4\x80", slice_of(4, planes=False, field=True))) == ENTRY | UNSURE
    assert read(packet(b"\6\6\1\x44\x80", slice_of(4, planes=False, field=False))) == 0
    assert read(packet(b"\x68\xce\x3c\x80", b"\x41\xa0\xff\xff")) & ~UNSURE == PARAMETERS | BACKWARD
    plain = AvcHeaders(bytes([1, 77, 0, 30, 0xFC | size - 1, 0xE1, 0, 0]))
    assert [plain(packet(one)) for one in (b"\x65\x88", SEEN, b"\x41\xa0", b"\x41\x9c", b"\x09\xf0")] == [
        *(ENTRY, 0, BACKWARD, BACKWARD, SILENT)
    ]


def hevc(*units: tuple[int, bytes], read: HevcHeaders | None = None) -> int:
    whole = b"".join(START + bytes([kind << 1, 1]) + payload for kind, payload in units)
    return (read or HevcHeaders(None))(memoryview(whole))


FIRST, DROPS = b"\x80\x11", b"\xc0\x11"  # the first slice of a picture; one that drops those not yet shown
CRA, TRAIL, RADL, RASL = 21, 1, 7, 9


@pytest.mark.parametrize("kind", range(16, 22))
def test_decoding_can_begin_at_the_kinds_of_hevc_picture_that_say_so(kind: int) -> None:
    broken = kind <= 18
    read = HevcHeaders(None)
    assert hevc((kind, FIRST), read=read) == ENTRY
    assert hevc((RASL, FIRST), read=read) == SILENT  # nothing stands before it
    assert hevc((kind, FIRST), read=read) == ENTRY | (UNSURE if broken else 0)
    assert hevc((RASL, FIRST), read=read) == hevc((8, FIRST), read=read) == (SILENT if broken else BACKWARD)
    assert hevc((RADL, FIRST), read=read) == hevc((6, FIRST), read=read) == BACKWARD
    assert hevc((kind, DROPS), read=read) == ENTRY | UNSURE
    assert hevc((kind, b"\x40\x11"), read=read) == ENTRY | (UNSURE if broken else 0)


@pytest.mark.parametrize("kind", [0, 1, 5, 6, 7, 10, 15, 31])
def test_any_other_hevc_picture_may_be_shown_before_one_that_stands_before_it(kind: int) -> None:
    assert hevc((35, b"\x50"), (kind, FIRST)) == BACKWARD


@pytest.mark.parametrize("end", [b"\0\0\1\x48\1", b"\0\0\1\x4a\1", b"\0\0\0\2\x48\1", b"\0\0\0\2\x4a\1"])
def test_behind_the_end_of_a_hevc_sequence_leading_pictures_are_cut_off(end: bytes) -> None:
    for last, cut in ((end, True), (end[:-1] + b"\2", False), (end + b"\x33", False)):
        read = HevcHeaders(None)
        assert hevc((CRA, FIRST), read=read) == ENTRY
        assert hevc((TRAIL, FIRST + last), read=read) == BACKWARD
        assert hevc((CRA, FIRST), read=read) == ENTRY | (UNSURE if cut else 0)
        assert hevc((RASL, FIRST), read=read) == (SILENT if cut else BACKWARD)


@pytest.mark.parametrize("kind", [32, 33, 34])
def test_hevc_parameter_sets_are_marked_where_they_are_new(kind: int) -> None:
    read = HevcHeaders(None)
    assert hevc((kind, b"\x11\x22"), (CRA, FIRST), read=read) == ENTRY
    assert hevc((kind, b"\x11\x22"), (TRAIL, FIRST), read=read) == BACKWARD
    assert hevc((kind, b"\x11\x23"), (CRA, FIRST), read=read) == ENTRY | PARAMETERS
    assert hevc((kind, b"\x11\x23"), read=read) == hevc((35, b"\x50"), read=read) == SILENT
    assert hevc((39, b"\1\1\1"), (40, b"\1"), read=read) == SILENT


@pytest.mark.parametrize("size", [1, 2, 4])
def test_hevc_units_stand_behind_their_lengths_where_the_parameter_sets_are_listed(size: int) -> None:
    read = HevcHeaders(bytes([1, *bytes(20), 0xFC | size - 1, 0]))

    def packet(*units: bytes) -> memoryview:
        return memoryview(b"".join(len(unit).to_bytes(size, "big") + unit for unit in units))

    assert read(packet(b"\x46\1\x50", b"\x2a\1" + FIRST)) == ENTRY
    assert read(packet(b"\x46\1\x50", b"\2\1" + FIRST)) == BACKWARD
    assert read(packet(b"\x42\1\7", b"\x2a\1" + DROPS)) == ENTRY | UNSURE | PARAMETERS
