"""What packets say of themselves: where decoding can begin, what comes of each, whatever the container claims."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from helpers.codec_pairs import copy
from helpers.sample_videos import GROUPED, encode, noise, sequential

from fdakit.plugin import VideoRef
from fdakit.video import OpenVideo
from fdakit.video.packet_flags import BACKWARD, ENTRY, PARAMETERS, SILENT, UNSURE
from fdakit.video.stream_headers import header_reader

KINDS = {
    "h264.mp4": ("libx264", GROUPED),
    "h264.ts": ("libx264", GROUPED),
    "hevc.mp4": ("libx265", {"x265-params": "keyint=12:bframes=3:log-level=none"}),
    "hevc.ts": ("libx265", {"x265-params": "keyint=12:bframes=3:log-level=none"}),
    "mpeg4.mp4": ("mpeg4", {"bf": "2", "g": "9"}),
    "mpeg2.ts": ("mpeg2video", {"bf": "2", "g": "9"}),
    "mpeg1.mpg": ("mpeg1video", {"bf": "2", "g": "9"}),
    "flat.3gp": ("h263", {"g": "9"}),
    "plus.nut": ("h263p", {"g": "9"}),
    "vp8.webm": ("libvpx", {"g": "12", "deadline": "realtime"}),
    "vp9.webm": ("libvpx-vp9", {"g": "12", "deadline": "realtime", "cpu-used": "8"}),
    "av1.mkv": ("libsvtav1", {"g": "12", "preset": "12"}),
    "ffv1.mkv": ("ffv1", {"g": "12"}),
    "mjpeg.avi": ("mjpeg", {}),
}
REORDERED = {"h264.mp4", "h264.ts", "hevc.mp4", "hevc.ts", "mpeg4.mp4", "mpeg2.ts", "mpeg1.mpg"}


def marks_of(path: Path) -> tuple[list[int], list[bool], list[str]]:
    """Marks and keyframe flags of a film's packets, and the kinds of pictures that they decode to, in file order."""
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        read = header_reader(stream.codec_context.codec.canonical_name, stream.codec_context.extradata)
        assert read is not None
        packets = [packet for packet in film.demux(stream) if packet.size]
        kinds = {}
        for packet in [*packets, None]:
            for frame in stream.codec_context.decode(packet):
                kinds[frame.pts] = av.video.frame.PictureType(frame.pict_type).name
        return (
            [read(memoryview(packet)) for packet in packets],
            [packet.is_keyframe for packet in packets],
            [kinds.get(packet.pts, "") for packet in packets],
        )


@pytest.mark.parametrize("name", KINDS)
def test_entries_and_backward_pictures_are_those_of_the_encoder(tmp_path: Path, name: str) -> None:
    codec, options = KINDS[name]
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no encoder {codec}")
    size = {"height": 144, "width": 176} if codec.startswith("h263") else {}
    marks, keys, kinds = marks_of(encode(tmp_path / name, noise(50, **size), codec=codec, options=options))
    assert [bool(mark & ENTRY) for mark in marks] == keys
    assert 0 < sum(keys) < (51 if codec == "mjpeg" else 12)
    backward = [bool(mark & BACKWARD) for mark in marks]
    assert any(backward) == (name in REORDERED)
    if not name.startswith("hevc"):
        assert backward == [kind == "B" for kind in kinds]
    assert not any(mark & (UNSURE | SILENT | PARAMETERS) for mark in marks)


def test_hidden_frames_and_leading_pictures_of_a_cut_are_silent(tmp_path: Path) -> None:
    hidden = {"g": "25", "auto-alt-ref": "1", "lag-in-frames": "16", "deadline": "good", "cpu-used": "5"}
    path = encode(tmp_path / "hidden.webm", noise(40), codec="libvpx", options=hidden)
    with av.open(str(path)) as film:
        shown = len(list(film.decode(video=0)))
    marks, _, _ = marks_of(path)
    assert len(marks) - sum(bool(mark & SILENT) for mark in marks) == shown == 40


