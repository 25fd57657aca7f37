"""Devices, precision and the number of loader workers."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext

import torch

from fdakit.errors import RecipeError


def choose_device(name: str) -> torch.device:
    """Return the device of that name; `auto` is the first GPU, else the CPU.

    Raises `RecipeError` if the named device does not exist.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise RecipeError(f"train.device: {name!r} cannot be used ({reason}); set it to auto or cpu") from error
    return device


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
    """Return the number of loader workers: as requested; else none with a CPU model, up to 8 with a GPU."""
    if asked is not None:
        return asked
    return min(8, max(1, (os.cpu_count() or 2) - 1)) if device.type == "cuda" else 0
