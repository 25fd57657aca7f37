"""`fdakit data prepare`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fdakit.cli.annotation_tables import first_names, print_annotations, print_unloaded
from fdakit.cli.options import json_option, set_option
from fdakit.cli.printing import print_json, print_table, say
from fdakit.cli.scan_tables import print_scan, scan_facts

if TYPE_CHECKING:
    from fdakit.dataset_tools.prepare import PreparedDataset
    from fdakit.dataset_tools.video_scan import ScanResult
    from fdakit.plugin.contracts import Progress
    from fdakit.recipe.recipe import Recipe

_TIME_LIMIT = 60.0  # seconds for a file, as `data check` has it
_STOPPED = "\nstopped; what was done is kept, and the same command goes on from there"


@click.command("prepare")
@click.argument("name")
@click.option(
    "--root", type=click.Path(path_type=Path), help="Folder of the data set.  [default: the data set's own]"
)
@click.option("--no-scan", is_flag=True, help="Do not decode the videos.")
@click.option("--jobs", type=click.IntRange(min=1), help="Reading processes.  [default: one per core]")
@set_option
@json_option
def command(
    name: str, root: Path | None, no_scan: bool, jobs: int | None, settings: tuple[str, ...], as_json: bool
) -> int:
    """Lay out the folder of data set NAME and check what is present.

    What is not, it says from where to download.
    Creates folders, unpacks archives (zip, tar) in the folder, loads every split and compares it with the published
    counts, looks for the videos and decodes each once. Downloads nothing, moves nothing, deletes nothing. Run it
    again after each download; nothing is done twice. --set dataset.KEY=VALUE sets options of the data set.
    """
    from fdakit.catalog import load_catalog
    from fdakit.dataset_tools.prepare import choose_dataset, prepare
    from fdakit.dataset_tools.prepare_report import next_step, preparation_facts
    from fdakit.system.terminal import ProgressBar

    recipe = choose_dataset(name, root=root, settings=settings, catalog=load_catalog())
    bar = ProgressBar()
    checked = ledger = None
    try:
        prepared = prepare(recipe, progress=bar.progressed)
        facts = preparation_facts(prepared)
        bar.close()
        if not as_json:
            _print(facts, prepared)
        if not no_scan:
            checked, ledger = _scan(prepared, recipe, jobs, bar.progressed)
    except KeyboardInterrupt:
        say(_STOPPED, err=True)
        return 130
    finally:
        bar.close()
    damaged = None if checked is None else len(checked.findings) - checked.counts()["ok"]
    closing = next_step(prepared, recipe, settings, damaged=damaged)
    if as_json:
        scan = None if checked is None or ledger is None else scan_facts(checked, ledger)
        print_json({**facts, "scan": scan, "ready": prepared.ready, "next": closing})
        return 0
    if checked is not None and ledger is not None:
        print_scan(checked, ledger)
    say(closing)
    return 0


def _scan(
    prepared: PreparedDataset, recipe: Recipe, jobs: int | None, progress: Progress
) -> tuple[ScanResult | None, Path | None]:
    """Return what decoding those that are there shows; nothing if there is none."""
    from fdakit.data_pipeline.damage import ledger_path
    from fdakit.dataset_files.damage_ledger import Ledger
    from fdakit.dataset_tools.video_scan import scan_videos, usable_cores

    present = prepared.present()
    if not present:
        return None, None
    ledger = ledger_path(recipe.loader)
    checked = scan_videos(
        present, ledger=Ledger(ledger), jobs=jobs or usable_cores(), time_limit=_TIME_LIMIT, progress=progress
    )
    return checked, ledger


def _print(facts: Mapping[str, Any], prepared: PreparedDataset) -> None:
    for path in facts["made"]:
        say(f"made: {path}")
    for each in facts["unpacked"]:
        _print_unpacked(each)
    rows = [[*_cells(file), file["what"]] for file in facts["files"]]
    print_table(f"{facts['dataset']} in {prepared.root}", ["file", "here", "sha256", "what it is"], rows)
    _print_places(facts, prepared)
    _print_fetch(facts)
    print_annotations("splits", facts, files=False)
    _print_unloaded(prepared)
    _print_videos(facts)


def _print_places(facts: Mapping[str, Any], prepared: PreparedDataset) -> None:
    """Print what is where nothing looks for it."""
    for file in facts["files"]:
        if file["hidden"]:
            others = ", ".join(f"{name}/" for name in file["hidden"])
            say(f"{_name(file)} holds no video and comes before {others}: move those files into it, or remove it")
        elif file["lies_at"] is not None:
            lies, wanted = (prepared.root / file[key] for key in ("lies_at", "belongs_at"))
            say(f"{_name(file)} lies too deep: move {lies} to {wanted}")


def _print_unpacked(each: Mapping[str, Any]) -> None:
    already = f", {each['already']:,} were there" if each["already"] else ""
    say(f"unpacked from {each['archive']}: {each['files']:,} files{already}")
    for refused in each["refused"]:
        say(f"  left out: {refused}")
    if each["fault"]:
        say(f"  reading stopped ({each['fault']}): it is still being downloaded, or damaged")


def _cells(file: Mapping[str, Any]) -> tuple[str, str, str]:
    digest = {"equal": "as known", "differs": "differs from known copies", "unknown": "no copy known", None: ""}
    found = "no (optional)" if file["optional"] else "no"
    if file["folder"]:
        found = f"{file['videos']:,} videos"
        if file["found"] not in (None, file["path"]):
            found += f" in {file['found']}/"
    elif file["found"] is not None:
        found = "yes" if file["found"] == file["path"] else f"as {file['found']}"
    return _name(file), found, digest[file["sha256"]]


def _name(file: Mapping[str, Any]) -> str:
    return f"{file['path']}/" if file["folder"] else str(file["path"])


def _print_fetch(facts: Mapping[str, Any]) -> None:
    """Print what is to be downloaded, by where it can be had."""
    names = {found["split"] for found in facts["splits"]} | set(facts["unloaded"])
    wanted: dict[str, list[Mapping[str, Any]]] = {}
    for file in facts["files"]:
        if file["to_fetch"] and file["lies_at"] is None:
            wanted.setdefault(file["origin"], []).append(file)
    for origin, files in wanted.items():
        say(f"to fetch from {origin}:")
        for file in files:
            splits = [split for split in file["splits"] if split in names]
            say(f"  {_name(file)}: {file['what']}" + (f", for {', '.join(splits)}" if splits else ""))


def _print_unloaded(prepared: PreparedDataset) -> None:
    from fdakit.dataset_tools.prepare_report import waiting_for

    waiting = {split: waiting_for(prepared, split) for split in prepared.loaded.reasons}
    for split, files in waiting.items():
        if files:
            say(f"{split}: waits for {', '.join(files)}")
    print_unloaded({split: reason for split, reason in prepared.loaded.reasons.items() if not waiting[split]})


def _print_videos(facts: Mapping[str, Any]) -> None:
    videos = facts["videos"]
    if videos["named"]:
        missing = f"; missing: {first_names(videos['missing_ids'])}" if videos["missing"] else ""
        say(f"videos: {videos['named'] - videos['missing']:,} of {videos['named']:,} are there{missing}")
    if videos["in_no_split"]:
        which = "split that can be loaded" if facts["unloaded"] else "split"
        names = first_names([Path(path).name for path in videos["in_no_split_files"]])
        say(f"video files in no {which}: {videos['in_no_split']:,} ({names})")
