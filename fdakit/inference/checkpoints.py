"""Checkpoint folders: weights, training state, and the resolved recipe; self-contained when copied."""

from __future__ import annotations

import json
import pickle
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from fdakit.catalog import Catalog
from fdakit.errors import CheckpointError
from fdakit.model.preprocess_record import preprocess_header, read_header
from fdakit.model.retriever import Retriever
from fdakit.model.weight_files import FAULTS, load_strictly, read_weights
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import read_recipe
from fdakit.system.atomic_files import atomic_file, write_errors
from fdakit.system.atomic_folders import atomic_folder, current_folder
from fdakit.system.digests import SUMS, check_digest, digest_lines, file_sha256, read_digests
from fdakit.system.regular_files import read_json

from .checkpoint_info import CheckpointInfo, State, validate_state
from .factory import build_retriever
from .path_advice import missing_checkpoint, with_recipe
from .preprocessing import adopt_preprocess
from .run_files import CHECKPOINTS, RECIPE

WEIGHTS = "model.safetensors"
STATE = "training.pt"
FACTS = "checkpoint.json"
_LARGEST_FACTS = 1 << 28
_FULL = "make room there or correct its permissions, then resume with `fdakit run --resume` and the run folder"


def save_checkpoint(
    folder: Path, retriever: Retriever, *, recipe_text: str, facts: Mapping[str, Any], state: Mapping[str, Any] | None
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
        (fresh / FACTS).write_text(json.dumps(dict(facts), indent=2) + "\n", encoding="utf-8")
        if state is not None:
            torch.save({**state, "weights": file_sha256(fresh / WEIGHTS)}, fresh / STATE)
        (fresh / SUMS).write_text(digest_lines(fresh, [path.name for path in fresh.iterdir()]), encoding="utf-8")


def update_info(folder: Path, more: Mapping[str, Any]) -> None:
    """Add facts that became known later to a checkpoint, atomically; its other files are unchanged.

    Raises `CheckpointError` if the disk refuses or the checkpoint cannot be read; it is unchanged then.
    """
    facts = {**read_info(folder), **more}
    with write_errors(folder, error=CheckpointError, advice=_FULL), atomic_folder(folder) as fresh:
        for path in folder.iterdir():
            if path.name not in (FACTS, SUMS):
                shutil.copyfile(path, fresh / path.name)
        (fresh / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        (fresh / SUMS).write_text(digest_lines(fresh, [path.name for path in fresh.iterdir()]), encoding="utf-8")


def current_checkpoint(folder: Path) -> Path:
    """Return the current location of a checkpoint: its own, or next to it after a kill between two renames."""
    return current_folder(folder, is_whole=lambda fresh: (fresh / SUMS).is_file())  # which is written last


def find_checkpoint(path: Path) -> Path:
    """Return the checkpoint folder of a checkpoint folder, its weights file, or a run folder (its best).

    Raises `CheckpointError` if there is none.
    """
    if path.name == WEIGHTS and path.is_file():
        return path.parent
    for candidate in map(current_checkpoint, (path, path / CHECKPOINTS / "best", path / "best")):
        if (candidate / WEIGHTS).is_file():
            return candidate
    raise CheckpointError(missing_checkpoint(path))


def checkpoint_recipe(folder: Path, *, catalog: Catalog, settings: tuple[str, ...] = ()) -> Recipe:
    """Return the recipe of a checkpoint folder. Raises `CheckpointError` if it is absent or was modified."""
    path = folder / RECIPE
    if not path.is_file():
        raise CheckpointError(f"{folder.absolute()}: holds no {RECIPE}; {with_recipe(folder / WEIGHTS)}")
    check_digest(
        path,
        error=CheckpointError,
        advice="to evaluate with other options use --set, or give a recipe of your own with --recipe; if nobody "
        f"edited it, {_instead(folder)}",
    )
    return read_recipe(path, catalog=catalog, settings=settings)


def load_weights(retriever: Retriever, path: Path) -> None:
    """Load weights into the retriever, all or none.

    Raises `CheckpointError` for another architecture, and if a checkpoint's weights were modified.
    """
    check_weights(path)
    load_strictly(retriever, read_weights(path), where=path)


def check_weights(path: Path) -> None:
    """Compare a checkpoint's weights with their digest; weights of other tools have none.

    Raises `CheckpointError` if they differ, warns of a checkpoint that an older fdakit wrote without digests.
    """
    folder = path.parent
    if path.name != WEIGHTS or not (folder / FACTS).is_file():
        return
    advice = _instead(folder)
    if check_digest(path, error=CheckpointError, advice=advice):
        return
    if "digests" in read_header(path):
        raise CheckpointError(f"{(folder / SUMS).absolute()}: absent, though {WEIGHTS} was written with it; {advice}")
    warnings.warn(
        f"{folder.absolute()}: was written by an older fdakit, without {SUMS}, so damage to it cannot be noticed",
        stacklevel=2,
    )


def check_going_on(folder: Path) -> None:
    """Compare every file of a checkpoint to be resumed with its digest; older checkpoints have none.

    The state is left to `read_state`. Raises `CheckpointError` if one was modified or is absent.
    """
    advice = f"put back what the run wrote, or start the run again{_other(folder, ', or evaluate {}')}"
    for name in read_digests(folder, error=CheckpointError) or (WEIGHTS,):
        path = folder / name
        if not path.exists():
            raise CheckpointError(f"{path.absolute()}: absent, so this run cannot be resumed; {advice}")
        if name != STATE:
            check_digest(path, error=CheckpointError, advice=advice)


def _instead(folder: Path) -> str:
    """Return what to do about a damaged checkpoint."""
    return _other(folder, "use {} instead") or "fetch it again"


def _other(folder: Path, words: str) -> str:
    """Return the words with the run's other checkpoint, best or last; "" if there is none."""
    others = [folder.with_name(name) for name in ("best", "last") if name != folder.name]
    there = [other for other in others if (current_checkpoint(other) / WEIGHTS).is_file()]
    return words.format(there[0].absolute()) if folder.name in ("best", "last") and there else ""


def weights_hash(retriever: Retriever) -> str:
    """Return the SHA-256 over every weight by name: equal for equal weights, whatever the file."""
    digest = sha256()
    for name, value in sorted(retriever.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_info(folder: Path) -> dict[str, Any]:
    """Return the content of checkpoint.json: epoch, step, how it was chosen. Empty if there is none.

    Raises `CheckpointError` if it is damaged.
    """
    path = folder / FACTS
    if not path.exists():
        return {}
    advice = f"{_instead(folder)}, or give {WEIGHTS} alone, copied elsewhere, with --recipe"
    check_digest(path, error=CheckpointError, advice=advice)
    found = read_json(path, limit=_LARGEST_FACTS, error=CheckpointError, advice=advice)
    return validate_state(found, CheckpointInfo, path, advice=advice)


def read_state(folder: Path) -> dict[str, Any]:
    """Return the training state. Raises `CheckpointError` if there is none, or it belongs to other weights."""
    path = folder / STATE
    if not path.is_file():
        raise CheckpointError(f"{path.absolute()}: absent, so this run cannot be resumed; start it again")
    advice = f"this state cannot be resumed: start the run again{_other(folder, ', or evaluate {}')}"
    check_digest(path, error=CheckpointError, advice=advice)
    try:
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, *FAULTS) as error:
        raise CheckpointError(f"{path.absolute()}: not readable as a training state; {advice}") from error
    state = validate_state(found, State, path, advice=advice)
    tied = state.get("weights")  # older checkpoints do not state it
    if tied is not None and tied != file_sha256(folder / WEIGHTS):
        raise CheckpointError(
            f"{(folder / WEIGHTS).absolute()}: not the weights that its {STATE} belongs to; put back those the "
            "run wrote, or start it again"
        )
    return state


@contextmanager
def fitting(folder: Path) -> Iterator[None]:
    """Turn errors of a training state that does not fit its trainer into `CheckpointError`."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        said = str(error).strip().partition("\n")[0]
        raise CheckpointError(
            f"{(folder / STATE).absolute()}: does not fit this run ({type(error).__name__}: {said}); go on with the "
            "recipe it was written under, or start the run again"
        ) from error


def load_retriever(recipe: Recipe, checkpoint: Path, *, device: torch.device) -> Retriever:
    """Return the recipe's retriever with the weights of a checkpoint folder, a run folder or a weights file."""
    weights = checkpoint if checkpoint.is_file() else find_checkpoint(checkpoint) / WEIGHTS
    retriever = build_retriever(recipe, device=device, pretrained=False)
    load_weights(retriever, weights)
    adopt_preprocess(retriever, recipe, weights)
    return retriever.eval()
