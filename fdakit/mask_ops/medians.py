"""The lower median, in a fraction of what `numpy.median` takes for some thousands of values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def lower_median(values: NDArray[Any]) -> float:
    """Return the value that half of at least one value do not exceed; no mean of two, no look for NaN."""
    flat = values.reshape(-1)
    place = (flat.size - 1) // 2
    return float(np.partition(flat, place)[place])
