"""The findings of mask statistics: shares, histogram, outliers, and advice for bad numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.mask_ops.options import PostprocessOptions
from fdakit.version import __version__

from .pixel_levels import level_advice, level_facts
from .statistics import ClipMaskStats, MaskStatistics

BINS, ODDEST = 20, 20
FINDINGS = ("empty", "full", "cut")
"""The findings that a mask's `remedies` may name; every other key is one of its remarks."""
_EMPTY, _FULL = 0.002, 0.9
_WIDE = 0.3  # median coverage beyond moving objects: real clips of still cameras gave 0.08 to 0.23
_MANY, _SOME = 0.2, 0.1  # shares of the frames above which advice is given


@dataclass(frozen=True)
class OutlierClip:
    """A clip that stands out, the reason as text, and the frame that shows it best."""

    clip: ClipMaskStats
    reason: str
    focus: int


def statistics_facts(census: MaskStatistics) -> dict[str, Any]:
    """Return everything as plain values: the content of masks.json."""
    part = census.recipe.mask
    covered = _coverage(census)
    counts, edges = np.histogram(covered, bins=BINS, range=(0, 1))
    seconds = np.array([clip.seconds for clip in census.clips])
    return {
        "recipe": census.recipe.name,
        "split": census.split,
        "fdakit": __version__,
        "mask": {
            "use": f"{part.offer.provider.name}:{part.name}",
            "version": part.offer.provider.version,
            "options": part.options.model_dump(mode="json"),
        },
        "control": census.recipe.control,
        "stopped": census.stopped,
        "videos": {
            "in_split": census.whole,
            "asked": census.asked,
            "counted": len(census.clips),
            "lost": {video.id: video.reason for video in census.lost},
            "repaired": {clip.id: clip.repaired for clip in census.clips if clip.repaired},
        },
        "frames": len(covered),
        "pixels": _levels(census),
        "coverage": {
            "mean": float(covered.mean()),
            "median": float(np.median(covered)),
            "histogram": {"edges": edges.round(6).tolist(), "counts": counts.tolist()},
        },
        "shares": shares(census),
        "repeating": {"clips": repeating(census), "above": _SOME},
        "limits": {"empty": _empty_limit(census), "full": _FULL},
        "remarks": dict(_remarks(census)),
        "seconds_per_clip": {"mean": float(seconds.mean()), "median": float(np.median(seconds))},
        "advice": advice(census),
        "oddest": [{"id": odd.clip.id, "reason": odd.reason} for odd in outliers(census)],
        "clips": [_row(clip) for clip in census.clips],
    }


def _row(clip: ClipMaskStats) -> dict[str, Any]:
    return {
        "id": clip.id,
        "seconds": clip.seconds,
        "times": list(clip.times),
        "coverage": list(clip.coverage),
        "remarks": list(clip.remarks),
        "cuts": [place for place, cut in enumerate(clip.cuts) if cut],
        "repeated": _repeated([clip]),
    }


def shares(census: MaskStatistics) -> dict[str, float]:
    """Return shares of the frames. `empty` and `full` are the mask's own findings, before a fallback replaced it.

    `cut` frames show another scene than the one before, `repeated` native frames show the frame before them again, or
    a still scene.
    """
    covered, words = _coverage(census), _words(census)
    own = words == ""
    return {
        "empty": float(((own & (covered < _empty_limit(census))) | (words == "empty")).mean()),
        "full": float(((own & (covered > _FULL)) | (words == "full")).mean()),
        "cut": float(np.mean([cut for clip in census.clips for cut in clip.cuts] or [False])),
        "repeated": _repeated(census.clips),
        "fallen_back": float((~own).mean()),
    }


def repeating(census: MaskStatistics) -> int:
    """Return how many clips repeat more than a tenth of their native frames."""
    return sum(_repeated([clip]) > _SOME for clip in census.clips)


def _repeated(clips: Sequence[ClipMaskStats]) -> float:
    found, asked = (sum(clip.repeats[place] for clip in clips) for place in (0, 1))
    return found / asked if asked else 0.0


