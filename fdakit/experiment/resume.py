"""Resuming an interrupted run: its checkpoints must be intact, and its inputs unchanged."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping

from fdakit.inference.checkpoint import Checkpoint
from fdakit.inference.checkpoint_info import TrainingState
from fdakit.recipe.default_options import default_options
from fdakit.recipe.recipe import Recipe
from fdakit.values import Split

from .fingerprint import Fingerprint, changes_since, refuse_changes, take_fingerprint
from .run_folder import RunFolder


def resumed_state(
    folder: RunFolder, recipe: Recipe, splits: Mapping[str, Split], allowed: Collection[str]
) -> TrainingState:
    """Return the state to resume from.

    Raises `RecipeError` if the run's inputs have changed, `CheckpointError` if a checkpoint has.
    """
    last, best = (Checkpoint.of_run(folder.checkpoint(name)) for name in ("last", "best"))
    state = last.state()
    for checkpoint in (last, best) if state.best else (last,):
        checkpoint.check_resumable()
    if state.start is None:
        warnings.warn(
            f"{folder.path.absolute()}: was started by an older fdakit, which did not record its data; whether they "
            "changed cannot be told",
            stacklevel=2,
        )
        return state
    now, defaults = take_fingerprint(recipe, splits), default_options(recipe)
    with last.fitting():
        changes = changes_since(Fingerprint.from_json(state.start), now, defaults=defaults)
    refuse_changes(folder.path, changes, allowed)
    told = [f"resumed after step {state.position[2]} with {change.kind} changed: {change.text}" for change in changes]
    return state.with_changes(told)
