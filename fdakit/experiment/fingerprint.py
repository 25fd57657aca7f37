"""The fingerprint of a run's inputs, and later changes of them.

The inputs are its recipe, and the videos, captions and files of its splits, with those that its mask reads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, NamedTuple, get_args

from fdakit.analysis.recipe_diff import without_effect
from fdakit.catalog import Part
from fdakit.choices import ChangeKind
from fdakit.data_pipeline.mask_calls import mask_versions
from fdakit.dataset_files.counts import id_hash
from fdakit.errors import RecipeError
from fdakit.plugin.contracts import Progress
from fdakit.recipe.paths import path_fields
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.tables import SETTINGS
from fdakit.system.cache_folder import cache_folder
from fdakit.system.json_records import Count, JsonRecord
from fdakit.values import Split

KINDS: tuple[ChangeKind, ...] = get_args(ChangeKind)
_LISTED = 100_000  # splits up to this size list every file; larger ones only a digest
_SHOWN = 3


class SplitFingerprint(JsonRecord):
    """A split: digests of its ids, its pairs of video and caption, and the sizes of its files.

    `files` are size and modification time by video, of a split that is not too large; `folder` is what they share.
    `masks` and, of a split that is not too large, `mask_files` are there if the mask reads files for each video:
    digests of them all, and by video.
    """

    videos: Count
    ids: str
    captions: Count
    texts: str
    folder: str
    sizes: str
    files: Mapping[str, Sequence[int]] = {}
    masks: str = ""
    mask_files: Mapping[str, str] = {}


class Fingerprint(JsonRecord):
    """The options that determine results, by `table.key`, each split, and digests of files that options name."""

    recipe: Mapping[str, Any]
    splits: Mapping[str, SplitFingerprint]
    files: Mapping[str, str] = {}


class Change(NamedTuple):
    """One difference, as text."""

    kind: ChangeKind
    text: str


def take_fingerprint(
    recipe: Recipe, splits: Mapping[str, Split], *, progress: Progress = lambda what, done, total: None
) -> Fingerprint:
    """Return the options that determine results, and each split's videos, captions and files.

    Videos are identified by size and modification time, so none is read; files of masks, and those that options of
    parts name, by their contents. Options that only name a location are left out, or reduced to the name.
    """
    version = mask_versions(recipe)
    return Fingerprint(
        recipe=dict(_options(recipe)),
        splits={
            name: _split_fingerprint(split, _mask_files(split, version, progress) if version else None)
            for name, split in splits.items()
        },
        files=dict(_named_files(recipe)),
    )


def _mask_files(split: Split, version: Callable[[str], str], progress: Progress) -> dict[str, str]:
    found = {}
    for done, video in enumerate(split.videos, 1):
        found[video.id] = version(video.id)
        progress(f"files of masks, {split.name}", done, len(split.videos))
    return found


def _named_files(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield `table.key` and a digest of the contents of each file that an option names, but for weights.

    What the data set names is compared by what it gives, and the encoder's weights come from the checkpoint.
    """
    for table, part in _tables(recipe).items():
        for key, path in path_fields(part.options) if table not in ("dataset", "encoder") else ():
            if path is not None and path.is_file():
                with path.open("rb") as file:
                    yield f"{table}.{key}", file_digest(file, "sha256").hexdigest()


def _tables(recipe: Recipe) -> dict[str, Part[Any]]:
    return {**recipe.parts, **{f"objective.{place}": part for place, (part, _) in enumerate(recipe.objectives)}}


def _options(recipe: Recipe) -> Iterator[tuple[str, Any]]:
    """Yield every option that determines results as `table.key`."""
    found: dict[str, Any] = {"seed": recipe.seed, "mask.control": recipe.control}
    for table, part in _tables(recipe).items():
        options = dict(part.options)
        if table == "dataset":  # its videos and captions are compared themselves, wherever they are
            options = {key: value for key, value in options.items() if not isinstance(value, Path)}
        found |= {f"{table}.use": part.name, **{f"{table}.{key}": value for key, value in options.items()}}
    found |= {f"objective.{number}.weight": weight for number, (_, weight) in enumerate(recipe.objectives)}
    for table in SETTINGS:
        found |= {f"{table}.{key}": value for key, value in dict(getattr(recipe, table)).items()}
    for key, value in found.items():
        if key == "seed" or not without_effect(key):
            yield key, _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return value.name
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _split_fingerprint(split: Split, masks: Mapping[str, str] | None) -> SplitFingerprint:
    pairs = "".join(f"{caption.video_id}\t{caption.text}\n" for caption in split.captions)
    files = {video.id: _of_file(video.path) for video in split.videos}
    listed = len(files) <= _LISTED
    more: dict[str, Any] = {"files": files} if listed else {}
    if masks is not None:
        more["masks"] = sha256(repr(sorted(masks.items())).encode("utf-8", "surrogateescape")).hexdigest()
        more |= {"mask_files": masks} if listed else {}
    folders = {str(video.path.parent.absolute()) for video in split.videos}
    return SplitFingerprint(
        videos=len(split.videos),
        ids=id_hash(video.id for video in split.videos),
        captions=len(split.captions),
        texts=sha256(pairs.encode("utf-8", "surrogateescape")).hexdigest(),
        folder=os.path.commonpath(folders) if len(folders) < _LISTED else "",
        sizes=sha256(repr([size for size, _ in files.values()]).encode()).hexdigest(),
        **more,
    )


