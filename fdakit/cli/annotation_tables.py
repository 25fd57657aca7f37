"""What annotations hold and lack, as `data check` and `data prepare` print it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .printing import print_table, say

_COLUMNS = ["split", "videos", "official", "captions", "official", "no file", "equal text", "best R@1"]
_SHOWN = 3


def print_annotations(title: str, facts: Mapping[str, Any], *, files: bool = True) -> None:
    """Print a table of the splits that load, and a line for each remark on them."""
    if facts["splits"]:
        print_table(title, _COLUMNS, [_row(found) for found in facts["splits"]], numbers=True)
    for line in dict.fromkeys(_lines(facts, files=files)):  # some remarks are of the whole set
        say(line)


def print_unloaded(reasons: Mapping[str, str]) -> None:
    """Print why splits cannot be loaded, a line for each reason."""
    by_reason: dict[str, list[str]] = {}
    for split, reason in reasons.items():
        by_reason.setdefault(reason, []).append(split)
    for reason, splits in by_reason.items():
        say(f"{', '.join(splits)}: cannot be loaded: {reason}")


def first_names(names: Sequence[str]) -> str:
    """Return the first few, and how many more there are."""
    more = f", and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _row(found: Mapping[str, Any]) -> list[str]:
    best = found["best_t2v_R@1"]
    return [
        found["split"],
        *_counted(found["videos"]),
        *_counted(found["captions"]),
        f"{found['missing_files']:,}",
        f"{found['shared_captions']:,}",
        "" if best is None else f"{best:.2f}",
    ]


def _counted(count: Mapping[str, int | None]) -> tuple[str, str]:
    """Found and published, with the difference where there is one."""
    found, published, difference = count["found"], count["published"], count["difference"]
    told = "" if published is None else f"{published:,}"
    return f"{found:,}", f"{told} ({difference:+,})" if difference else told


def _lines(facts: Mapping[str, Any], *, files: bool) -> Iterator[str]:
    for found in facts["splits"]:
        name = found["split"]
        said = {
            "videos without a caption": (found["missing_captions"], found["missing_caption_ids"]),
            "captions without a word": (found["empty_captions"], []),
            "captions that repeat one of their video": (found["repeated_captions"], []),
        }
        for what, (count, names) in said.items():
            if count:
                yield f"{name}: {what}: {count:,}" + (f" ({first_names(names)})" if names else "")
        if files and found["missing_files"]:
            absent, total = first_names(found["missing_file_ids"]), found["videos"]["found"]
            yield f"{name}: videos without a file: {found['missing_files']:,} of {total:,} ({absent})"
        if found["shared_captions"]:
            yield (
                f"{name}: texts that are captions of several videos: {found['shared_texts']:,}; no model can reach "
                f"more than {found['best_t2v_R@1']:.2f} R@1 text to video"
            )
        if found["identical_videos"]:
            groups = [" = ".join(group) for group in found["identical_videos"]]
            yield (
                f"{name}: footage under several ids, byte for byte: {len(groups):,} ({first_names(groups)}); such "
                "videos are scored alike, and are no negatives of each other in training"
            )
        yield from found["remarks"]
    for pair in facts["overlaps"]:
        yield from _overlap_lines(" and ".join(pair["splits"]), pair)
    hashes = ", ".join(f"{found['split']} {found['id_hash'][:12]}" for found in facts["splits"])
    if hashes:
        yield f"video ids, by hash: {hashes}"


def _overlap_lines(both: str, pair: Mapping[str, Any]) -> Iterator[str]:
    if pair["videos"]:
        yield f"{both}: videos in both: {pair['videos']:,} ({first_names(pair['video_ids'])})"
    if pair["same_footage"]:
        names = first_names(pair["same_footage_ids"])
        yield f"{both}: the same footage under different ids: {pair['same_footage']:,} ({names})"
    if pair["same_captions"]:
        yield f"{both}: equal captions for different videos: {pair['same_captions']:,}"
