"""The files of a checkpoint folder, and the folder's place."""

from __future__ import annotations

from pathlib import Path

from fdakit.errors import CheckpointError
from fdakit.system.atomic_folders import current_folder
from fdakit.system.digests import SUMS

from .path_advice import missing_checkpoint
from .run_files import CHECKPOINTS

WEIGHTS = "model.safetensors"
STATE = "training.pt"
INFO = "checkpoint.json"
BEST, LAST, PREVIOUS = "best", "last", "previous"
KEPT = (BEST, LAST, PREVIOUS)
"""The checkpoints of a run, each a folder: `previous` is the one that `last` was before."""


def current_checkpoint(folder: Path) -> Path:
    """Return the current location of a checkpoint: its own, or next to it after a kill between two renames."""
    return current_folder(folder, is_whole=has_digests)


def has_digests(folder: Path) -> bool:
    """Return whether a checkpoint was written to its end: its digests are written last."""
    return (folder / SUMS).is_file()


def find_checkpoint(path: Path) -> Path:
    """Return the checkpoint folder of a checkpoint folder, its weights file, or a run folder (its best).

    Raises `CheckpointError` if there is none.
    """
    if path.name == WEIGHTS and path.is_file():
        return path.parent
    for candidate in map(current_checkpoint, (path, path / CHECKPOINTS / BEST, path / BEST)):
        if (candidate / WEIGHTS).is_file():
            return candidate
    raise CheckpointError(missing_checkpoint(path))


def instead_of(folder: Path) -> str:
    """Return what to do about a damaged checkpoint."""
    return other_checkpoint(folder, "use {} instead") or "fetch it again"


def other_checkpoint(folder: Path, words: str) -> str:
    """Return the words with the first other checkpoint of the run; "" if there is none."""
    others = [folder.with_name(name) for name in KEPT if name != folder.name]
    there = [other for other in others if (current_checkpoint(other) / WEIGHTS).is_file()]
    return words.format(there[0].absolute()) if folder.name in KEPT and there else ""
