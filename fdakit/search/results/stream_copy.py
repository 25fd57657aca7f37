"""A clip without decoding: packets as they are, from a keyframe on, in a container that holds their codecs."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from fdakit.errors import VideoError
from fdakit.values import VideoRef
from fdakit.video.decode import OpenVideo
from fdakit.video.probe import open_container

from .clip_sound import ClipSound
from .clip_source import ClipSource, CopyPlan, NotCopyableError

if TYPE_CHECKING:
    from av.container import OutputContainer

_CLOSE = 0.002  # seconds; Matroska rounds to milliseconds
_ENDINGS = {"mp4": ".mp4", "mov": ".mov", "webm": ".webm", "matroska": ".mkv"}


def fitting_containers(source: ClipSource) -> list[tuple[str, str]]:
    """Return formats to be tried, each with the ending of its files: the video's own, then Matroska."""
    with open_container(source.path) as container:
        own, ending = container.format.name.split(","), source.path.suffix.lower()
    if "mp4" in own:
        formats = ["mov" if ending == ".mov" else "mp4"]
    elif "webm" in own:
        formats = ["webm"] if ending == ".webm" else []
    else:
        formats = ["mp4"] if "mpegts" in own else []
    return [(name, _ENDINGS[name]) for name in (*formats, "matroska")]


def copy_clip(source: ClipSource, plan: CopyPlan, part: Path, form: str, sound: ClipSound | None) -> None:
    """Write the packets of a plan, and those of the sound in the range it covers, to `part`.

    Raises what PyAV raises if the format does not hold these codecs, or the disk refuses.
    """
    with ExitStack() as stack:
        template = stack.enter_context(open_container(source.path))
        made = stack.enter_context(closing(_created(part, form)))
        picture = made.add_stream_from_template(template.streams.video[_rank(template, source.stream)], opaque=True)
        parts: list[Iterator[tuple[float, Any, Any]]] = [_pictures(source, plan, picture)]
        if sound is not None and sound.stream is not None:
            track = made.add_stream_from_template(sound.stream, opaque=True)
            parts.append(_shifted(sound, plan, track))
        for _, packet, stream in heapq.merge(*parts, key=lambda one: one[0]):
            packet.stream = stream
            made.mux(packet)


def check_copy(source: ClipSource, plan: CopyPlan, part: Path, first: int, last: int) -> None:
    """Raise `NotCopyableError` unless the copy shows the first and the last frame of the range, pixel for pixel."""
    wanted = [first, last - 1]
    try:
        with OpenVideo(VideoRef(part.name, part)) as copy:
            times = copy.times()
            asked = source.times[wanted] - plan.start
            found = np.array([int(np.argmin(np.abs(times - time))) for time in asked])
            if np.abs(times[found] - asked).max() > _CLOSE:
                raise NotCopyableError("a copy would show its frames at other times")
            shown = copy.read(found)
    except VideoError as error:
        raise NotCopyableError(f"a copy cannot be read ({error})") from error
    frames, aspect = source.read(wanted)
    if not np.array_equal(shown.frames, frames) or abs(shown.pixel_aspect - aspect) > 1e-3:
        raise NotCopyableError("a copy would show something else")


def _created(part: Path, form: str) -> OutputContainer:
    options = {"movflags": "+faststart"} if form in ("mp4", "mov") else {}
    return av.open(str(part), "w", format=form, container_options=options)


def _rank(container: Any, stream: int) -> int:
    """Return which of the video streams has this index in the file."""
    return next(rank for rank, one in enumerate(container.streams.video) if one.index == stream)


def _pictures(source: ClipSource, plan: CopyPlan, stream: Any) -> Iterator[tuple[float, Any, Any]]:
    for packet, dts in zip(source.packets(plan), plan.dts.tolist(), strict=True):
        yield float(dts * plan.tick), packet, stream


def _shifted(sound: ClipSound, plan: CopyPlan, track: Any) -> Iterator[tuple[float, Any, Any]]:
    for time, packet in sound.packets(plan.start, plan.end):
        assert packet.time_base is not None
        packet.pts = packet.dts = round((time - plan.start) / packet.time_base)
        yield time - plan.start, packet, track
