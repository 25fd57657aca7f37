"""Writing checkpoint folders: weights, training state, and the resolved recipe; self-contained when copied."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from fdakit.errors import CheckpointError
from fdakit.model.retriever import Retriever
from fdakit.system.atomic_files import atomic_file, write_errors
from fdakit.system.atomic_folders import atomic_folder
from fdakit.system.digests import SUMS, file_sha256, listed

from .checkpoint import Checkpoint
from .checkpoint_files import INFO, STATE, WEIGHTS, has_digests
from .checkpoint_info import CheckpointInfo
from .run_files import RECIPE
from .snapshot import Snapshot

FINAL_ADVICE = "make room there or correct its permissions, then resume with `fdakit run --resume` and the run folder"


def save_checkpoint(
    folder: Path,
    snapshot: Snapshot,
    *,
    recipe_text: str,
    info: CheckpointInfo,
    keep: Path | None = None,
    advice: str = FINAL_ADVICE,
    proceed: Callable[[], None] = lambda: None,
) -> None:
    """Write the folder atomically: a kill leaves the former checkpoint or the new one.

    SHA256SUMS lists the digest of every file, and the state names its weights. The former checkpoint is removed, or
    becomes `keep`. `proceed` is called between two files: what it raises ends the writing. Raises `CheckpointError`,
    ending in `advice`, if the disk refuses; the former checkpoint remains then, and nothing beside it.
    """
    with (
        write_errors(folder, error=CheckpointError, advice=advice),
        atomic_folder(folder, keep=keep, is_whole=has_digests) as fresh,
    ):
        header = {"format": "pt", "fdakit": "retriever", "digests": SUMS, **snapshot.header}
        with atomic_file(fresh / WEIGHTS) as part:
            save_file(dict(snapshot.weights), part, metadata=header)
        proceed()
        (fresh / RECIPE).write_text(recipe_text, encoding="utf-8")
        weights = file_sha256(fresh / WEIGHTS)
        if snapshot.state is not None:
            with (fresh / STATE).open("wb") as handle:  # given a path, torch keeps the system's reason to itself
                torch.save({**snapshot.state, "weights": weights}, handle)
            proceed()
        _seal(fresh, info, known={WEIGHTS: weights})
        proceed()


def update_info(checkpoint: Checkpoint, *, advice: str = FINAL_ADVICE, **more: Any) -> None:
    """Add facts that became known later to a checkpoint, atomically; its other files are unchanged.

    Raises `CheckpointError` if the disk refuses or the checkpoint cannot be read; it is unchanged then.
    """
    folder, info = checkpoint.weights.parent, checkpoint.info.model_copy(update=more)
    with write_errors(folder, error=CheckpointError, advice=advice), atomic_folder(folder) as fresh:
        for path in folder.iterdir():
            if path.name not in (INFO, SUMS):
                shutil.copyfile(path, fresh / path.name)
        _seal(fresh, info, known={})


def copy_weights(checkpoint: Checkpoint, folder: Path) -> None:
    """Copy a checkpoint without its training state, atomically. Raises `CheckpointError` if the disk refuses."""
    with write_errors(folder, error=CheckpointError, advice=FINAL_ADVICE), atomic_folder(folder) as fresh:
        for path in checkpoint.weights.parent.iterdir():
            if path.name not in (STATE, INFO, SUMS):
                shutil.copyfile(path, fresh / path.name)
        _seal(fresh, checkpoint.info, known={})


def _seal(fresh: Path, info: CheckpointInfo, *, known: Mapping[str, str]) -> None:
    """Write checkpoint.json, then the digests of all files; `known` are those of some by name."""
    (fresh / INFO).write_text(json.dumps(info.to_json(), indent=2) + "\n", encoding="utf-8")
    names = sorted(path.name for path in fresh.iterdir())
    digests = {name: known.get(name) or file_sha256(fresh / name) for name in names}
    (fresh / SUMS).write_text(listed(digests), encoding="utf-8")


def weights_hash(retriever: Retriever) -> str:
    """Return the SHA-256 over every weight by name: equal for equal weights, whatever the file."""
    digest = sha256()
    for name, value in sorted(retriever.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
