"""Inspection of weights files, and their conversion to safetensors with open_clip's names (`fdakit weights`)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save, save_file

from fdakit.errors import CheckpointError
from fdakit.plugin.contracts import Preprocess
from fdakit.system.atomic_files import atomic_file, write_errors
from fdakit.system.digests import file_sha256

from .architecture import read_architecture
from .preprocess_record import preprocess_header, recorded_preprocess
from .weight_files import Contents, read_contents
from .weight_formats import ALPHA, OPENAI_COLOURS, ClipWeights, State, detect_file_format

_RESERVED = "__metadata__"  # the entry of a safetensors header that is not a tensor


@dataclass(frozen=True)
class Inspection:
    """A description of a weights file. `models` are open_clip's names of that size; `sha256` identifies the file."""

    path: str
    container: str
    format: str
    architecture: str
    models: tuple[str, ...]
    alpha: bool
    pictures: str
    tensors: int
    values: int
    types: dict[str, int]
    other: tuple[str, ...]
    sha256: str


def inspect_weights(path: Path) -> Inspection:
    """Inspect a weights file. Raises `CheckpointError` if it is absent, damaged or holds more than tensors."""
    contents = read_contents(path)
    return _inspected(path, contents, detect_file_format(contents.state, where=path))


def _inspected(path: Path, contents: Contents, weights: ClipWeights) -> Inspection:
    state = contents.state
    sizes = _sizes(weights)
    return Inspection(
        path=str(path.absolute()),
        container=contents.container,
        format=weights.format,
        architecture=sizes[0],
        models=sizes[1],
        alpha=bool(weights.alpha),
        pictures=_describe(_preprocess_of(path, weights)),
        tensors=len(state),
        values=sum(value.numel() for value in state.values()),
        types=dict(Counter(str(value.dtype).removeprefix("torch.") for value in state.values())),
        other=tuple(sorted(weights.other)),
        sha256=file_sha256(path),
    )


def convert_weights(path: Path, out: Path) -> Inspection:
    """Write a recognised file as safetensors: the same values under open_clip's names, its origin in the header.

    Creates the folders above `out`. Nothing is written if the file is not recognised or `out` cannot be written.
    Raises `CheckpointError`.
    """
    if out.suffix != ".safetensors":
        raise CheckpointError(f"{out.absolute()}: fdakit writes safetensors; name it model.safetensors")
    if _is_same(out, path):
        raise CheckpointError(f"{out.absolute()}: is the file to convert; name another with --out")
    contents = read_contents(path)
    weights = detect_file_format(contents.state, where=path)
    found = _inspected(path, contents, weights)
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
    named = _named(weights, where=found.path)
    preprocess = _preprocess_of(path, weights)
    if preprocess is not None:
        header |= preprocess_header(preprocess)
    with write_errors(out, error=CheckpointError), atomic_file(out) as part:
        save_file(named, part, metadata=header)
    return found


def _preprocess_of(path: Path, weights: ClipWeights) -> Preprocess | None:
    """Return the preprocessing of the weights, by the file's header or OpenAI's layout; None if neither has it."""
    recorded = recorded_preprocess(path)
    if recorded is not None or not weights.quick_gelu:
        return recorded
    try:
        size = read_architecture(weights).image_size
    except CheckpointError:
        return None
    return Preprocess(size, *OPENAI_COLOURS, source=f"OpenAI's, by the layout {weights.format}")


def _describe(preprocess: Preprocess | None) -> str:
    if preprocess is None:
        return "not told by the file"
    mean, std = (" ".join(f"{value:.4g}" for value in values) for values in (preprocess.mean, preprocess.std))
    way = f"{preprocess.size} px, {preprocess.resize}, {preprocess.interpolation}, mean {mean}, std {std}"
    return f"{way} ({preprocess.source})"


def _is_same(out: Path, path: Path) -> bool:
    try:
        return out.samefile(path)
    except (OSError, ValueError):  # absent, or not a valid file name
        return False


def _named(weights: ClipWeights, *, where: str) -> State:
    """Return all tensors as safetensors stores them: of a supported dtype, each in memory of its own."""
    state = {**weights.clip, **weights.other}
    if weights.alpha:
        state[f"visual.{ALPHA}"] = weights.alpha[0]
    if len(state) < len(weights.clip) + len(weights.other) + bool(weights.alpha):
        twice = next((name for name in weights.other if name in weights.clip), f"visual.{ALPHA}")
        raise CheckpointError(
            f"{where}: two of its tensors, with and without a prefix, would be named {twice!r}; leave out one of them"
        )
    if _RESERVED in state:
        raise CheckpointError(f"{where}: names a tensor {_RESERVED!r}, as none can be in safetensors; rename it")
    if len(weights.alpha) > 1:
        raise CheckpointError(
            f"{where}: its alpha path has {len(weights.alpha)} convolutions, and a converted file holds one; "
            "use it as it is"
        )
    _check_types(state, where=where)
    taken: set[int] = set()
    return {name: _alone(value, taken) for name, value in state.items()}


def _check_types(state: State, *, where: str) -> None:
    for name, value in state.items():
        try:
            save({"value": torch.empty(0, dtype=value.dtype)})
        except KeyError as error:
            kind = str(value.dtype).removeprefix("torch.")
            raise CheckpointError(
                f"{where}: {name!r} is {kind}, which safetensors does not hold; save it as another type first"
            ) from error


def _alone(value: torch.Tensor, taken: set[int]) -> torch.Tensor:
    """Return a tensor that shares no memory with those in `taken`, as safetensors requires, and add it to them."""
    place = value.untyped_storage().data_ptr()
    whole = value.is_contiguous() and value.untyped_storage().nbytes() == value.nbytes and place not in taken
    taken.add(place)
    return value if whole else value.clone(memory_format=torch.contiguous_format)


def _sizes(weights: ClipWeights) -> tuple[str, tuple[str, ...]]:
    if not weights.clip:
        return "unknown", ()
    try:
        architecture = read_architecture(weights)
    except CheckpointError:
        return "a tower of another family", ()
    return str(architecture), architecture.matching_models()
