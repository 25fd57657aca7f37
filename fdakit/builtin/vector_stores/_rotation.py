"""A rotation that spreads every component of a vector over all others, in a few microseconds a vector.

Signs are drawn, and the d = a b components, laid out as a table of a rows and b columns, are mixed along both by
orthogonal matrices whose entries are of about equal size: those of the Hartley transform, which exist for every size.
Codes of one bit a component need it: embeddings have components that are much larger than the others, and a rotation
changes no inner product.

Sources: Ailon and Chazelle, *The Fast Johnson-Lindenstrauss Transform*, 2009 (signs and a Fourier transform); Gao and
Long, *RaBitQ*, SIGMOD 2024 (why the codes want a random rotation).
"""

from __future__ import annotations

from math import isqrt

import numpy as np
from numpy.typing import NDArray

from fdakit.plugin import keyed_rng

_ROWS = 2048  # a block that stays in the processor's cache


class Rotation:
    """The rotation of vectors of one width: always the same."""

    def __init__(self, width: int) -> None:
        self._columns = next(size for size in range(isqrt(width), 0, -1) if width % size == 0)
        self._rows = width // self._columns
        signs = keyed_rng(0, "rotation of vectors", width).integers(0, 2, width)
        self._signs = (2 * signs - 1).astype(np.float32)
        self._along_rows, self._along_columns = _hartley(self._rows), _hartley(self._columns)

    def __call__(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the rotated vectors `(n, d)`."""
        turned = np.empty(vectors.shape, np.float32)
        for start in range(0, len(vectors), _ROWS):
            block = vectors[start : start + _ROWS] * self._signs
            mixed = block.reshape(-1, self._columns) @ self._along_columns
            tables = mixed.reshape(len(block), self._rows, self._columns)
            np.matmul(self._along_rows, tables, out=turned[start : start + _ROWS].reshape(tables.shape))
        return turned


def _hartley(size: int) -> NDArray[np.float32]:
    """Return the matrix of the discrete Hartley transform: symmetric, orthogonal, entries up to sqrt(2 / size)."""
    angles = 2 * np.pi / size * (np.outer(np.arange(size), np.arange(size)) % size)
    return np.asarray((np.cos(angles) + np.sin(angles)) / np.sqrt(size), np.float32)