def test_what_the_end_of_a_hevc_sequence_drops_is_left_to_the_decoder(tmp_path: Path) -> None:
    options = {"x265-params": "keyint=10:bframes=3:log-level=none"}  # open GOPs
    source = encode(tmp_path / "source.mp4", noise(30), codec="libx265", options=options)

    def end_sequences(packets: list[av.Packet], step: int) -> list[av.Packet]:
        made = []
        for packet, following in zip(packets, [*packets[1:], None], strict=True):
            ends = following is not None and following.is_keyframe
            made.append(av.Packet(bytes(packet) + (b"\0\0\0\2\x48\1" if ends else b"")))
            made[-1].pts, made[-1].dts, made[-1].time_base = packet.pts, packet.dts, packet.time_base
            made[-1].is_keyframe = packet.is_keyframe
        return made

    path = tmp_path / "ended.mp4"
    assert copy(path, source, end_sequences)
    full = sequential(path)
    assert len(full) < 30
    with OpenVideo(VideoRef("a", path)) as video:
        assert any("do not go one to one" in remark for remark in video.remarks)
        found = video.read(np.arange(len(video.times()))).frames
        np.testing.assert_array_equal(found, np.stack(full))


def test_new_parameter_sets_in_the_midst_are_noticed(tmp_path: Path) -> None:
    first = encode(tmp_path / "a.h264", noise(6), options={"qp": "10"})
    second = encode(tmp_path / "b.h264", noise(6, height=64, width=96), options={"qp": "10"})
    joined = tmp_path / "joined.h264"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    marks, _, _ = marks_of(joined)
    assert [bool(mark & PARAMETERS) for mark in marks] == [False] * 6 + [True] + [False] * 5


def test_fields_and_pictures_that_say_as_before_are_left_to_the_decoder(data_dir: Path) -> None:
    for name, count in (("paff_fields.mp4", 40), ("nvop.avi", 4)):
        marks, _, _ = marks_of(data_dir / "videos/trials" / name)
        assert sum(bool(mark & UNSURE) for mark in marks) == count


@pytest.mark.parametrize("codec", ["h264", "hevc", "mpeg4", "mpeg2video", "h263", "vp8", "vp9", "av1", "ffv1"])
def test_any_bytes_are_read_without_a_fault(codec: str) -> None:
    rng = np.random.default_rng(0)
    for extradata in (None, b"", b"\1\xff\xff\xff\xff\xe1\0\4gabc", bytes(rng.integers(0, 256, 60, np.uint8))):
        read = header_reader(codec, extradata)
        assert read is not None
        for _ in range(300):
            data = rng.integers(0, 256, int(rng.integers(1, 60)), np.uint8)
            data[rng.random(len(data)) < 0.5] = 0
            read(memoryview(bytes(data)))


@pytest.mark.parametrize("start", [b"\0\0\x80", b"\0\0\x83", b"\0\1\x80", b"\1\0\x80", b"\0\0\x40", b"\0\0\x84"])
def test_what_begins_as_no_h263_picture_may_be_anything(start: bytes) -> None:
    read = header_reader("h263", None)
    assert read is not None
    begins = start in (b"\0\0\x80", b"\0\0\x83")
    assert (read(memoryview(start + bytes(9))) == UNSURE) is not begins
    assert read(memoryview(start + bytes(5))) == UNSURE


@pytest.mark.skipif("libx264" not in av.codecs_available, reason="this PyAV has no encoder libx264")
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p"])
@pytest.mark.parametrize("interlaced", [False, True])
def test_interlaced_frames_are_sure_whatever_their_chroma(pixels: str, interlaced: bool) -> None:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 64, 48, pixels, Fraction(1, 25)
    encoder.options = {"x264-params": f"keyint=12:bframes=2:interlaced={int(interlaced)}:log=-1"}
    packets = []
    for place, picture in enumerate(noise(30)):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixels)
        frame.pts = place
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    read = header_reader("h264", None)
    assert read is not None
    marks = [read(memoryview(packet)) for packet in packets]
    assert [bool(mark & ENTRY) for mark in marks] == [packet.is_keyframe for packet in packets]
    assert not any(mark & UNSURE for mark in marks)
    assert read._number_bits == (4 if interlaced else None)  # of x264, where pictures may be single fields


def test_the_mark_of_a_single_field_stands_behind_the_plane_and_the_frames_number() -> None:
    read = header_reader("h264", None)
    assert read is not None
    read._number_bits = 4
    for planes, header in ((False, 0b111_0110_100000000), (True, 0b111_01_0110_1000000)):  # three numbers of one bit
        read._planes = planes
        assert read._field(header.to_bytes(2, "big"))
        field = 1 << (6 if planes else 8)
        assert not read._field((header ^ field).to_bytes(2, "big"))
