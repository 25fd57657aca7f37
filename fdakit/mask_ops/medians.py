"""The lower median, several times faster than `numpy.median` on a few thousand values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def lower_median(values: NDArray[Any]) -> float:
    """Return the smallest value that at least half of the values do not exceed. No averaging, no check for NaN."""
    flat = values.reshape(-1)
    place = (flat.size - 1) // 2
    return float(np.partition(flat, place)[place])
