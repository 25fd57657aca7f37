"""Pixels of masks counted against the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass
class Counts:
    """Sums over all pixels of all frames. A pixel is marked where alpha is at least one half."""

    hits: int = 0
    marked: int = 0
    truth: int = 0
    pixels: int = 0
    alpha: float = 0.0

    def add(self, alpha: NDArray[np.float32], truth: NDArray[np.bool_]) -> None:
        """Count masks `(t, h, w)` in [0, 1] beside the truth of the same shape."""
        marked = alpha >= 0.5
        self.hits += int((marked & truth).sum())
        self.marked += int(marked.sum())
        self.truth += int(truth.sum())
        self.pixels += truth.size
        self.alpha += float(alpha.sum(dtype=np.float64))

    def figures(self) -> dict[str, float | None]:
        """Return `precision`, `recall`, `iou`, mean alpha as `coverage`, and the share of `truth`; None if nothing
        divides."""
        return {
            "precision": _share(self.hits, self.marked),
            "recall": _share(self.hits, self.truth),
            "iou": _share(self.hits, self.marked + self.truth - self.hits),
            "coverage": _share(self.alpha, self.pixels),
            "truth": _share(self.truth, self.pixels),
        }


def _share(part: float, whole: int) -> float | None:
    return part / whole if whole else None
