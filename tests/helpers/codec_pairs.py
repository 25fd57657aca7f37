"""Films for the law of exact frames: each codec in each container that PyAV writes, and what may befall them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np

COUNT, RATE = 30, 25

X264, X265 = {"bf": "3", "g": "12"}, "keyint=10:bframes=3:log-level=none"
MPEG = {"g": "9", "sc_threshold": "1000000000"}
CODECS: dict[str, list[dict[str, str]]] = {
    "libx264": [
        X264,
        {"bf": "0", "g": "9"},
        {"x264-params": "open-gop=1:keyint=10:bframes=3:b-adapt=0"},
        {**X264, "x264-params": "tff=1"},
        {"x264-params": "keyint=20:intra-refresh=1:bframes=0"},
    ],
    "libx265": [{"x265-params": p} for p in (X265, f"{X265}:open-gop=0", "keyint=10:bframes=0:log-level=none")],
    "mpeg4": [{**MPEG, "bf": b, "flags": f} for b in "02" for f in ("+cgop", "+qpel", "+ildct+ilme")],
    "mpeg2video": [{**MPEG, "bf": b, "flags": f} for b in "02" for f in ("+cgop", "+qscale", "+ildct+ilme")],
    "mpeg1video": [{"g": "9"}, {"g": "9", "bf": "2"}],
    "libvpx": [{"g": "10", "auto-alt-ref": "1", "lag-in-frames": "12", "deadline": "good", "cpu-used": "5"}],
    "libvpx-vp9": [
        {"g": "12", "auto-alt-ref": "1", "lag-in-frames": "20", "deadline": "good", "cpu-used": "5"},
        {"g": "12", "deadline": "realtime", "cpu-used": "8"},
    ],
    "libsvtav1": [{"g": "10", "preset": "12"}],
    "ffv1": [{"g": "1"}, {"g": "10"}],
    "dnxhd": [{"profile": "dnxhr_sq"}],
    **{name: [{"g": "9"}] for name in ("h263", "h263p", "h261", "flv", "msmpeg4", "msmpeg4v2", "wmv1", "wmv2")},
    **{name: [{"g": "9"}] for name in ("rv10", "rv20", "svq1", "snow", "qtrle", "flashsv", "zmbv", "msvideo1")},
    **{name: [{}] for name in ("mjpeg", "prores", "huffyuv", "ffvhuff", "utvideo", "magicyuv", "cinepak", "png")},
    **{name: [{}] for name in ("gif", "apng", "jpeg2000", "tiff", "rawvideo", "asv1", "cfhd", "vc2", "dvvideo")},
}
ENDINGS = (
    *("mp4", "mov", "mkv", "webm", "avi", "ts", "m2ts", "mpg", "vob", "flv", "nut", "asf", "3gp", "ogg", "rm", "mxf"),
    *("gif", "apng", "ivf", "m4v", "h264", "hevc", "obu", "m1v", "m2v", "mjpeg", "gxf", "swf", "wtv", "h263", "h261"),
)
MUXERS = {"m1v": "mpeg1video", "m2v": "mpeg2video"}
SIZES = {"h263": (144, 176), "h261": (144, 176), "dnxhd": (144, 256), "dvvideo": (576, 720), "cfhd": (144, 176)}
FORMS = ("yuv420p", "yuvj420p", "yuv422p", "yuv422p10le", "rgb24", "bgr24", "bgr0", "rgb8", "rgb555le", "pal8")


@dataclass(frozen=True)
class Kind:
    """One codec with one set of options, in one container, and what was done to it."""

    codec: str
    variant: int
    ending: str
    change: str = ""

    @property
    def name(self) -> str:
        return f"{self.codec}-{self.variant}{self.change and '-' + self.change}.{self.ending}"


def moving(height: int, width: int, *, seed: int = 1) -> np.ndarray:
    """Frames of noise that moves, with two bars that tell each from every other."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    base = coarse.repeat(8, 0).repeat(8, 1)[:height, :width]
    frames = np.stack([np.roll(base, (step, 2 * step), (0, 1)) for step in range(COUNT)])
    for step, frame in enumerate(frames):
        frame[:8] = 37 * step % 256
        frame[8:16, : width // 2] = 91 * step % 256
    return frames


def write(path: Path, kind: Kind) -> bool:
    """Whether PyAV can write the kind without its change."""
    height, width = SIZES.get(kind.codec, (48, 64))
    try:
        forms = [form.name for form in av.Codec(kind.codec, "w").video_formats or []]
        with av.open(str(path), "w", format=MUXERS.get(kind.ending)) as container:
            stream = container.add_stream(kind.codec, rate=RATE, options=dict(CODECS[kind.codec][kind.variant]))
            stream.height, stream.width = height, width
            stream.pix_fmt = next((form for form in FORMS if form in forms), forms[0] if forms else "yuv420p")
            for place, picture in enumerate(moving(height, width)):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = place, Fraction(1, RATE)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except (av.error.FFmpegError, ValueError, OSError, MemoryError):
        path.unlink(missing_ok=True)
        return False
    return True


def every_key(packets: list[av.Packet], step: int) -> list[av.Packet]:
    """Each packet is called a keyframe."""
    for packet in packets:
        packet.is_keyframe = True
    return packets


def one_key(packets: list[av.Packet], step: int) -> list[av.Packet]:
    """Only the first is."""
    for place, packet in enumerate(packets):
        packet.is_keyframe = place == 0
    return packets


def wrong_keys(packets: list[av.Packet], step: int) -> list[av.Packet]:
    """Each fourth is, whatever it holds."""
    for place, packet in enumerate(packets):
        packet.is_keyframe = place % 4 == 0
    return packets


def cut_at_key(packets: list[av.Packet], step: int) -> list[av.Packet]:
    """From the second keyframe on, as by stream copy: at an open GOP, leading pictures refer to what is gone."""
    keys = [place for place, packet in enumerate(packets) if packet.is_keyframe]
    return packets[keys[1] :] if len(keys) > 1 else packets


def cut_anywhere(packets: list[av.Packet], step: int) -> list[av.Packet]:
    """From the eighth packet on."""
    return packets[7:]


def jump(packets: list[av.Packet], step: int) -> list[av.Packet]:
    """The clock jumps by ten hours in the middle."""
    for packet in packets[COUNT // 2 :]:
        packet.pts = None if packet.pts is None else packet.pts + 36_000 * RATE * step
        packet.dts = None if packet.dts is None else packet.dts + 36_000 * RATE * step
    return packets


CHANGES: dict[str, Callable[[list[av.Packet], int], list[av.Packet]]] = {
    "every-key": every_key,
    "one-key": one_key,
    "wrong-keys": wrong_keys,
    "cut-at-key": cut_at_key,
    "cut": cut_anywhere,
    "jump": jump,
}


def copy(path: Path, source: Path, change: Callable[[list[av.Packet], int], list[av.Packet]]) -> bool:
    """Whether a stream copy with changed packets could be written."""
    try:
        with av.open(str(source)) as old, av.open(str(path), "w") as new:
            stream = new.add_stream_from_template(old.streams.video[0])
            step = round(Fraction(1, RATE) / old.streams.video[0].time_base)
            for packet in change([packet for packet in old.demux(video=0) if packet.size], step):
                packet.stream = stream
                new.mux(packet)
    except (av.error.FFmpegError, ValueError, OSError, IndexError):
        path.unlink(missing_ok=True)
        return False
    return True


def with_edit_list(path: Path, source: Path) -> bool:
    """Whether the film, an MP4 or MOV, could be given an edit list that begins with its eighth frame."""
    content = bytearray(source.read_bytes())
    at = content.find(b"elst")
    if at < 0 or content[at + 4]:
        return False
    with av.open(str(source)) as film:
        step = round(Fraction(1, RATE) / film.streams.video[0].time_base)
    begin = slice(at + 16, at + 20)
    content[begin] = (int.from_bytes(content[begin], "big") + 7 * step).to_bytes(4, "big")
    path.write_bytes(content)
    return True


def joined(path: Path, source: Path) -> bool:
    """The film twice, byte by byte, where its container allows that."""
    path.write_bytes(2 * source.read_bytes())
    return source.suffix in (".ts", ".m2ts", ".mpg", ".h264", ".hevc", ".m1v", ".m2v")


def films(folder: Path, kinds: Iterator[Kind] | list[Kind]) -> Iterator[tuple[Kind, Path]]:
    """Those of the kinds that can be written, changed as they say."""
    for kind in kinds:
        path, source = folder / kind.name, folder / f"source-{kind.name}"
        if not kind.change:
            if write(path, kind):
                yield kind, path
            continue
        if write(source, kind):
            if kind.change == "edit-list":
                made = with_edit_list(path, source)
            elif kind.change == "joined":
                made = joined(path, source)
            else:
                made = copy(path, source, CHANGES[kind.change])
            if made:
                yield kind, path
            source.unlink()


def every_kind(*, changes: bool) -> Iterator[Kind]:
    """All codecs and variants in all containers, and with `changes` all that may befall the more common ones."""
    for codec, variants in CODECS.items():
        for variant in range(len(variants)):
            for ending in ENDINGS:
                yield Kind(codec, variant, ending)
    if not changes:
        return
    for codec in ("libx264", "libx265", "mpeg4", "mpeg2video", "mpeg1video", "h263", "flv", "libvpx", "libvpx-vp9"):
        for variant in range(len(CODECS[codec])):
            for ending in ("mp4", "mov", "mkv", "ts", "mpg", "avi", "flv", "nut", "3gp"):
                for change in (*CHANGES, "edit-list", "joined"):
                    if change != "edit-list" or ending in ("mp4", "mov", "3gp"):
                        yield Kind(codec, variant, ending, change)
