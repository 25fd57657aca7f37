"""A benchmark's figures as rows of text: for the terminal, and as Markdown for docs/reference/benchmarks.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from fdakit.report.markdown import markdown_table, markdown_text

from .ratios import OURS, SHORT

RATIOS = ("total", "median", "minimum")


@dataclass(frozen=True)
class Table:
    """A title, columns, and rows of as many cells."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def clip_table(found: Mapping[str, Any]) -> Table:
    """Return one row a clip: milliseconds of every reader, and the ratio of the fastest peer."""
    clips = _clips(found)
    names = list(dict.fromkeys(name for clip in clips for name in clip["seconds"]))
    rivals = [name for name in found["summary"]["peers"] if name not in found["slow"]]
    rows = []
    for clip in clips:
        seconds = clip["seconds"]
        others = [seconds[name] for name in rivals if name in seconds]
        ratio = min(others) / seconds[OURS] if others and OURS in seconds else None
        times = (_number(seconds.get(name), 1000, ".1f") for name in names)
        rows.append((Path(clip["path"]).name, str(clip["frames"] or "-"), *times, _number(ratio)))
    return Table(
        "milliseconds a clip; ratio: fastest peer / fdakit", ("clip", "frames", *names, "ratio"), tuple(rows)
    )


def ratio_table(found: Mapping[str, Any]) -> Table:
    """Return the time of each peer relative to fdakit: all clips, short and longer ones apart, the long one."""
    summary = found["summary"]
    groups = [("all clips", summary)]
    if summary["short_clips"]["clips"]:
        limit = f"{1000 * SHORT:.0f} ms"
        groups += [(f"{limit} and more", summary["longer_clips"]), (f"under {limit}", summary["short_clips"])]
    if found.get("long"):
        groups.append(("long clip", found["long"]["summary"]))
    rows = []
    for label, group in groups:
        fastest = {f"{ratio}_ratio": group[f"{ratio}_ratio_to_fastest_peer"] for ratio in RATIOS}
        rows.append(_ratio_row(label, "fastest peer", {"clips": group["clips"], **fastest}))
        rows += [_ratio_row(label, name, peer) for name, peer in group["peers"].items() if peer["clips"]]
    for key, label in (("mask", "with / without the mask"), ("frame_store", "without / with a warm frame store")):
        if key in summary:
            rows.append(_ratio_row(label, OURS, summary[key]))
    return Table("seconds of a peer / seconds of fdakit", ("clips", "peer", "count", *RATIOS), tuple(rows))


def _ratio_row(label: str, name: str, ratios: Mapping[str, Any]) -> tuple[str, ...]:
    return (label, name, str(ratios["clips"]), *(_number(ratios[f"{ratio}_ratio"]) for ratio in RATIOS))


def notes(found: Mapping[str, Any]) -> list[str]:
    """Return notes to be read with the figures: versions, frame differences, absent peers, what was not read."""
    readers = ", ".join(f"{name} {version}" for name, version in found["readers"].items())
    said = [
        f"medians of {found['rounds']} interleaved rounds, one thread each; {found['machine']}; {readers}",
        *_difference_notes(found),
    ]
    said += [f"not timed: {name}: {reason}" for name, reason in found["absent"].items()]
    failed = [(clip["path"], name, reason) for clip in _clips(found) for name, reason in clip["failed"].items()]
    said += [f"could not read: {name}: {_short(reason, path)}" for path, name, reason in failed]
    return said


def _short(reason: str, path: str) -> str:
    """Return the first line, the file without its folders."""
    name = Path(path).name
    return reason.strip().partition("\n")[0].replace(str(Path(path).absolute()), name).replace(path, name)


def _difference_notes(found: Mapping[str, Any]) -> list[str]:
    """Return the median and the largest mean difference of each peer, and where there is none to be had."""
    said = []
    for name in found["summary"]["peers"]:
        pairs = [(clip["path"], clip["differences"][name]) for clip in _clips(found) if name in clip["differences"]]
        grey = [(value, path) for path, value in pairs if not isinstance(value, str)]
        if grey:
            worst, path = max(grey)
            middle = median(value for value, _ in grey)
            said.append(
                f"frames of {name} and {OURS}: mean difference {middle:.2g} grey levels in the median clip, at most "
                f"{worst:.2g} ({Path(path).name})"
            )
        said += [f"not compared: {name} on {Path(path).name}: {why}" for path, why in pairs if isinstance(why, str)]
    return said


def markdown(found: Mapping[str, Any]) -> str:
    """Return the ratios as a Markdown table, and the notes as a list under it."""
    table = ratio_table(found)
    lines = markdown_table(table.columns, table.rows)
    return "\n".join([*lines, "", *(f"- {markdown_text(note, code=True)}" for note in notes(found))])


def _clips(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*found["clips"], *([found["long"]] if found.get("long") else [])]


def _number(value: float | None, scale: float = 1, form: str = ".2f") -> str:
    return "-" if value is None else format(scale * value, form)
