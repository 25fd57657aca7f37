"""`fdakit data masks`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fdakit.cli.options import json_option, set_option
from fdakit.cli.printing import print_json, print_table, say
from fdakit.cli.target_folder import target_folder

if TYPE_CHECKING:
    from fdakit.mask_inspection.statistics import MaskStatistics
    from fdakit.plugin.contracts import Progress

_BAR = 40


@click.command("masks")
@click.argument("recipe")
@click.option("--split", help="Split of the data set.  [default: train, else eval.split, else the only one]")
@click.option("--limit", type=click.IntRange(min=1), help="Number of videos, spread over the split.  [default: all]")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for masks.json, histogram and contact sheet.",
)
@click.option("--jobs", type=click.IntRange(min=0), help="Reading processes, instead of loader.workers.")
@set_option
@json_option
def command(
    recipe: str,
    split: str | None,
    limit: int | None,
    out: Path | None,
    jobs: int | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Measure what the masks of RECIPE mark in a whole split.

    Clips are as in training or evaluation.
    Reports coverage, how often masks are nearly empty or full, their remarks, and what to change.
    With --out also a contact sheet of the twenty most unusual clips. Needs no weights; caches nothing.
    """
    from fdakit.catalog import load_catalog
    from fdakit.recipe.validation import read_recipe
    from fdakit.system.terminal import ProgressBar

    chosen = read_recipe(recipe, catalog=load_catalog(), settings=settings)

    from fdakit.data_pipeline.splits import Splits
    from fdakit.mask_inspection.findings import statistics_facts
    from fdakit.mask_inspection.statistics import collect_statistics, selected_split
    from fdakit.system.devices import choose_device

    bar = ProgressBar()
    try:
        with target_folder(out):
            splits = Splits(chosen, device=choose_device("cpu"), progress=bar.progressed)
            loaded = splits.load(split or selected_split(chosen, splits.names()))
            census = collect_statistics(chosen, loaded, limit=limit, jobs=jobs, progress=bar.progressed)
            facts = statistics_facts(census)
            try:
                written, whole, undrawn = _write(census, facts, out, bar.progressed)
            finally:  # what was counted is not lost with the files
                bar.close()
                if as_json:
                    print_json(facts)
                else:
                    _print(facts)
    finally:
        bar.close()
    if not as_json:
        for path in written:
            say(f"written: {path}")
    if undrawn:
        say(undrawn, err=True)
    if census.stopped:
        done = len(census.clips) + len(census.lost)
        say(f"stopped after {done} of {census.asked} videos; the numbers are theirs", err=True)
    if not whole:
        say("stopped before the oddest clips were drawn; the numbers are written", err=True)
    return 130 if census.stopped or not whole else 0


def _write(
    census: MaskStatistics, facts: Mapping[str, Any], out: Path | None, progress: Progress
) -> tuple[list[Path], bool, str]:
    """Return the files written, whether Ctrl-C let all of them be, and what was not drawn and why."""
    from fdakit.mask_inspection.statistics_files import FACTS, HISTOGRAM, write_facts, write_outliers

    if out is None:
        return [], True, ""
    undrawn = write_facts(census, facts, out)
    written = [out / FACTS, *([] if undrawn else [out / HISTOGRAM])]
    try:
        sheet = write_outliers(census, out, progress=progress)
    except KeyboardInterrupt:
        return written, False, undrawn
    return [*written, *([sheet] if sheet else [])], True, undrawn


def _print(facts: Mapping[str, Any]) -> None:
    print_table(
        f"{facts['recipe']}, {facts['split']}: what {facts['mask']['use']} marks",
        ["share of the frame", "frames", ""],
        _histogram(facts["coverage"]["histogram"]),
    )
    for line in _lines(facts):
        say(line)


def _histogram(histogram: Mapping[str, Any]) -> list[list[str]]:
    from rich.console import Console

    from fdakit.report.histograms import bar

    blocks = Console().encoding.startswith("utf")
    counts, edges = histogram["counts"], histogram["edges"]
    total, most = sum(counts), max(counts)
    return [
        [
            f"{100 * left:3.0f} to {right:4.0%}",
            f"{count / total:6.1%}" if count else "",
            bar(count / most, width=_BAR, blocks=blocks),
        ]
        for count, left, right in zip(counts, edges, edges[1:], strict=False)
    ]


def _lines(facts: Mapping[str, Any]) -> list[str]:
    """Return the numbers in sentences, the bad ones and what to do last."""
    coverage, shares, limits, videos = facts["coverage"], facts["shares"], facts["limits"], facts["videos"]
    lines = [
        f"{facts['frames']} frames of {videos['counted']} clips; marked: mean {coverage['mean']:.1%}, "
        f"median {coverage['median']:.1%} of the frame",
        f"empty (under {limits['empty']:.1%}): {shares['empty']:.1%} of frames; "
        f"full (over {limits['full']:.0%}): {shares['full']:.1%}",
        f"cut, another scene than the frame before: {shares['cut']:.1%} of frames; "
        f"fallen back: {shares['fallen_back']:.1%}"
        + (f" ({', '.join(f'{w} {n}' for w, n in facts['remarks'].items())})" if facts["remarks"] else ""),
        f"repeated or resting: {shares['repeated']:.1%} of native frames; over {facts['repeating']['above']:.0%} in "
        f"{facts['repeating']['clips']} of {videos['counted']} clips",
        *_pixels(facts["pixels"]),
        f"seconds a clip: median {facts['seconds_per_clip']['median']:.3f}",
    ]
    if facts["control"] != "none":
        lines.append(f"counted before mask.control = {facts['control']!r} acts")
    if videos["repaired"]:
        lines.append(f"{len(videos['repaired'])} videos are damaged in part: only frames that decode were used")
    lines += [f"lost: {reason}" for reason in list(videos["lost"].values())[:5]]
    return [*lines, *facts["advice"]]


def _pixels(levels: Mapping[str, Any]) -> list[str]:
    if not levels:
        return []
    own, view = (
        f"mean {', '.join(f'{v:.3f}' for v in levels[f'{who}mean'])}, "
        f"std {', '.join(f'{v:.3f}' for v in levels[f'{who}std'])}"
        for who in ("", "view_")
    )
    return [f"pixels (R, G, B): {own}; the view's: {view}; contrast under it: {levels['contrast']:.2f}"]
