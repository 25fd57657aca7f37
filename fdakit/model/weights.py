"""Reading weights: safetensors, or torch files with `weights_only=True`; never a pickle that may hold code."""

from __future__ import annotations

import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from fdakit.errors import CheckpointError

State = dict[str, torch.Tensor]

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
"""What reading a damaged file was seen to raise."""


def read_weights(path: Path) -> State:
    """Name -> tensor of a weights file, on the CPU. Raises `CheckpointError` naming file, fault and cure."""
    where = path.absolute()
    if path.is_dir():
        raise CheckpointError(f"{where}: a folder; name the weights file inside it")
    if not path.is_file():
        raise CheckpointError(f"{where}: no such weights file; put it there or correct the path")
    try:
        found = load_file(path) if path.suffix == ".safetensors" else _read_torch(path)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        what = f"it asks for {asked[1]}" if asked else "or is no weights file"
        raise CheckpointError(
            f"{where}: holds more than tensors ({what}), and fdakit runs no code from files; convert it to "
            "safetensors where you trust it, or fetch it again"
        ) from error
    except FAULTS as error:
        raise CheckpointError(f"{where}: not readable as weights ({_first_line(error)}); fetch it again") from error
    state = _tensors(found)
    if not state:
        raise CheckpointError(f"{where}: holds no tensors; give a state dict")
    return state


def _read_torch(path: Path) -> Any:
    if is_torchscript(path):
        return _read_torchscript(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive, the container of OpenAI's own weights: told by its zip entries."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _read_torchscript(path: Path) -> State:
    """The state dict of the archive, read on the CPU; nothing in it is called."""
    if not hasattr(torch, "jit") or not hasattr(torch.jit, "load"):
        raise CheckpointError(
            f"{path.absolute()}: a TorchScript archive, which this torch ({torch.__version__}) no longer reads; "
            "convert it with an older one: fdakit weights convert"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", (DeprecationWarning, FutureWarning))
        archive: Any = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    return {name: value.detach().clone() for name, value in archive.state_dict().items()}


def _tensors(found: Any) -> State:
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping):
        return {}
    return {str(key): value for key, value in found.items() if isinstance(value, torch.Tensor)}


def _first_line(error: Exception) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line.partition(". In PyTorch")[0][:200]  # what follows advises to run the code in the file


def load_strictly(module: nn.Module, state: Mapping[str, torch.Tensor], *, where: Path) -> None:
    """Load every tensor or none. Raises `CheckpointError` listing what is missing, unexpected or misshapen."""
    own = module.state_dict()
    faults = [f"missing {key}" for key in own if key not in state]
    faults += [f"unexpected {key}" for key in state if key not in own]
    faults += [
        f"{key} is {tuple(state[key].shape)}, wanted {tuple(own[key].shape)}"
        for key in own
        if key in state and own[key].shape != state[key].shape
    ]
    if faults:
        shown = "; ".join(faults[:4]) + (f"; and {len(faults) - 4} more" if len(faults) > 4 else "")
        raise CheckpointError(
            f"{where.absolute()}: weights of another architecture: {shown}; use the recipe they were made with"
        )
    module.load_state_dict(state)
