"""Resuming an interrupted run: its checkpoints must be intact, and its inputs unchanged."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from typing import Any

from fdakit.inference.checkpoints import check_going_on, current_checkpoint, fitting, read_state

from .fingerprint import Fingerprint, changes_since, refuse_changes
from .run_folder import RunFolder


def resumed_state(folder: RunFolder, now: Fingerprint, allowed: Collection[str]) -> dict[str, Any]:
    """Return the state to resume from.

    Raises `RecipeError` if the run's inputs have changed, `CheckpointError` if a checkpoint has.
    """
    last, best = (current_checkpoint(folder.checkpoint(name)) for name in ("last", "best"))
    state = read_state(last)
    for checkpoint in (last, best) if state.get("best") else (last,):
        check_going_on(checkpoint)
    before = state.get("start")
    if before is None:
        warnings.warn(
            f"{folder.path.absolute()}: was started by an older fdakit, which did not record its data; whether they "
            "changed cannot be told",
            stacklevel=2,
        )
        return state
    with fitting(last):
        changes = changes_since(before, now)
    refuse_changes(folder.path, changes, allowed)
    told = [
        f"resumed after step {state['position'][2]} with {change.kind} changed: {change.text}" for change in changes
    ]
    return {**state, "changed": [*state.get("changed", []), *told]}
