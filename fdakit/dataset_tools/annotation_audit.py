"""An audit of annotations before anything is read or trained: counts, gaps, and overlaps of splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from fdakit.dataset_files.counts import id_hash
from fdakit.dataset_files.identical_videos import footage_numbers, identical_groups
from fdakit.dataset_files.video_files import is_there
from fdakit.ranking.best_recall import best_recall
from fdakit.values import Split


@dataclass(frozen=True)
class SplitAudit:
    """The audit of one split.

    `absent` and `uncaptioned` are ids of videos without a file and without a caption. `empty` captions have no word,
    `repeated` ones occur before for the same video. `shared_texts` are texts of more than one video, `shared` the
    number of their captions. `identical` are groups of ids with the same video content. `ceiling` is the best R@1 in
    percent, text to video, that equal texts and videos allow; None if there is no caption.
    """

    split: Split
    absent: tuple[str, ...]
    uncaptioned: tuple[str, ...]
    empty: int
    repeated: int
    shared_texts: int
    shared: int
    identical: tuple[tuple[str, ...], ...]
    ceiling: float | None


@dataclass(frozen=True)
class Overlap:
    """The overlap of two splits.

    `videos` are ids in both; `footage` ids of the first with the content of another id of the second; `texts` counts
    distinct captions that belong to different videos in them.
    """

    first: str
    second: str
    videos: tuple[str, ...]
    footage: tuple[str, ...]
    texts: int


@dataclass(frozen=True)
class Audit:
    """Every split, and every pair of splits that share something, in their order."""

    splits: tuple[SplitAudit, ...]
    overlaps: tuple[Overlap, ...]


def audit_splits(splits: Sequence[Split], *, present: Callable[[Path], bool] = is_there) -> Audit:
    """Audit annotations only; for videos only `present` is called, so all of them may be absent."""
    pairs = [_overlap(first, second) for first, second in combinations(splits, 2)]
    found = tuple(pair for pair in pairs if pair.videos or pair.footage or pair.texts)
    return Audit(tuple(_audit(split, present) for split in splits), found)


def _audit(split: Split, present: Callable[[Path], bool]) -> SplitAudit:
    owners = _owners(split)
    captioned = {caption.video_id for caption in split.captions}
    pairs = [(caption.text, caption.video_id) for caption in split.captions]
    identical = identical_groups(split.videos)
    shared = {text for text, videos in owners.items() if len(videos) > 1}
    return SplitAudit(
        split=split,
        absent=tuple(video.id for video in split.videos if not present(video.path)),
        uncaptioned=tuple(video.id for video in split.videos if video.id not in captioned),
        empty=sum(not text.strip() for text, _ in pairs),
        repeated=len(pairs) - len(set(pairs)),
        shared_texts=len(shared),
        shared=sum(text in shared for text, _ in pairs),
        identical=identical,
        ceiling=best_recall(pairs, identical),
    )


def _overlap(first: Split, second: Split) -> Overlap:
    theirs = {video.id for video in second.videos}
    numbers = footage_numbers([*first.videos, *second.videos])
    ours, others_shown = numbers[: len(first.videos)], numbers[len(first.videos) :]
    shown: dict[int, set[str]] = defaultdict(set)
    for video, number in zip(second.videos, others_shown, strict=True):
        shown[number].add(video.id)
    mine, others = _owners(first), _owners(second)
    return Overlap(
        first=first.name,
        second=second.name,
        videos=tuple(video.id for video in first.videos if video.id in theirs),
        footage=tuple(
            video.id
            for video, number in zip(first.videos, ours, strict=True)
            if shown.get(number, set()) - {video.id}
        ),
        texts=sum(len(mine[text] | others[text]) > 1 for text in mine.keys() & others.keys()),
    )


def _owners(split: Split) -> dict[str, set[str]]:
    """Return text -> its videos."""
    owners: dict[str, set[str]] = defaultdict(set)
    for caption in split.captions:
        owners[caption.text].add(caption.video_id)
    return owners


def audit_facts(audit: Audit) -> dict[str, Any]:
    """Return the audit as JSON: `splits`, and `overlaps` between them."""
    return {
        "splits": [_split_facts(found) for found in audit.splits],
        "overlaps": [
            {
                "splits": [pair.first, pair.second],
                "videos": len(pair.videos),
                "video_ids": list(pair.videos),
                "same_footage": len(pair.footage),
                "same_footage_ids": list(pair.footage),
                "same_captions": pair.texts,
            }
            for pair in audit.overlaps
        ],
    }


def _split_facts(found: SplitAudit) -> dict[str, Any]:
    split, official = found.split, found.split.official
    return {
        "split": split.name,
        "protocol": split.protocol,
        "videos": _counted(len(split.videos), official.videos if official else None),
        "captions": _counted(len(split.captions), official.captions if official else None),
        "id_hash": id_hash(video.id for video in split.videos),
        "missing_files": len(found.absent),
        "missing_file_ids": list(found.absent),
        "missing_captions": len(found.uncaptioned),
        "missing_caption_ids": list(found.uncaptioned),
        "empty_captions": found.empty,
        "repeated_captions": found.repeated,
        "shared_captions": found.shared,
        "shared_texts": found.shared_texts,
        "identical_videos": [list(group) for group in found.identical],
        "best_t2v_R@1": found.ceiling,
        "remarks": list(split.remarks),
    }


def _counted(found: int, published: int | None) -> Mapping[str, int | None]:
    return {
        "found": found,
        "published": published,
        "difference": None if published is None else found - published,
    }
