"""Packet headers written by hand, bit by bit as the codecs' specifications have them."""

from __future__ import annotations

import pytest

from fdakit.video.packet_flags import BACKWARD, ENTRY, SILENT, UNSURE
from fdakit.video.stream_headers import Headers, header_reader

START = b"\0\0\1"


def reader(codec: str, extradata: bytes | None = None) -> Headers:
    found = header_reader(codec, extradata)
    assert found is not None
    return found


def bits(*parts: str, fill: str = "0") -> bytes:
    """Bytes of what is written in 0 and 1, the last filled up."""
    text = "".join(parts).replace(" ", "")
    text += fill * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def number(value: int) -> str:
    """An Exp-Golomb code."""
    code = bin(value + 1)[2:]
    return "0" * (len(code) - 1) + code


@pytest.mark.parametrize(
    ("codec", "packet", "marks"),
    [
        ("vp8", b"\x10", ENTRY),
        ("vp8", b"\x11", 0),
        ("vp8", b"\x00", ENTRY | SILENT),
        ("vp8", b"\x01", SILENT),
        ("vp9", b"\x82\0", ENTRY),
        ("vp9", b"\x86\0", 0),
        ("vp9", b"\x80\0", ENTRY | SILENT),
        ("vp9", b"\x84\0", SILENT),
        ("vp9", b"\x88\0", 0),  # shows a frame again
        ("vp9", b"\xa4\0", SILENT),  # profile 1
        ("vp9", b"\x94\0", SILENT),  # profile 2
        ("vp9", b"\xb1\0", ENTRY),  # profile 3 has a bit more
        ("vp9", b"\xb3\0", 0),
        ("vp9", b"\xb2\0", SILENT),
        ("vp9", b"\xb4\0", 0),
        ("vp9", b"\x84\xc1", 0),  # a hidden frame in one packet with a shown one
        ("vp9", b"\x80\xdf", ENTRY),
        ("vp9", b"\x84\xe1", SILENT),
        ("vp9", b"\x84\x81", SILENT),
        ("theora", b"\x00", ENTRY),
        ("theora", b"\x3f", ENTRY),
        ("theora", b"\x40", 0),
        ("theora", b"\x80", 0),
        ("ffv1", b"\x7f\x80\0", ENTRY),
        ("ffv1", b"\xff\xff\0", ENTRY),
        ("ffv1", b"\x7f\x7f\xff", 0),
        ("mjpeg", b"\xff\xd8\xff\xdb\0\xff\xc4\0", ENTRY),
        ("mjpeg", b"\xff\xd8\xff\xdb\0", 0),
        ("mjpeg", b"\xff\xd8\xff\xc4\0", 0),
        ("prores", b"icpf", ENTRY),
        ("dnxhd", b"\0\0\2\x80", ENTRY),
    ],
)
def test_the_first_bits_of_a_packet_say_what_comes_of_it(codec: str, packet: bytes, marks: int) -> None:
    assert reader(codec)(memoryview(packet)) == marks


SEQUENCE, SHOWN_KEY, INTER, HIDDEN_KEY = b"\x0a\1\0", b"\x32\1\x10", b"\x32\1\x30", b"\x32\1\0"


