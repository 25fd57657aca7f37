"""Memory in use: of the device where it is a CUDA device, else of this process."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_STATM = Path("/proc/self/statm")  # Linux alone: total and resident pages


def used_memory(device: torch.device) -> int:
    """Return the bytes that tensors hold on a CUDA device; elsewhere those of this process that are resident.

    The device is not waited for. Where the system does not tell what is resident now, it is the peak.
    """
    if device.type == "cuda":
        import torch

        return torch.cuda.memory_allocated(device)
    if _STATM.is_file():
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return peak_memory(device)


def peak_memory(device: torch.device) -> int:
    """Return the largest number of bytes that `used_memory` has reached in this process; 0 if that is not known."""
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # bytes there, kilobytes elsewhere
