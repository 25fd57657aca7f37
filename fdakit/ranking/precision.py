"""Full float32 precision of matrix products, whatever the surrounding program allows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def full_precision(device: str) -> Iterator[None]:
    """Disable TF32 and bfloat16 for float32 matrix products, and autocast on this device, inside the block.

    Otherwise scores would lose most of their digits, and counts computed as products would be rounded. The former
    settings are restored. NVIDIA_TF32_OVERRIDE=1 in the environment overrides this.
    """
    import torch

    backends: tuple[Any, ...] = (torch.backends.cuda.matmul, getattr(torch.backends.mkldnn, "matmul", None))
    switches = [one for one in backends if hasattr(one, "fp32_precision")]
    # Older torch has one switch for all, which newer torch refuses to read once individual ones were set.
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
