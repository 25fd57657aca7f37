"""The findings of `fdakit data prepare` as JSON, and the next step."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from fdakit.dataset_files.archives import Unpacked
from fdakit.dataset_files.source_folder import FoundSource, is_folder, name_of
from fdakit.recipe.document import read_document, shipped_recipes
from fdakit.recipe.paths import absolute_path
from fdakit.recipe.recipe import Recipe

from .annotation_audit import audit_facts
from .prepare import PreparedDataset

_ANY = "manifest_zero_shot"


def preparation_facts(prepared: PreparedDataset) -> dict[str, Any]:
    """Return `files`, `splits`, `videos` and further facts, as one JSON document."""
    wanted = set(prepared.to_fetch())
    return {
        "dataset": prepared.name,
        "root": str(prepared.root.absolute()),
        "made": [str(path) for path in prepared.made],
        "unpacked": [_unpacked_facts(each) for each in prepared.unpacked],
        "files": [_file_facts(each, prepared, needed=each in wanted) for each in prepared.sources],
        **audit_facts(prepared.audit),
        "unloaded": dict(prepared.loaded.reasons),
        "videos": {
            "named": len(prepared.videos),
            "missing": len(prepared.missing),
            "missing_ids": list(prepared.missing),
            "in_no_split": len(prepared.strangers),
            "in_no_split_files": [str(path) for path in prepared.strangers],
        },
    }


def _file_facts(each: FoundSource, prepared: PreparedDataset, *, needed: bool) -> dict[str, Any]:
    source = each.source
    found = None if each.path is None else each.path
    inside = found is not None and found.is_relative_to(prepared.root)
    return {
        "path": source.path,
        "what": source.what,
        "origin": source.origin,
        "splits": list(source.splits),
        "optional": source.optional,
        "folder": is_folder(source),
        "found": None if found is None else str(found.relative_to(prepared.root) if inside else found),
        "sha256": each.digest,
        "videos": len(each.videos) if is_folder(source) else None,
        "hidden": list(each.hidden),
        **_misplaced(each, prepared.root),
        "to_fetch": needed,
    }


def _misplaced(each: FoundSource, root: Path) -> dict[str, str | None]:
    """Return where it is, and where it should be; both below the root."""
    if each.deeper is None:
        return {"lies_at": None, "belongs_at": None}
    lies = PurePosixPath(each.deeper.relative_to(root).as_posix())
    return {"lies_at": str(lies), "belongs_at": name_of(each.source, lies)}


def _unpacked_facts(each: Unpacked) -> dict[str, Any]:
    return {
        "archive": str(each.archive),
        "files": len(each.files),
        "already": each.already,
        "refused": list(each.refused),
        "fault": each.fault,
    }


def waiting_for(prepared: PreparedDataset, split: str) -> tuple[str, ...]:
    """Return the absent files that a split waits for, if that is its only fault; else nothing."""
    absent = [each.source for each in prepared.sources if each.absent]
    reason = prepared.loaded.reasons[split]
    if not any(reason.startswith(f"{(prepared.root / source.path).absolute()}: absent") for source in absent):
        return ()
    wanted = [each.source for each in prepared.to_fetch() if each.absent and not is_folder(each.source)]
    return tuple(source.path for source in wanted if not source.splits or split in source.splits)


def next_step(prepared: PreparedDataset, recipe: Recipe, settings: Sequence[str], *, damaged: int | None) -> str:
    """Return one line: how to run what is ready, or what is missing.

    `damaged` videos are None if none were examined.
    """
    count = len(prepared.missing)
    if prepared.ready:
        told = [f"missing videos, left out: {count:,}" if count else "", _damage(damaged)]
        return f"ready{''.join(f'; {text}' for text in told if text)}; run it: {_command(prepared, recipe, settings)}"
    wanted = [each for each in prepared.to_fetch() if not is_folder(each.source)]
    move = sum(each.deeper is not None for each in wanted)
    fetch = len(wanted) - move
    unloaded = len(prepared.loaded.reasons)
    lacks = [
        f"{fetch} file{'s' * (fetch > 1)} to fetch" if fetch else "",
        f"{move} file{'s' * (move > 1)} to move" if move else "",
        f"{unloaded} split{'s' * (unloaded > 1)} that cannot be loaded" if unloaded else "",
        f"{count:,} video{'s' * (count > 1)} missing" if count else "",
    ]
    said = f"not ready: {', '.join(filter(None, lacks)) or 'no split'}; put what is missing there and run this again"
    some = any(len(found.absent) < len(found.split.videos) for found in prepared.audit.splits)
    if count and some and not unloaded:
        said += ", or continue without these videos: --set dataset.allow_missing=true"
    return said


def _damage(damaged: int | None) -> str:
    if not damaged:
        return ""
    return f'damaged videos, at which a training stops unless loader.damage is "skip" or "repair": {damaged:,}'


def _command(prepared: PreparedDataset, recipe: Recipe, settings: Sequence[str]) -> str:
    """Return the command for a shipped recipe that reads this data set, with the settings that differ from it.

    If there is none, that of a recipe for any data set.
    """
    name = prepared.name
    tables = {found: _dataset_of(found) for found in shipped_recipes() if "/" not in found}
    using = [found for found, table in tables.items() if table.get("use") in (name, f"fdakit:{name}")]
    options: Mapping[str, Any] = recipe.dataset.options.model_dump(mode="json")
    where = next((key for key in ("root", "path") if key in options), None)
    if where is None:
        return f'name it in a recipe, [dataset] use = "{name}", and `fdakit run RECIPE`'
    preferred = f"fda_{name.replace('-', '_')}"
    chosen = preferred if preferred in using else next(iter(using), "")
    words = ["fdakit", "run", chosen or _ANY, *([] if chosen else ["--set", f"dataset.use={name}"])]
    default = recipe.dataset.offer.component.options.model_fields[where].default
    usual = absolute_path(Path(str(tables.get(chosen, {}).get(where, default))))
    if str(usual) != options[where] and not _sets(settings, where):
        words += ["--set", f"dataset.{where}={options[where]}"]
    for setting in settings:
        words += ["--set", setting]
    return shlex.join(words)


def _dataset_of(recipe: str) -> Mapping[str, Any]:
    table: Any = read_document(shipped_recipes()[recipe]).get("dataset", {})
    return table if isinstance(table, Mapping) else {}


def _sets(settings: Sequence[str], key: str) -> bool:
    return any(setting.startswith(f"dataset.{key}=") for setting in settings)
