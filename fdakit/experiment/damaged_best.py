"""An interrupted run whose best checkpoint is damaged: it is set aside, and the best one left takes its place."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from fdakit.errors import CheckpointError
from fdakit.inference.checkpoint import Checkpoint
from fdakit.inference.checkpoint_files import BEST, other_checkpoint
from fdakit.inference.checkpoint_info import TrainingState
from fdakit.inference.run_files import REPORT
from fdakit.inference.save_checkpoint import copy_weights
from fdakit.system.atomic_files import remove, write_errors

from .model_selection import BY_LAST, quality_of
from .run_folder import RunFolder

DAMAGED_BEST = "damaged-best"


@dataclass(frozen=True)
class LostBest:
    """What is wrong with the best checkpoint, and the best of those that are left, if one was chosen by any rule."""

    fault: str
    left: Checkpoint | None


def lost_best(folder: RunFolder, state: TrainingState, others: Sequence[Checkpoint]) -> LostBest | None:
    """Return what is wrong with a run's best checkpoint; None if it is intact, or there is none yet.

    `others` are checkpoints to choose from, of which one that is not intact is left out. Raises `CheckpointError` if
    the run is finished: its report tells of weights that no other checkpoint holds.
    """
    best = Checkpoint.of_run(folder.checkpoint(BEST))
    if not state.best and not best.weights.parent.is_dir():
        return None
    finished = (folder.path / REPORT).is_file()
    other = other_checkpoint(best.weights.parent, ", or evaluate {}")
    kept = f"put back what the run wrote{other}; if {REPORT} is removed, the run goes on with a best one chosen anew"
    try:
        best.check_resumable(advice=kept if finished else "it is left out")
    except CheckpointError as error:
        if finished:
            raise
        return LostBest(str(error), _best_of(others))
    return None


def _best_of(checkpoints: Sequence[Checkpoint]) -> Checkpoint | None:
    """Return the best of those that are intact and were validated, or else one that ended a training."""
    found: list[tuple[list[float], Checkpoint]] = []
    for checkpoint in checkpoints:
        with suppress(CheckpointError):
            checkpoint.check_resumable()
            info = checkpoint.info
            if info.validation is not None:
                found.append((quality_of(info.validation), checkpoint))
            elif info.chosen_by.startswith(BY_LAST):
                found.append(([], checkpoint))
    return max(found, key=lambda one: one[0])[1] if found else None


def without_best(state: TrainingState, lost: LostBest) -> TrainingState:
    """Return the state of a run that goes on without its best checkpoint; reports say so if weights were lost."""
    validation = lost.left.info.validation if lost.left else None
    left = quality_of(validation) if validation else []
    anew = state.model_copy(update={"best": left})
    if left == list(state.best):
        return anew
    return anew.with_changes(
        [f"resumed after step {state.position[2]} without the best checkpoint, which was damaged"]
    )


def set_best_aside(folder: RunFolder, lost: LostBest) -> None:
    """Warn of a best checkpoint that is damaged, move it to `damaged-best`, and put the best one left in its place.

    Raises `CheckpointError` if the disk refuses.
    """
    best, damaged = folder.checkpoint(BEST), folder.checkpoint(DAMAGED_BEST)
    step = lost.left and lost.left.info.step
    instead = f"that of step {step} takes its place" if lost.left else "the next validation chooses one anew"
    moved = f"; what is left of it is now in {damaged.absolute()}" if best.exists() else ""
    warnings.warn(f"{lost.fault}: the run goes on, and {instead}{moved}", stacklevel=2)
    with write_errors(folder.path, error=CheckpointError):
        if best.exists():
            remove(damaged)
            best.rename(damaged)
    if lost.left:
        copy_weights(lost.left, best)
