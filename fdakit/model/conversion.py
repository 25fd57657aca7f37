"""What `fdakit weights` does: say what a file is, and write it as safetensors in open_clip's names."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save_file

from fdakit.errors import CheckpointError

from .architecture import read_architecture
from .layouts import ALPHA, State, Weights, recognise
from .weights import is_torchscript, read_weights


@dataclass(frozen=True)
class Inspection:
    """What a weights file is. `models` are open_clip's names of that size; `sha256` identifies the file."""

    path: str
    container: str
    format: str
    architecture: str
    models: tuple[str, ...]
    alpha: bool
    tensors: int
    values: int
    types: dict[str, int]
    other: tuple[str, ...]
    sha256: str


def inspect_weights(path: Path) -> Inspection:
    """Raises `CheckpointError` where the file is absent, damaged or holds more than tensors."""
    state = read_weights(path)
    weights = recognise(state)
    sizes = _sizes(weights)
    return Inspection(
        path=str(path.absolute()),
        container=_container(path),
        format=weights.format,
        architecture=sizes[0],
        models=sizes[1],
        alpha=bool(weights.alpha),
        tensors=len(state),
        values=sum(value.numel() for value in state.values()),
        types=dict(Counter(str(value.dtype).removeprefix("torch.") for value in state.values())),
        other=tuple(sorted(weights.other)),
        sha256=file_sha256(path),
    )


def convert_weights(path: Path, out: Path) -> Inspection:
    """Write a recognised file as safetensors: the same values under open_clip's names, its origin in the header.

    Nothing is written where the file is not understood or `out` cannot be written. Raises `CheckpointError`.
    """
    if out.suffix != ".safetensors":
        raise CheckpointError(f"{out.absolute()}: fdakit writes safetensors; name it model.safetensors")
    if out.exists() and out.samefile(path):
        raise CheckpointError(f"{out.absolute()}: is the file to convert; name another with --out")
    found = inspect_weights(path)
    weights = recognise(read_weights(path))
    if not weights.clip:
        raise CheckpointError(
            f"{found.path}: not the weights of a CLIP ({', '.join(found.other[:3])}, …); nothing was written"
        )
    header = {
        "format": "pt",
        "source_sha256": found.sha256,
        "source_format": found.format,
        "model": found.architecture,
    }
    fresh = out.with_name(f".{out.name}.part")
    try:
        save_file(_named(weights), fresh, metadata=header)
        fresh.replace(out)
    except OSError as error:
        raise CheckpointError(f"{out.absolute()}: cannot be written ({error}); choose another folder") from error
    finally:
        fresh.unlink(missing_ok=True)
    return found


def _named(weights: Weights) -> State:
    state = {**weights.clip, **weights.other}
    if weights.alpha:
        state[f"visual.{ALPHA}"] = weights.alpha[0]
    return {name: value.contiguous() for name, value in state.items()}


def _sizes(weights: Weights) -> tuple[str, tuple[str, ...]]:
    if not weights.clip:
        return "unknown", ()
    try:
        architecture = read_architecture(weights)
    except CheckpointError:
        return "a tower of another family", ()
    return str(architecture), architecture.matching_models()


def _container(path: Path) -> str:
    if path.suffix == ".safetensors":
        return "safetensors"
    return "TorchScript archive" if is_torchscript(path) else "torch file"


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
