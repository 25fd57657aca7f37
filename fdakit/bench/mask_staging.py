"""What is done to the clips of `fdakit bench masks` after they are drawn, and to their truth alike."""

from __future__ import annotations

from typing import Any, Literal, assert_never

import numpy as np
from numpy.typing import NDArray

Staging = Literal["as drawn", "repeated", "bars"]

_BAR = 1 / 8  # of the height, above and below


def staged(pictures: NDArray[Any], staging: Staging) -> NDArray[Any]:
    """Return frames `(t, h, w, 3)`, or where their mover is `(t, h, w)`, as they are shown.

    `repeated`: as a film of 25 pictures a second shown at 30; its last pictures fall away. `bars`: black above and
    below, where there is no mover either.
    """
    match staging:
        case "as drawn":
            return pictures
        case "repeated":
            return pictures[np.arange(len(pictures)) * 5 // 6]
        case "bars":
            shown, bar = pictures.copy(), round(_BAR * pictures.shape[1])
            shown[:, :bar] = shown[:, -bar:] = 0
            return shown
        case _:
            assert_never(staging)
