"""Products of float32 in float32, whatever the program around allows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def full_precision(device: str) -> Iterator[None]:
    """Inside, matrix products of float32 use neither TF32 nor bfloat16, and autocast is off on this device.

    Otherwise scores would lose most of their digits, and counts that are products too would be rounded. What stood
    before is put back. One thing is stronger: NVIDIA_TF32_OVERRIDE=1 in the environment.
    """
    import torch

    backends: tuple[Any, ...] = (torch.backends.cuda.matmul, getattr(torch.backends.mkldnn, "matmul", None))
    switches = [one for one in backends if hasattr(one, "fp32_precision")]
    # Older torch has one switch for all, which newer torch refuses to read once single ones were set.
    before = [one.fp32_precision for one in switches] or torch.get_float32_matmul_precision()
    try:
        if isinstance(before, str):
            torch.set_float32_matmul_precision("highest")
        for one in switches:
            one.fp32_precision = "ieee"
        with torch.autocast(torch.device(device).type, enabled=False):
            yield
    finally:
        if isinstance(before, str):
            torch.set_float32_matmul_precision(before)
        for one, value in zip(switches, before, strict=False):
            one.fp32_precision = value
