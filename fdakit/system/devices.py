"""Devices, precision and the number of loader workers."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext

import torch

from fdakit.errors import RecipeError

_MOST_WORKERS = 16  # each takes the memory of a process that has imported torch


def choose_device(name: str) -> torch.device:
    """Return the device of that name; `auto` is the first GPU, else the CPU.

    Of several processes that torchrun started on a machine, each has the GPU of its number there. Raises
    `RecipeError` if the named device does not exist.
    """
    if name in ("auto", "cuda") and torch.cuda.is_available():
        return _own_gpu()
    if name == "auto":
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise RecipeError(f"train.device: {name!r} cannot be used ({reason}); set it to auto or cpu") from error
    return device


def _own_gpu() -> torch.device:
    if "LOCAL_RANK" not in os.environ:
        return torch.device("cuda")
    number, count = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if number >= count:
        raise RecipeError(
            f"train.device: process {number} of this machine has no GPU, as there are {count}; start as many with "
            f"torchrun --nproc-per-node {count}"
        )
    return torch.device("cuda", number)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return bf16 or fp16 autocast over fp32 weights as `precision` says: auto is bf16 if the GPU supports it."""
    if precision == "fp16":
        return torch.autocast(device.type, torch.float16)
    wanted = precision == "bf16" or (
        precision == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    )
    return torch.autocast(device.type, torch.bfloat16) if wanted else nullcontext()


def loss_scaler(device: torch.device, precision: str) -> torch.amp.GradScaler | None:
    """Return what keeps small gradients of "fp16" from vanishing, by a factor on the loss; None for others.

    Raises `RecipeError` for a device that torch has no fp16 training for.
    """
    if precision != "fp16":
        return None
    if device.type not in ("cuda", "cpu"):
        raise RecipeError(f'train.precision: torch does not train in "fp16" on {device.type}; set "auto" or "fp32"')
    return torch.amp.GradScaler(device.type)


def loader_workers(asked: int | None, device: torch.device) -> int:
    """Return the number of loader workers: as requested; else none with a CPU model, up to 16 with a GPU.

    The cores that this process may use are shared with the other ranks of the machine, as torchrun tells them.
    """
    if asked is not None:
        return asked
    return min(_MOST_WORKERS, max(1, usable_cores() // local_ranks() - 1)) if device.type == "cuda" else 0


def usable_cores() -> int:
    """Return the number of cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def local_ranks() -> int:
    """Return how many processes of this training run on the machine: `LOCAL_WORLD_SIZE`, else 1."""
    told = os.environ.get("LOCAL_WORLD_SIZE", "")
    return max(1, int(told)) if told.isdecimal() else 1


def seed_draws(seed: int, device: torch.device) -> None:
    """Seed torch's draws on the CPU and on a device.

    `torch.manual_seed` seeds every GPU there is, and keeps a note of each call where CUDA is not used.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
