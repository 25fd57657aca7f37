"""How much longer each peer takes than fdakit: in total, in the median clip, in the worst one.

A ratio is a peer's seconds divided by fdakit's, so above 1 fdakit is the faster. Seconds are medians over the rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

OURS = "fdakit"
SHORT = 0.020
"""Seconds of the fastest reader under which a clip counts as short: there, opening the file decides."""

Seconds = Mapping[str, float]


def summarise(clips: Sequence[Seconds], *, rivals: Sequence[str], slow: Sequence[str] = ()) -> dict[str, Any]:
    """Return the ratios of all `clips`, of the short ones and of the others, each clip given as seconds by reader.

    `rivals` may be the fastest peer; `slow` peers have ratios of their own alone. A clip without a peer's seconds is
    left out of that peer's ratios, one without fdakit's out of all.
    """
    read = [clip for clip in clips if OURS in clip]
    short = [clip for clip in read if _fastest(clip, (OURS, *rivals)) < SHORT]
    longer = [clip for clip in read if _fastest(clip, (OURS, *rivals)) >= SHORT]
    return {
        **_ratios(read, rivals, slow),
        "short_clips": _ratios(short, rivals, slow),
        "longer_clips": _ratios(longer, rivals, slow),
    }


def quotients(clips: Sequence[Seconds], *, over: str, under: str = OURS) -> dict[str, Any]:
    """`over`'s seconds by `under`'s on the clips that have both: total by total, median and minimum of the clips'.

    With no such clip, all three are None.
    """
    both = [(clip[over], clip[under]) for clip in clips if over in clip and under in clip]
    shares = [one / other for one, other in both]
    return {
        "clips": len(both),
        "total_ratio": sum(one for one, _ in both) / sum(other for _, other in both) if both else None,
        "median_ratio": median(shares) if both else None,
        "minimum_ratio": min(shares, default=None),
    }


def _ratios(clips: Sequence[Seconds], rivals: Sequence[str], slow: Sequence[str]) -> dict[str, Any]:
    """Return the ratios to the fastest peer: chosen anew for each clip, in total the one of the smallest total ratio.

    Where every peer reads every clip, that is the peer with the smallest total.
    """
    peers = {name: quotients(clips, over=name) for name in (*rivals, *slow)}
    beaten = [
        clip | {"fastest": _fastest(clip, rivals)} for clip in map(dict, clips) if any(r in clip for r in rivals)
    ]
    nearest = quotients(beaten, over="fastest")
    totals = {name: peers[name]["total_ratio"] for name in rivals if peers[name]["clips"]}
    first = min(totals, key=lambda name: totals[name], default=None)
    return {
        "clips": len(clips),
        "fastest_peer_in_total": first,
        "total_ratio_to_fastest_peer": None if first is None else totals[first],
        "median_ratio_to_fastest_peer": nearest["median_ratio"],
        "minimum_ratio_to_fastest_peer": nearest["minimum_ratio"],
        "peers": peers,
    }


def _fastest(clip: Seconds, readers: Sequence[str]) -> float:
    return min(clip[name] for name in readers if name in clip)
