"""Checkpoint folders: weights, the state to go on from, and the resolved recipe; complete when copied."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from fdakit.catalog import Catalog
from fdakit.errors import CheckpointError
from fdakit.model.retriever import Retriever
from fdakit.model.weights import FAULTS, load_strictly, read_weights
from fdakit.recipe import Recipe, read_recipe

WEIGHTS = "model.safetensors"
RECIPE = "recipe.toml"
STATE = "training.pt"
FACTS = "checkpoint.json"


def save_checkpoint(
    folder: Path, retriever: Retriever, *, recipe_text: str, facts: Mapping[str, Any], state: Mapping[str, Any] | None
) -> None:
    """Write the folder whole or not at all: a kill leaves the former checkpoint or the new one."""
    fresh, former = _beside(folder)
    if standing(folder) != folder:
        standing(folder).rename(folder)
    for leftover in (fresh, former):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir(parents=True)
    weights = {name: value.detach().cpu().contiguous() for name, value in retriever.state_dict().items()}
    save_file(weights, fresh / WEIGHTS, metadata={"format": "pt", "fdakit": "retriever"})
    (fresh / RECIPE).write_text(recipe_text, encoding="utf-8")
    (fresh / FACTS).write_text(json.dumps(dict(facts), indent=2) + "\n", encoding="utf-8")
    if state is not None:
        torch.save(dict(state), fresh / STATE)
    if folder.exists():
        folder.rename(former)
    fresh.rename(folder)
    shutil.rmtree(former, ignore_errors=True)


def _beside(folder: Path) -> tuple[Path, Path]:
    """Where the next and the former state of a folder stand while they change places."""
    return folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")


def standing(folder: Path) -> Path:
    """Where the checkpoint lies: its place, or beside it after a kill between the two renames."""
    fresh, former = _beside(folder)
    if folder.exists() or not former.exists():
        return folder
    return fresh if fresh.exists() else former  # the former one moves only when the fresh one is whole


def find_checkpoint(path: Path) -> Path:
    """The checkpoint folder meant by a checkpoint folder, its weights file, or a run folder (its best).

    Raises `CheckpointError` where there is none.
    """
    if path.name == WEIGHTS and path.is_file():
        return path.parent
    for candidate in map(standing, (path, path / "checkpoints" / "best", path / "best")):
        if (candidate / WEIGHTS).is_file():
            return candidate
    if not path.exists():
        raise CheckpointError(f"{path.absolute()}: no such checkpoint; give a checkpoint folder or a run folder")
    raise CheckpointError(
        f"{path.absolute()}: holds no {WEIGHTS}; give a checkpoint folder, a run folder, or weights with --recipe"
    )


def checkpoint_recipe(folder: Path, *, catalog: Catalog, settings: tuple[str, ...] = ()) -> Recipe:
    """The recipe that lies in a checkpoint folder. Raises `CheckpointError` where it is not there."""
    if not (folder / RECIPE).is_file():
        raise CheckpointError(f"{folder.absolute()}: holds no {RECIPE}; name the recipe with --recipe")
    return read_recipe(folder / RECIPE, catalog=catalog, settings=settings)


def load_weights(retriever: Retriever, path: Path) -> None:
    """Load weights into the retriever, all or none. Raises `CheckpointError` on another architecture."""
    load_strictly(retriever, read_weights(path), where=path)


def weights_hash(retriever: Retriever) -> str:
    """SHA-256 over every weight by name: equal for equal weights, whatever file they lie in."""
    digest = sha256()
    for name, value in sorted(retriever.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_facts(folder: Path) -> dict[str, Any]:
    """What a checkpoint says of itself: epoch, step, how it was chosen. Empty where it says nothing."""
    if not (folder / FACTS).is_file():
        return {}
    found: dict[str, Any] = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    return found


def read_state(folder: Path) -> dict[str, Any]:
    """The state to go on from. Raises `CheckpointError` where the folder has none."""
    path = folder / STATE
    if not path.is_file():
        raise CheckpointError(f"{path.absolute()}: absent, so this run cannot be taken up; start it again")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, *FAULTS) as error:
        raise CheckpointError(f"{path.absolute()}: not readable as a training state; start the run again") from error
    return state
