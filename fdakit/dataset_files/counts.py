"""Comparison of a local copy of a data set with the published counts."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from fdakit.values import PublishedCounts


def count_remarks(name: str, *, videos: int, captions: int, official: PublishedCounts | None) -> tuple[str, ...]:
    """Return how the counts of split `name` differ from the published ones, a sentence each; empty if equal.

    For example `test: 668 videos, published 670`. Captions are left out if publications disagree on them.
    """
    if official is None:
        return ()
    pairs = [("videos", videos, official.videos), ("captions", captions, official.captions)]
    return tuple(
        f"{name}: {found:,} {what}, published {published:,}"
        for what, found, published in pairs
        if published is not None and found != published
    )


def id_hash(ids: Iterable[str]) -> str:
    """Return the SHA-256 in hex over the sorted ids, one a line: equal for two lists of the same videos."""
    return sha256("".join(f"{name}\n" for name in sorted(ids)).encode("utf-8", "surrogateescape")).hexdigest()
