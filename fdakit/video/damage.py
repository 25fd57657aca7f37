"""What of a damaged file still decodes."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fdakit.errors import VideoError
from fdakit.values import VideoRef

from .film import Film, one_thread
from .probe import FAULTS, first_stream, open_container, words


@dataclass(frozen=True)
class Survey:
    """A file decoded to its end: the frames its packets `promised` in the segment, and which of them are `sound`.

    `sound (s,)` int64 are ascending indices of the segment; `reason` is the first fault in words, "" for none.
    """

    promised: int
    sound: NDArray[np.int64]
    reason: str


def survey_video(video: VideoRef) -> Survey:
    """Decode everything, passing over damaged packets and frames that the decoder marks as corrupt.

    Raises `VideoError` as `frame_times` does, and where no frame of the segment decodes.
    """
    with closing(Film(video.path)) as film:
        timeline, path = film.timeline, film.path
        first, last = timeline.segment(video)
    seen: Counter[int] = Counter()
    found: list[int] = []
    faults: list[str] = []
    with open_container(path) as container:
        stream = one_thread(first_stream(container, path=path))
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except FAULTS as error:
                faults.append(f"decoding fails: {words(error)}")
                continue
            for frame in frames:
                stamp = frame.pts if timeline.stamped and frame.pts is not None else 0
                position = timeline.places.get((stamp, seen[stamp]), -1)
                seen[stamp] += 1
                if frame.is_corrupt:
                    faults.append("the decoder marks frames as corrupt")
                elif first <= position < last:
                    found.append(position - first)
    if not found:
        raise VideoError(
            f"{path}: {(faults or ['decoding ends'])[0]}; none of its {last - first} frames decode; replace it or "
            "remove it from the data set"
        )
    if len(found) < last - first and not faults:
        faults.append("decoding ends early")
    return Survey(last - first, np.array(sorted(found), np.int64), faults[0] if faults else "")
