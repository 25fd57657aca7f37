"""Resuming an interrupted run: its checkpoints must be intact, and its inputs unchanged."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from fdakit.errors import CheckpointError
from fdakit.inference.checkpoint import Checkpoint
from fdakit.inference.checkpoint_files import BEST, LAST, PREVIOUS, has_digests
from fdakit.inference.checkpoint_info import TrainingState
from fdakit.recipe.default_options import default_options
from fdakit.recipe.recipe import Recipe
from fdakit.system.atomic_files import remove, write_errors
from fdakit.system.atomic_folders import settle_folder
from fdakit.values import Split

from .damaged_best import LostBest, lost_best, set_best_aside, without_best
from .fingerprint import Fingerprint, changes_since, refuse_changes, take_fingerprint
from .run_folder import RunFolder

DAMAGED = "damaged"
_INSTEAD = "the checkpoint before it is tried instead"


@dataclass(frozen=True)
class Resumable:
    """The checkpoint to resume a run from, and its state; `fault` is what is wrong with a later one, if it is.

    `lost` is a best checkpoint that is damaged.
    """

    checkpoint: Checkpoint
    state: TrainingState
    fault: str = ""
    lost: LostBest | None = None


def settle_checkpoints(folder: RunFolder) -> None:
    """Complete what a kill interrupted, and remove what was half written. Raises `CheckpointError`."""
    with write_errors(folder.path, error=CheckpointError):
        settle_folder(folder.checkpoint(BEST), is_whole=has_digests)
        settle_folder(folder.checkpoint(LAST), keep=folder.checkpoint(PREVIOUS), is_whole=has_digests)


def find_resumable(folder: RunFolder) -> Resumable:
    """Return the last checkpoint of a run if it is intact, or else the one before it.

    Raises `CheckpointError` if neither is, and what `lost_best` raises.
    """
    last, previous = (Checkpoint.of_run(folder.checkpoint(name)) for name in (LAST, PREVIOUS))
    if not previous.weights.parent.is_dir():
        found = Resumable(last, _state(last))
    else:
        try:
            found = Resumable(last, _state(last, advice=_INSTEAD))
        except CheckpointError as error:
            found = _before(previous, str(error))
    others = dict.fromkeys((found.checkpoint, previous))
    lost = lost_best(folder, found.state, list(others))
    return found if lost is None else replace(found, state=without_best(found.state, lost), lost=lost)


def _before(previous: Checkpoint, fault: str) -> Resumable:
    try:
        return Resumable(previous, _state(previous), fault)
    except CheckpointError as error:
        raise CheckpointError(f"{fault}:\n{error}") from error


def _state(checkpoint: Checkpoint, *, advice: str | None = None) -> TrainingState:
    """Return the state of a checkpoint of which every file is intact."""
    state = checkpoint.state(advice=advice)
    checkpoint.check_resumable(advice=advice)
    return state


def check_inputs(
    folder: RunFolder, found: Resumable, recipe: Recipe, splits: Mapping[str, Split], allowed: Collection[str]
) -> Resumable:
    """Return what to resume from, with the changes of the run's inputs that are allowed.

    Raises `RecipeError` if others have changed.
    """
    state = found.state
    if state.start is None:
        warnings.warn(
            f"{folder.path.absolute()}: was started by an older fdakit, which did not record its data; whether they "
            "changed cannot be told",
            stacklevel=2,
        )
        return found
    now, defaults = take_fingerprint(recipe, splits), default_options(recipe)
    with found.checkpoint.fitting():
        changes = changes_since(Fingerprint.from_json(state.start), now, defaults=defaults)
    refuse_changes(folder.path, changes, allowed)
    told = [f"resumed after step {state.position[2]} with {change.kind} changed: {change.text}" for change in changes]
    return replace(found, state=state.with_changes(told))


def set_damaged_aside(folder: RunFolder, found: Resumable) -> None:
    """Warn of a last checkpoint that is damaged, move it to `damaged`, and put the one before in its place.

    The next checkpoint would otherwise take the damaged one for the one before. The best one is set aside before, if
    it is damaged. Raises `CheckpointError` if the disk refuses.
    """
    if found.lost:
        set_best_aside(folder, found.lost)
    if not found.fault:
        return
    last, previous, damaged = (folder.checkpoint(name) for name in (LAST, PREVIOUS, DAMAGED))
    moved = f"; what is left of it is now in {damaged.absolute()}" if last.exists() else ""
    warnings.warn(
        f"{found.fault}: it is whole, and the run goes on after its step {found.state.position[2]}{moved}",
        stacklevel=2,
    )
    with write_errors(folder.path, error=CheckpointError):
        if last.exists():
            remove(damaged)
            last.rename(damaged)
        previous.rename(last)
