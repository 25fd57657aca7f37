"""Writing checkpoint folders: weights, training state, and the resolved recipe; self-contained when copied."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from fdakit.errors import CheckpointError
from fdakit.model.preprocess_record import preprocess_header
from fdakit.model.retriever import Retriever
from fdakit.system.atomic_files import atomic_file, write_errors
from fdakit.system.atomic_folders import atomic_folder
from fdakit.system.digests import SUMS, digest_lines, file_sha256

from .checkpoint import Checkpoint
from .checkpoint_files import INFO, STATE, WEIGHTS
from .checkpoint_info import CheckpointInfo
from .run_files import RECIPE

_FULL = "make room there or correct its permissions, then resume with `fdakit run --resume` and the run folder"


def save_checkpoint(
    folder: Path, retriever: Retriever, *, recipe_text: str, info: CheckpointInfo, state: Mapping[str, Any] | None
) -> None:
    """Write the folder atomically: a kill leaves the former checkpoint or the new one.

    SHA256SUMS lists the digest of every file, and the state names its weights. Raises `CheckpointError` if the disk
    refuses; the former checkpoint remains then.
    """
    weights = {name: value.detach().cpu().contiguous() for name, value in retriever.state_dict().items()}
    with write_errors(folder, error=CheckpointError, advice=_FULL), atomic_folder(folder) as fresh:
        header = {"format": "pt", "fdakit": "retriever", "digests": SUMS, **preprocess_header(retriever.preprocess)}
        with atomic_file(fresh / WEIGHTS) as part:
            save_file(weights, part, metadata=header)
        (fresh / RECIPE).write_text(recipe_text, encoding="utf-8")
        if state is not None:
            torch.save({**state, "weights": file_sha256(fresh / WEIGHTS)}, fresh / STATE)
        _seal(fresh, info)


def update_info(checkpoint: Checkpoint, **more: Any) -> None:
    """Add facts that became known later to a checkpoint, atomically; its other files are unchanged.

    Raises `CheckpointError` if the disk refuses or the checkpoint cannot be read; it is unchanged then.
    """
    folder, info = checkpoint.weights.parent, checkpoint.info.model_copy(update=more)
    with write_errors(folder, error=CheckpointError, advice=_FULL), atomic_folder(folder) as fresh:
        for path in folder.iterdir():
            if path.name not in (INFO, SUMS):
                shutil.copyfile(path, fresh / path.name)
        _seal(fresh, info)


def _seal(fresh: Path, info: CheckpointInfo) -> None:
    """Write checkpoint.json, then the digests of all files."""
    (fresh / INFO).write_text(json.dumps(info.to_json(), indent=2) + "\n", encoding="utf-8")
    (fresh / SUMS).write_text(digest_lines(fresh, [path.name for path in fresh.iterdir()]), encoding="utf-8")


def weights_hash(retriever: Retriever) -> str:
    """Return the SHA-256 over every weight by name: equal for equal weights, whatever the file."""
    digest = sha256()
    for name, value in sorted(retriever.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
