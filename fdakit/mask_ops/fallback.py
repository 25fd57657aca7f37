"""Replacement of masks in which a method found nothing usable."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .postprocess import Masks


def replace_masks(
    masks: Masks, where: NDArray[np.bool_], *, alpha: NDArray[np.float32] | float, remark: str
) -> Masks:
    """Return the masks with `alpha`, a level or masks `(t, h, w)`, and the remark on the frames `where (t,)`."""
    if not where.any():
        return masks
    said = tuple(remark if one else word for one, word in zip(where.tolist(), masks.remarks, strict=True))
    made = np.where(where[:, None, None], np.float32(alpha), masks.alpha)
    return Masks(made.astype(np.float32), said)
