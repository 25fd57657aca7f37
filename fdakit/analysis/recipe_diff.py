"""The differences of two runs, by their recipes and reports."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePath
from typing import Any

from fdakit.inference.run_files import RECIPE
from fdakit.recipe.document import read_document
from fdakit.settings import JITTERED

from .absent_options import with_defaults
from .saved_run import SavedRun

Difference = tuple[Any, Any]

# No result depends on these, or they are compared separately: the seeds are listed with the runs.
_ASIDE = (
    *("name", "seed", "observer", "loader.workers", "loader.prefetch", "loader.ledger", "loader.time_limit"),
    *("frame_store.enabled", "frame_store.limit_mb", "frame_store.folder", "train.device"),
    *("train.checkpoint_minutes", "train.grad_checkpointing", "train.shard", "metric"),
    *("eval.batch_size", "eval.text_batch_size", "eval.controls", "eval.bank", "eval.bootstrap", "eval.rescoring"),
)
_READING = ("dataset", "sampler", "reader", "view")
_IN_TRAINING = ("view.flip", "view.crop_scale", "view.crop_aspect", *(f"view.{name}" for name in JITTERED))
_OWN = "fdakit:"
LOST = "videos that could not be read"


def recipe_differences(first: SavedRun, second: SavedRun) -> dict[str, Difference]:
    """Return option -> its value in both, for those that differ; None if it is not set and has no default.

    Of a table that uses another part only `use` and `control` are listed. If a folder has no recipe, only the common
    facts of the reports are compared. Raises `RecipeError` if a recipe cannot be read.
    """
    one, two = _options(first), _options(second)
    if not one or not two:
        one, two = {}, {}
    keys = {*one, *two}
    one, two = with_defaults(one, keys), with_defaults(two, keys)
    one, two = one | _told(first), two | _told(second)
    differing = {
        key: (one.get(key), two.get(key))
        for key in dict.fromkeys([*one, *two])
        if not same_option(one.get(key), two.get(key))
    }
    exchanged = tuple(key.removesuffix("use") for key in differing if key.endswith(".use"))
    return {
        key: values
        for key, values in differing.items()
        if key.endswith((".use", ".control")) or not key.startswith(exchanged)
    }


def reading_differences(differences: Mapping[str, Difference]) -> tuple[str, ...]:
    """Return those that change the pixels that an evaluation uses, whatever the model."""
    read = (key for key in differences if key.startswith(_READING) and ".train_" not in key)
    return tuple(key for key in read if key not in _IN_TRAINING)


def _options(run: SavedRun) -> dict[str, Any]:
    """Return the resolved recipe's options; empty if the folder has no recipe."""
    path = (run.folder / RECIPE).absolute()
    run.check(path)
    document = read_document(path) if path.is_file() else {}
    return {key: value for key, value in _flat(document) if not without_effect(key)}


def _told(run: SavedRun) -> dict[str, Any]:
    """Return what only the report states."""
    return {
        "checkpoint chosen by": run.report.protocol.checkpoint_chosen_by,
        "fdakit": run.report.provenance.fdakit,
        LOST: run.report.videos.damaged,
    }


def same_recipe(one: Mapping[str, Any], other: Mapping[str, Any], *, defaults: Collection[str] = ()) -> bool:
    """Return whether two resolved recipes are the same, whatever their relative paths were relative to.

    The first, of an older fdakit, may lack those of `defaults`.
    """
    first, second = dict(_flat(one)), dict(_flat(other))
    second = {key: value for key, value in second.items() if key in first or key not in defaults}
    return first.keys() == second.keys() and all(same_option(first[key], second[key]) for key in first)


def same_option(one: Any, other: Any) -> bool:
    """Return whether two values of an option mean the same.

    An older fdakit stored paths relative to its working directory: such a path equals any path that ends in it.
    """
    if isinstance(one, str) and isinstance(other, str) and one != other:
        short, long = sorted((PurePath(one), PurePath(other)), key=PurePath.is_absolute)
        parts = [part for part in short.parts if part != ".."]
        return (
            bool(parts)
            and long.is_absolute()
            and not short.is_absolute()
            and list(long.parts[-len(parts) :]) == parts
        )
    return bool(one == other)


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield options as dotted keys; the tables of a list are numbered."""
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        value = {str(place): item for place, item in enumerate(value)}
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else name)
    else:
        yield key, value.removeprefix(_OWN) if key.endswith(".use") else value


def without_effect(key: str) -> bool:
    """Return whether no result depends on an option, or it is compared separately."""
    return any(key == name or key.startswith(f"{name}.") for name in _ASIDE)
