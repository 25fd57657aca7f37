"""What a search of an index returns, and which of it is the same footage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .moments import Moment

COPY = 0.05
"""Two segments of different videos count as the same footage up to this share of the usual distance of two."""


@dataclass(frozen=True)
class FoundMoment:
    """A part of a video that answers a query: seconds from its first frame, and the score of its best segment.

    `peak` is the range of that segment, `thumbnail` its picture as JPEG, `coverage` the share of it that the mask
    marks; `duration` and `modified` (seconds since 1970) are those of the file. `copies` are other videos in which
    the same footage was found.
    """

    path: Path
    start: float
    end: float
    score: float
    peak: tuple[float, float]
    coverage: float
    duration: float
    modified: float
    thumbnail: bytes = b""
    copies: tuple[Path, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain values, without the thumbnail."""
        plain = {name: value for name, value in vars(self).items() if name != "thumbnail"}
        return {**plain, "path": str(self.path), "peak": list(self.peak), "copies": [str(one) for one in self.copies]}


def copy_distance(sample: NDArray[np.float32]) -> float:
    """Return how far two segments of the same footage may be from each other, as one minus a cosine.

    `sample (n, d)` are unit vectors of segments, whose mean distance is the usual one.
    """
    exact = sample.astype(np.float64)
    pairs = max(1, len(exact) * (len(exact) - 1))
    mean = (float(np.square(exact.sum(0)).sum()) - float(np.square(exact).sum())) / pairs
    return COPY * (1 - mean)


def distinct(
    moments: Sequence[Moment], peaks: NDArray[np.float32], distance: float
) -> list[tuple[Moment, list[str]]]:
    """Return the moments, best first, without copies: of another video, and within `distance` of a better one.

    `peaks (n, d)` are the unit vectors of their best segments. Each moment comes with the videos left out for it.
    """
    kept: list[int] = []
    copies: dict[int, list[str]] = {}
    for place, moment in enumerate(moments):
        alike = 1 - peaks[kept].astype(np.float64) @ peaks[place] <= distance
        found = [one for one, near in zip(kept, alike, strict=True) if near and moments[one].video != moment.video]
        if found:
            copies.setdefault(found[0], []).append(moment.video)
        else:
            kept.append(place)
    return [(moments[one], list(dict.fromkeys(copies.get(one, [])))) for one in kept]