@pytest.mark.parametrize(
    ("packet", "marks"),
    [
        (b"\x12\0" + SEQUENCE + SHOWN_KEY, ENTRY),
        (b"\x12\0" + SHOWN_KEY, 0),  # without its sequence's header
        (b"\x12\0" + SEQUENCE + INTER, 0),
        (b"\x12\0" + SEQUENCE + HIDDEN_KEY, 0),
        (SEQUENCE + b"\x1a\1\x10", ENTRY),  # a frame's header by itself
        (SEQUENCE + b"\x22\1\x10" + INTER, 0),  # a group of tiles is none
        (b"\x0a\1\x18", ENTRY),  # a still picture
        (b"\x0a\1\x10" + INTER, 0),
        (b"\x0a\x81\1\0" + bytes(128) + SHOWN_KEY, ENTRY),  # a size of two bytes
        (b"\x0a\x41\0" + bytes(64) + SHOWN_KEY, ENTRY),
        (b"\x0a\x81\x80\0\0" + SHOWN_KEY, ENTRY),  # and of three, the last of them empty
        (b"\x0e\x08\1\0" + b"\x36\x08\1\x10", ENTRY),  # with extensions
        (SEQUENCE + b"\x30\x10", ENTRY),  # without a size: the rest
        (SEQUENCE + b"\x32\0" + SHOWN_KEY, ENTRY),  # empty
        (b"\x12\0" + SEQUENCE, UNSURE),
        (SEQUENCE + b"\x32\1", UNSURE),  # cut off
    ],
)
def test_av1_begins_at_a_shown_key_frame_behind_its_sequences_header(packet: bytes, marks: int) -> None:
    assert reader("av1")(memoryview(packet)) == marks


def mpeg2(kind: int, *, structure: int = 3, before: bytes = START + b"\xb3seqhead") -> bytes:
    """A picture of MPEG-2 behind its sequence's header: its number 3, its kind, a delay; its coding extension."""
    picture = START + b"\0" + bits("0000000011", f"{kind:03b}", "1" * 16, "000")
    return before + picture + START + b"\xb5" + bits("1000", "1111" * 4, "00", f"{structure:02b}")


@pytest.mark.parametrize("codec", ["mpeg1video", "mpeg2video"])
@pytest.mark.parametrize(
    ("packet", "marks"),
    [
        (mpeg2(1), ENTRY),
        (mpeg2(1, before=b""), 0),
        (mpeg2(2), 0),
        (mpeg2(3), BACKWARD),
        (mpeg2(2, structure=1), UNSURE),  # one of two fields
        (mpeg2(2, structure=2), UNSURE),
        (mpeg2(2, structure=0), UNSURE),
        (mpeg2(1)[:17], ENTRY),
        (mpeg2(1)[:16], UNSURE),  # cut off
        (START + b"\xb3seqhead", UNSURE),
    ],
)
def test_mpeg2_says_the_kind_of_a_picture_and_whether_it_is_a_field(codec: str, packet: bytes, marks: int) -> None:
    assert reader(codec)(memoryview(packet)) == marks


@pytest.mark.parametrize("before", [900, 983, 984, 1010, 1020, 1022, 1024, 2000])
def test_an_mpeg2_picture_is_found_whatever_stands_before_it(before: int) -> None:
    read = reader("mpeg2video")
    assert read(memoryview(mpeg2(3, before=bytes(before)))) == BACKWARD
    assert read(memoryview(mpeg2(3, before=bytes(before), structure=1))) == UNSURE


def h263(*, intra: bool = True, plus: str = "") -> bytes:
    """A picture's start code, its number, and its type; with `plus` that of H.263+."""
    kind = f"100 00 {'111' if plus else '011'}"
    return bits(
        "0" * 16 + "100000", "00000101", kind[:2], kind[2:], plus or ("00000" if intra else "10000"), "0" * 40
    )


@pytest.mark.parametrize(
    ("packet", "marks"),
    [
        (h263(), ENTRY),
        (h263(intra=False), 0),
        (h263(plus="001" + "0" * 18 + "000"), ENTRY),
        (h263(plus="001" + "1" * 18 + "000"), ENTRY),
        (h263(plus="001" + "0" * 18 + "001"), 0),
        (h263(plus="001" + "0" * 18 + "011"), BACKWARD),
        (h263(plus="001" + "011" + "0" * 15 + "001"), 0),
        (h263(plus="000" + "000"), 0),  # no entry: it leaves out what stays as before
        (h263(plus="000" + "011"), BACKWARD),
        (h263(plus="000" + "001" + "0" * 15 + "011"), 0),
    ],
)
def test_h263_says_the_kind_of_a_picture_in_either_of_its_types(packet: bytes, marks: int) -> None:
    assert reader("h263")(memoryview(packet)) == marks