def _of_file(path: Path) -> list[int]:
    """Return size and modification time; files rendered into the cache may be rendered again, and have no time."""
    try:
        found = path.stat()
    except OSError:
        return [-1, 0]
    rendered = path.absolute().is_relative_to(cache_folder().absolute())
    return [found.st_size, 0 if rendered else found.st_mtime_ns]


def changes_since(before: Fingerprint, now: Fingerprint, *, defaults: Collection[str] = ()) -> list[Change]:
    """Return every difference: recipe, then split by split videos, captions, files and files of masks.

    Options of `defaults` that an older fdakit did not have, and did not record, are no difference.
    """
    known = {key: value for key, value in now.recipe.items() if key in before.recipe or key not in defaults}
    found = list(_recipe_changes(before.recipe, known))
    for name in (name for name in before.splits if name in now.splits):
        found += _split_changes(name, before.splits[name], now.splits[name])
    for key in (key for key in before.files if key in now.files and before.files[key] != now.files[key]):
        found.append(Change("files", f"{key}: the file has other contents"))
    return sorted(found, key=lambda change: KINDS.index(change.kind))


def _recipe_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    for key in dict.fromkeys([*before, *now]):
        if before.get(key) != now.get(key):
            yield Change("recipe", f"{key} is {now.get(key)!r}, was {before.get(key)!r}")


def _split_changes(name: str, before: SplitFingerprint, now: SplitFingerprint) -> Iterator[Change]:
    if before.ids != now.ids:
        yield Change("videos", f"{name} has {now.videos} videos, had {before.videos}{_named(before, now)}")
    if before.texts != now.texts:
        same = before.captions == now.captions
        told = "other texts, or another order" if same else f"{now.captions} captions, had {before.captions}"
        yield Change("captions", f"{name} has {told}")
    if before.states("files") and now.states("files"):
        changed = list(_changed_files(before, now))
        if changed:
            yield Change("files", f"{name}: {len(changed)} of {now.videos} were written anew: {_few(changed)}")
    elif before.ids == now.ids and before.sizes != now.sizes:
        yield Change("files", f"{name}: some have another size")
    if before.states("masks") and now.states("masks") and before.masks != now.masks:
        other = [video for video, found in now.mask_files.items() if before.mask_files.get(video, found) != found]
        if other:
            yield Change("masks", f"{name}: {len(other)} of {now.videos} videos have other files: {_few(other)}")
        elif before.ids == now.ids:
            yield Change("masks", f"{name}: some videos have other files")


def _changed_files(before: SplitFingerprint, now: SplitFingerprint) -> Iterator[str]:
    """Yield the videos with rewritten files: a copy may have another time, but not another size."""
    moved = before.folder != now.folder
    for video, (size, date) in now.files.items():
        known = before.files.get(video)
        if known is not None and (known[0] != size or (known[1] != date and not moved)):
            yield video


def _named(before: SplitFingerprint, now: SplitFingerprint) -> str:
    first, second = list(before.files), list(now.files)
    gone, new = ([one for one in a if one not in set(b)] for a, b in ((first, second), (second, first)))
    told = [f"{word}: {_few(names)}" for word, names in (("gone", gone), ("new", new)) if names]
    return f" ({'; '.join(told)})" if told else ""


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more


def refuse_changes(folder: Path, changes: list[Change], allowed: Collection[str]) -> None:
    """Raise `RecipeError` with every difference of a kind that is not allowed, and how to allow it."""
    refused = [change for change in changes if change.kind not in allowed]
    if refused:
        kinds = ",".join(kind for kind in KINDS if kind in {change.kind for change in refused})
        raise RecipeError(
            [
                f"{folder.absolute()}: what this run was last trained on has changed:",
                *(f"  {change.kind}: {change.text}" for change in refused),
                f"put it back as it was, start a new run, or continue anyway with --allow-changed {kinds}",
            ]
        )
