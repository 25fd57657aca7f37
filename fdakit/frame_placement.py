"""Which part of a picture a transformed frame shows, so that maps of the whole picture can follow its frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Kind = TypeVar("Kind", bound=np.generic)


@dataclass(frozen=True)
class FramePlacement:
    """The box of the upright picture that a frame shows, in shares of the picture's height and width.

    The default is the whole picture. A box that reaches beyond 0 or 1 shows bars there. `mirrored`: left and right
    change places inside it. `shape (h, w)` is the picture as the reader gave it, in pixels.
    """

    shape: tuple[int, int]
    top: float = 0.0
    left: float = 0.0
    height: float = 1.0
    width: float = 1.0
    mirrored: bool = False

    def place(self, picture: NDArray[Kind], size: tuple[int, int]) -> NDArray[Kind]:
        """Return what a frame of `size (h, w)` shows of a map of the whole picture `(h', w')`, of any size.

        Each pixel has the value of the one that its centre lies in; bars are 0.
        """
        rows, seen_rows = _nearest(self.top, self.height, size[0], picture.shape[0])
        columns, seen_columns = _nearest(self.left, self.width, size[1], picture.shape[1])
        found: Any = picture[rows[:, None], columns] * (seen_rows[:, None] & seen_columns)
        return np.ascontiguousarray(found[:, ::-1] if self.mirrored else found).astype(picture.dtype, copy=False)


def _nearest(first: float, extent: float, count: int, length: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return for each of `count` pixels over a side's box the index among `length`, and whether it lies inside."""
    places = np.floor((first + (np.arange(count) + 0.5) * extent / count) * length).astype(np.int64)
    return places.clip(0, length - 1), (places >= 0) & (places < length)