def advice(census: MaskStatistics) -> list[str]:
    """Return a sentence for each bad number; none for a mask that marks everything on purpose."""
    covered, found, remarks = _coverage(census), shares(census), _remarks(census)
    remedies = census.recipe.mask.offer.component.remedies
    said = []
    if found["empty"] > _MANY:
        said.append(
            f"{found['empty']:.0%} of masks mark almost nothing: little changes between the frames that are "
            f"compared; {remedies.get('empty', 'sample fewer frames, which are then further apart')}"
        )
    remedy = remedies.get("full", "try a mask that follows the camera")
    own = covered[_words(census) == ""]  # fallbacks are not findings of the mask
    usual = float(np.median(own)) if own.size else 0.0
    if found["full"] > _MANY and not (covered == 1).all():
        said.append(
            f"{found['full']:.0%} of masks cover more than {_FULL:.0%}: the camera moves or the light changes; "
            f"{remedy}"
        )
    elif _WIDE < usual < 1:
        said.append(
            f"half of the masks cover more than {usual:.0%}: moving objects rarely cover so much; the camera may "
            f"move, or the light change; {remedy}"
        )
    if found["cut"] > _SOME and not census.source.compares_natively:
        said.append(
            f"{found['cut']:.0%} of frames are compared across a cut; "
            f"{remedies.get('cut', 'sample more frames, or take a mask that compares native neighbours')}"
        )
    said += [
        f"{remarks[word] / len(covered):.0%} of frames {remedy}"
        for word, remedy in remedies.items()
        if remarks[word] / len(covered) > _SOME and word not in FINDINGS
    ]
    said += level_advice(_levels(census)) if _levels(census) else []
    if census.lost:
        said.append(
            f"{len(census.lost)} of {len(census.lost) + len(census.clips)} videos could not be read; "
            "`fdakit data check` finds all that are damaged"
        )
    return said


def _levels(census: MaskStatistics) -> dict[str, Any]:
    """Return facts of the transformed pixels; empty if the clips were not measured."""
    found = [clip.levels for clip in census.clips if clip.levels]
    return level_facts(found, census.source.preprocess) if found else {}


def outliers(census: MaskStatistics, *, most: int = ODDEST) -> list[OutlierClip]:
    """Return up to `most` clips, each once: in turn the emptiest, fullest, most remarked and most changing."""
    rankings = [_emptiest(census), _fullest(census), _remarked(census), _changing(census)]
    found: dict[str, OutlierClip] = {}
    while any(rankings) and len(found) < most:
        for ranking in rankings:
            while ranking and ranking[0].clip.id in found:
                ranking.pop(0)
            if ranking and len(found) < most:
                odd = ranking.pop(0)
                found[odd.clip.id] = odd
    return list(found.values())


def _emptiest(census: MaskStatistics) -> list[OutlierClip]:
    mean = _coverage(census).mean()
    means = [(float(np.mean(clip.coverage)), clip) for clip in census.clips]
    ranked = sorted(((m, clip) for m, clip in means if m < mean), key=lambda pair: pair[0])
    return [OutlierClip(clip, f"emptiest: {m:.1%} marked", int(np.argmin(clip.coverage))) for m, clip in ranked]


def _fullest(census: MaskStatistics) -> list[OutlierClip]:
    mean = _coverage(census).mean()
    means = [(float(np.mean(clip.coverage)), clip) for clip in census.clips]
    ranked = sorted(((m, clip) for m, clip in means if m > mean), key=lambda pair: -pair[0])
    return [OutlierClip(clip, f"fullest: {m:.1%} marked", int(np.argmax(clip.coverage))) for m, clip in ranked]


def _remarked(census: MaskStatistics) -> list[OutlierClip]:
    counted = [(Counter(word for word in clip.remarks if word), clip) for clip in census.clips]
    ranked = sorted(((words, clip) for words, clip in counted if words), key=lambda pair: -pair[0].total())
    return [
        OutlierClip(
            clip,
            f"remarks on {words.total()} of {len(clip.remarks)} frames: "
            + ", ".join(f"{word} {count}" for word, count in words.most_common()),
            next(place for place, word in enumerate(clip.remarks) if word),
        )
        for words, clip in ranked
    ]


def _changing(census: MaskStatistics) -> list[OutlierClip]:
    found = []
    for clip in census.clips:
        steps = np.abs(np.diff(clip.coverage))
        if steps.size and steps.max() > 0:
            place = int(steps.argmax())
            before, after = clip.coverage[place : place + 2]
            reason = f"largest change: {before:.1%} to {after:.1%} from {clip.times[place]:.2f} s on"
            found.append((float(steps[place]), OutlierClip(clip, reason, place + 1)))
    return [odd for _, odd in sorted(found, key=lambda pair: -pair[0])]


def _coverage(census: MaskStatistics) -> NDArray[np.float64]:
    return np.array([share for clip in census.clips for share in clip.coverage])


def _words(census: MaskStatistics) -> NDArray[np.str_]:
    return np.array([word for clip in census.clips for word in clip.remarks])


def _remarks(census: MaskStatistics) -> Counter[str]:
    return Counter(word for clip in census.clips for word in clip.remarks if word)


def _empty_limit(census: MaskStatistics) -> float:
    options = census.recipe.mask.options
    return options.min_coverage if isinstance(options, PostprocessOptions) else _EMPTY
