"""Moments: the segments that a search found, joined where they overlap and are about equally good.

Segments overlap, so that one event is found several times. The best hit of a video begins a moment, and those that
touch it and score nearly as well belong to it. Others that overlap it are its weaker shadow, and are dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

NEAR = 0.1
"""How far below a moment's peak a hit that joins it may score, as a share of the peak's size."""


@dataclass(frozen=True)
class Hit:
    """A segment that was found: its video, its range in seconds, its score, and its row in the index."""

    video: str
    start: float
    end: float
    score: float
    row: int = -1


@dataclass(frozen=True)
class Moment:
    """A range of a video in seconds. `hits` are the segments that it was joined of, the best first."""

    video: str
    start: float
    end: float
    hits: tuple[Hit, ...]

    @property
    def peak(self) -> Hit:
        """The best hit."""
        return self.hits[0]

    @property
    def score(self) -> float:
        """The score of the best hit."""
        return self.peak.score


def joining_score(peak: float) -> float:
    """Return the least score of a hit that joins a moment with this peak.

    It is 10% of the peak's size below the peak: 0.27 for 0.3, and -0.33 for -0.3.
    """
    return peak - NEAR * abs(peak)


def find_moments(hits: Iterable[Hit]) -> list[Moment]:
    """Return the moments of all videos, the best first; no two of a video overlap.

    The order of the hits makes no difference. The first k moments of the best hits of an index are those of all hits,
    if all hits down to `joining_score` of the k-th are given.
    """
    videos: dict[str, list[Hit]] = {}
    for hit in hits:
        videos.setdefault(hit.video, []).append(hit)
    found = [moment for own in videos.values() for moment in _moments_of_video(own)]
    return sorted(found, key=lambda moment: _rank(moment.peak))


def _moments_of_video(hits: list[Hit]) -> list[Moment]:
    moments: list[Moment] = []
    for hit in sorted(hits, key=_rank):
        joined = [moment for moment in moments if _touch(moment, hit) and hit.score >= joining_score(moment.score)]
        if any(_overlap(moment, hit) for moment in moments if moment not in joined):
            continue
        moments = [moment for moment in moments if moment not in joined]
        moments.append(_joined(hit, joined))
    return moments


def _joined(hit: Hit, moments: list[Moment]) -> Moment:
    """Return one moment of several that a hit connects; of the hit alone if there are none."""
    hits = sorted([hit, *(own for moment in moments for own in moment.hits)], key=_rank)
    start, end = min(own.start for own in hits), max(own.end for own in hits)
    return Moment(hit.video, start, end, tuple(hits))


def _rank(hit: Hit) -> tuple[float, str, float, float, int]:
    """Return what hits are sorted by: the best first, then by place."""
    return -hit.score, hit.video, hit.start, hit.end, hit.row


def _touch(one: Hit | Moment, other: Hit | Moment) -> bool:
    return one.start <= other.end and other.start <= one.end


def _overlap(one: Hit | Moment, other: Hit | Moment) -> bool:
    return one.start < other.end and other.start < one.end
