"""Random draws keyed by what they belong to, so that they never depend on workers, order or batch."""

from __future__ import annotations

import hashlib

import numpy as np


def keyed_seed(*keys: int | str) -> int:
    """Return a 63-bit seed that depends on the keys alone, the same on every machine and run."""
    text = "\x1f".join(f"{type(key).__name__}:{key}" for key in keys)
    return (
        int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "big") >> 1
    )


def keyed_rng(*keys: int | str) -> np.random.Generator:
    """Return a fresh generator for the keys, for example `(seed, epoch, video id)`."""
    return np.random.default_rng(keyed_seed(*keys))