def layer(
    *,
    interlaced: bool = False,
    identified: bool = False,
    aspect: int = 1,
    control: str = "0",
    shape: str = "00",
    rate: str = "0",
    ticks: int = 25,
) -> bytes:
    """A video object's layer of MPEG-4, up to where it says whether it is interlaced."""
    return START + b"\x20" + bits(
        *("0", "00000001", "1 0010 001" if identified else "0", f"{aspect:04b}", "1" * 16 if aspect == 15 else ""),
        *(control, shape, "1", f"{ticks:016b}", "1", rate, "1" + "1" * 13 + "1" + "0" * 13 + "1"),
        "1" if interlaced else "0",
    )  # fmt: skip


LAYERS = [
    {},
    {"identified": True},
    {"aspect": 15},
    {"control": "1 01 1 0"},
    {"control": "1 01 1 1" + "1" * 79},
    {"rate": "1 00001", "ticks": 25},
    {"rate": "1 10000", "ticks": 32},
    {"rate": "1 100000", "ticks": 33},
    {"rate": "1 0", "ticks": 1},
    {"identified": True, "aspect": 15, "control": "1 01 0 0", "rate": "1 " + "1" * 15, "ticks": 30000},
]


def mpeg4(kind: int, size: int = 20) -> bytes:
    return START + b"\xb6" + bits(f"{kind:02b}", fill="1") + bytes(size - 5)


@pytest.mark.parametrize("given", LAYERS, ids=str)
def test_an_mpeg4_layer_says_whether_it_is_interlaced_wherever_that_stands(given: dict[str, object]) -> None:
    for interlaced in (False, True):
        read = reader("mpeg4", START + b"\0" + layer(interlaced=interlaced, **given))  # type: ignore[arg-type]
        assert read(memoryview(mpeg4(2))) == (BACKWARD | UNSURE if interlaced else BACKWARD)
        later = reader("mpeg4")
        assert later(memoryview(bytes(33) + layer(interlaced=interlaced, **given) + mpeg4(0))) == ENTRY  # type: ignore[arg-type]
        assert later(memoryview(mpeg4(2))) == (BACKWARD | UNSURE if interlaced else BACKWARD)


def test_an_mpeg4_layer_is_found_among_what_else_stands_there() -> None:
    beside = START + b"\xb0\1" + START + b"\xb5\x09" + START + b"\0"
    assert reader("mpeg4", beside)(memoryview(mpeg4(2))) == BACKWARD  # there is none
    assert reader("mpeg4", beside + layer(interlaced=True))(memoryview(mpeg4(2))) == BACKWARD | UNSURE
    assert reader("mpeg4", b"\1\2" + layer(interlaced=True))(memoryview(mpeg4(2))) == BACKWARD | UNSURE


def test_what_an_mpeg4_layer_does_not_say_may_be_anything() -> None:
    for extradata in (layer(shape="01"), layer()[:6]):
        assert reader("mpeg4", extradata)(memoryview(mpeg4(2))) == BACKWARD | UNSURE


def test_an_mpeg4_packet_says_the_kind_of_its_picture_or_is_left_to_the_decoder() -> None:
    read = reader("mpeg4", layer())
    assert [read(memoryview(mpeg4(kind))) for kind in range(4)] == [ENTRY, 0, BACKWARD, 0]
    assert read(memoryview(mpeg4(1, 13))) == 0
    assert read(memoryview(mpeg4(1, 12))) == UNSURE  # as before
    assert read(memoryview(bytes(20))) == UNSURE


def test_two_mpeg4_pictures_in_a_packet_are_looked_for_early_in_a_file() -> None:
    read = reader("mpeg4", layer())
    assert [read(memoryview(mpeg4(0) + mpeg4(2))) for _ in range(26)] == [UNSURE] * 24 + [ENTRY] * 2
