"""A tower's image preprocessing, written into the header of its weights file and read back."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from safetensors import SafetensorError, safe_open

from fdakit.choices import Interpolation, Resize
from fdakit.errors import CheckpointError
from fdakit.plugin.contracts import Preprocess
from fdakit.system.regular_files import open_without_waiting

from .file_kinds import HEAD, ForeignFileError, tell_kind

KEY = "preprocess"
LARGEST_SIZE = 8192
"""Pixels a side. The largest input of open_clip's towers is 768."""
SMALLEST_DEVIATION = 1e-6
"""Smallest standard deviation of a colour in [0, 1]; those of images are near 0.25."""
_LARGEST_COLOUR = 1e6


def preprocess_header(preprocess: Preprocess) -> dict[str, str]:
    """Return the entry of a safetensors header that `recorded_preprocess` reads back."""
    return {KEY: json.dumps(asdict(preprocess))}


def recorded_preprocess(path: Path) -> Preprocess | None:
    """Return the preprocessing in the header of a safetensors file; None if absent, or for another file.

    Raises `CheckpointError` if the header is invalid.
    """
    found = read_header(path).get(KEY)
    if found is None:
        return None
    try:
        return _preprocess(json.loads(found))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise CheckpointError(
            f"{path.absolute()}: its header's {KEY!r} is not readable ({str(error)[:80]}); fetch the file again"
        ) from error


def read_header(path: Path) -> dict[str, str]:
    """Return the texts in the header of a safetensors file; empty if it has none, or for another file."""
    try:
        with open_without_waiting(path) as file:
            if tell_kind(file.read(HEAD), size=path.stat().st_size) != "safetensors":
                return {}
        with safe_open(path, "pt") as opened:
            return dict(opened.metadata() or {})
    except (OSError, ValueError, ForeignFileError, SafetensorError):
        return {}  # reading the weights will raise the error


def _preprocess(found: Any) -> Preprocess:
    mean, std = (_colours(found[key]) for key in ("mean", "std"))
    if min(std) < SMALLEST_DEVIATION:
        raise ValueError(f"std {std}")
    size = found["size"]
    if type(size) is not int or not 0 < size <= LARGEST_SIZE:
        raise ValueError(f"size {size!r}; wanted pixels, at most {LARGEST_SIZE:,}")
    for key, known in (("interpolation", Interpolation), ("resize", Resize)):
        if found[key] not in get_args(known):
            raise ValueError(f"{key} {found[key]!r}")
    return Preprocess(size, mean, std, found["interpolation"], found["resize"], str(found.get("source", "")))


def _colours(found: Any) -> tuple[float, float, float]:
    if not isinstance(found, list) or len(found) != 3 or not all(type(value) in (int, float) for value in found):
        raise ValueError("three numbers were wanted as mean and std")
    red, green, blue = map(float, found)
    if not all(abs(value) < _LARGEST_COLOUR for value in (red, green, blue)):
        raise ValueError(f"mean or std {(red, green, blue)}")
    return red, green, blue
