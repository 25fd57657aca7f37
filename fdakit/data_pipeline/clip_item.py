"""What a data set gives of a clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .alpha_levels import Alpha, plain


@dataclass(frozen=True)
class ClipItem:
    """A clip ready to be batched: frames uint8 `(t, s, s, 3)`, masks `(t, s, s)` by control, in levels if possible.

    If the mask works on the device there are no masks; `neighbours` and `luma`, by gap, are what it needs, at gap 0
    the frames in their own colours if those of `frames` are changed, and `partner` is the clip whose mask control
    `other-video` takes. `tokens` are those of the text, if they are known. `repaired` is why only the decodable
    frames of a damaged file were used; "" for an intact file.
    """

    id: str
    frames: NDArray[np.uint8]
    masks: Mapping[str, Alpha]
    times: NDArray[np.float64]
    text: str
    repaired: str = ""
    notes: tuple[str, ...] = ()  # notes of the frame store, passed on from a worker
    neighbours: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict)
    luma: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict)
    partner: ClipItem | None = None
    tokens: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def alphas(self) -> dict[str, NDArray[np.float32]]:
        """The masks in float32."""
        return {control: plain(mask) for control, mask in self.masks.items()}
