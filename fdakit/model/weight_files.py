"""Reading of weights: safetensors and torch files, told apart by their first bytes. No code in a file is ever run."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from fdakit.errors import CheckpointError
from fdakit.system.regular_files import full, open_regular
from fdakit.system.sharded_tensors import sharded_as

from .file_kinds import HEAD, ForeignFileError, Kind, tell_kind
from .pickled_names import CodeFoundError, DamagedFileError, TensorClaim
from .state_dicts import LONGEST_NAME, StateDictError, find_state, unwrap_names
from .torch_files import TorchFile, open_archive, open_legacy
from .weight_pickle import read_pickle

State = dict[str, torch.Tensor]

LARGEST_FILE = 1 << 37
"""Largest weights file in bytes (128 GiB): no CLIP has a tenth of that."""
FAULTS = (
    SafetensorError,
    RuntimeError,
    OSError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    struct.error,
    zipfile.BadZipFile,
)
"""Exceptions observed while reading damaged files."""
_ADVICE = "put it there or correct the path"


@dataclass(frozen=True)
class Contents:
    """The state dict of a weights file, and its container: safetensors, a torch file, a TorchScript archive."""

    state: State
    container: str


def read_weights(path: Path) -> State:
    """Return the tensors of a weights file by name, on the CPU.

    The first bytes determine the kind of file. A nested state dict (under `state_dict`, `module` or another key) is
    found if there is only one. Raises `CheckpointError` with file, fault and remedy.
    """
    return read_contents(path).state


def read_contents(path: Path) -> Contents:
    """Return the tensors as `read_weights` does, and their container. Raises `CheckpointError`."""
    where = full(path)
    if _is_folder(path):
        raise CheckpointError(f"{where}: a folder; name the weights file inside it")
    if not os.path.lexists(path):
        raise CheckpointError(f"{where}: no such weights file; {_ADVICE}")
    with open_regular(path, error=CheckpointError, advice=_ADVICE) as file:
        try:
            found = _read(path, file)
        except CodeFoundError as error:
            raise CheckpointError(
                f"{where}: holds more than tensors (it asks for {_short(error)}), and fdakit runs no code from "
                "files; convert it to safetensors if you trust it, or fetch it again"
            ) from error
        except (ForeignFileError, StateDictError) as error:
            raise CheckpointError(f"{where}: {error}") from error
        except FAULTS as error:
            raise CheckpointError(f"{where}: not readable as weights ({_short(error)}); fetch it again") from error
        except MemoryError as error:
            raise CheckpointError(f"{where}: does not fit into memory; use a machine with more") from error
    if any(len(name) > LONGEST_NAME for name in found.state):
        raise CheckpointError(f"{where}: names a tensor with more than {LONGEST_NAME} characters; fetch it again")
    broken = next((name for name in found.state if not _is_text(name)), None)
    if broken is not None:
        raise CheckpointError(f"{where}: names a tensor {broken!r}, which is no text; fetch it again")
    return found


def _is_text(name: str) -> bool:
    """Return whether a name can be encoded: a pickle may hold lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long
        return False


def _read(path: Path, file: IO[bytes]) -> Contents:
    size = os.fstat(file.fileno()).st_size
    head = file.read(HEAD)
    kind = tell_kind(head, size=size)
    if size > LARGEST_FILE:
        raise ForeignFileError(f"is larger than {LARGEST_FILE >> 30} GiB, the most that is read; name another file")
    if kind == "safetensors":
        state = load_file(path)
        if not state:
            raise StateDictError("holds no tensors; fetch it again")
        return Contents(state, kind)
    opened, scripted = _opened(file, kind, size=size)
    claims = find_state(opened.content, TensorClaim)
    state = {name: opened.tensor(claim) for name, claim in claims.items()}
    return Contents(state, "TorchScript archive" if scripted else "torch file")


def _opened(file: IO[bytes], kind: Kind, *, size: int) -> tuple[TorchFile, bool]:
    if kind == "zip":
        return open_archive(file, size=size)
    if kind == "legacy torch":
        return open_legacy(file, size=size), False
    file.seek(0)
    read_pickle(file)  # raises with the code it asks for, if any
    raise DamagedFileError("it is a pickle that torch did not write")


def _short(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def load_strictly(module: nn.Module, state: Mapping[str, torch.Tensor], *, where: Path) -> None:
    """Load all tensors or none; names may be wrapped as by `torch.compile` and distributed training.

    Raises `CheckpointError` listing what is missing, unexpected or misshapen.
    """
    own = module.state_dict()
    if own.keys() != state.keys() and own.keys() == (unwrapped := unwrap_names(state)).keys():
        state = unwrapped
    faults = [f"missing {key}" for key in own if key not in state]
    faults += [f"unexpected {key}" for key in state if key not in own]
    for key in (key for key in own if key in state):
        given, wanted = state[key], own[key]
        if given.shape != wanted.shape:
            faults.append(f"{key} is {tuple(given.shape)}, wanted {tuple(wanted.shape)}")
        elif wanted.is_floating_point() and not given.is_floating_point():
            faults.append(f"{key} is {str(given.dtype).removeprefix('torch.')}, wanted floating point")
    if faults:
        shown = "; ".join(faults[:4]) + (f"; and {len(faults) - 4} more" if len(faults) > 4 else "")
        raise CheckpointError(
            f"{where.absolute()}: weights of another architecture: {shown}; use the recipe they were made with"
        )
    module.load_state_dict({key: sharded_as(own[key], value) for key, value in state.items()})
