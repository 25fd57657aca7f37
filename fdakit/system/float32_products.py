"""How GPUs compute products of float32: in full, or with TF32, which keeps 10 of 23 bits and is several times faster.

Torch's own defaults differ between matrix products (full) and convolutions (TF32); a run says it of both.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Allow TF32 inside the block, or require full products; what stood before is restored.

    Only NVIDIA GPUs have TF32. NVIDIA_TF32_OVERRIDE in the environment overrides this.
    """
    places = _switches()
    before = [getattr(place, name) for place, name, _ in places]
    try:
        for place, name, values in places:
            setattr(place, name, values[allowed])
        yield
    finally:
        for (place, name, _), value in zip(places, before, strict=True):
            setattr(place, name, value)


def products_in_use() -> str:
    """Return how float32 products are computed on NVIDIA GPUs at present, for environment.json."""
    said = [getattr(place, name) == values[True] for place, name, values in _switches()]
    named = zip(("matrix products", "convolutions"), said, strict=True)
    return ", ".join(f"{what}: {'TF32' if reduced else 'full'}" for what, reduced in named)


def _switches() -> tuple[tuple[Any, str, tuple[Any, Any]], ...]:
    """Return torch's switches for matrix products and convolutions, with their values without TF32 and with it."""
    matmul, convolution = torch.backends.cuda.matmul, getattr(torch.backends.cudnn, "conv", None)
    if hasattr(matmul, "fp32_precision") and convolution is not None:
        return tuple((place, "fp32_precision", ("ieee", "tf32")) for place in (matmul, convolution))
    return tuple((place, "allow_tf32", (False, True)) for place in (matmul, torch.backends.cudnn))  # torch before 2.9
