"""Products of text and video vectors in tiles, ordered so that right pairs and equal vectors are together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Places = NDArray[np.int64]
_ROOM = 1 << 26  # scores in memory at once, including those of shared texts: 256 MiB


@dataclass(frozen=True)
class Layout:
    """Rows are captions in the order of their videos, columns videos with bit-equal ones adjacent.

    `rows (q,)` and `columns (v,)` are the caption or video at each position, `own (q,)` the column of each row's
    video. No cut of `row_cuts` separates captions of a video, none of `column_cuts` equal videos. `texts (q,)` number
    the rows' texts, equal ones alike, and `shared` are the numbers of several rows.
    """

    rows: Places
    columns: Places
    own: Places
    row_cuts: tuple[slice, ...]
    column_cuts: tuple[slice, ...]
    texts: Places
    videos: Places
    shared: Places

    @classmethod
    def of(cls, text_ids: Places, video_ids: Places, owners: Places, *, tile: int) -> Layout:
        """Return the layout of texts `(q,)` and videos `(v,)`, numbered so that equal ones are alike.

        Tiles have about `tile` rows and columns; they have fewer rows if many videos are equal, and fewer columns if
        texts are shared or a video has very many.
        """
        columns = np.argsort(video_ids, kind="stable")
        place = np.empty_like(columns)
        place[columns] = np.arange(len(columns))
        rows = np.argsort(place[owners], kind="stable")
        own, ordered = place[owners][rows], text_ids[rows]
        numbers, counts = np.unique(ordered, return_counts=True)
        shared = numbers[counts > 1]
        widest = np.bincount(video_ids).max(initial=1)
        row_cuts = tuple(_cuts(own, max(1, min(tile, _ROOM // int(widest)))))
        tallest = max((cut.stop - cut.start for cut in row_cuts), default=1)
        column_cuts = tuple(_cuts(video_ids[columns], max(1, min(tile, _ROOM // (len(shared) + tallest)))))
        return cls(rows, columns, own, row_cuts, column_cuts, ordered, video_ids[columns], shared)


def numbered(vectors: NDArray[np.float32]) -> Places:
    """Return a number for each row `(n,)`, the same for equal rows, in order of first appearance."""
    seen: dict[bytes, int] = {}
    keys = (blake2b((row + 0.0).tobytes(), digest_size=16).digest() for row in vectors)  # -0.0 is 0.0
    return np.array([seen.setdefault(key, len(seen)) for key in keys], np.int64)


def _cuts(keys: Places, size: int) -> Iterator[slice]:
    """Yield slices of about `size` positions, never ending between equal keys."""
    ends = np.append(np.flatnonzero(keys[1:] != keys[:-1]) + 1, len(keys))
    start = 0
    while start < len(keys):
        fitting = ends[(ends > start) & (ends <= start + size)]
        end = int(fitting[-1] if fitting.size else ends[ends > start][0])
        yield slice(start, end)
        start = end


class Tiles(Protocol):
    """Scores of one row tile against one column tile; the same tiles give the same bits each time."""

    def moved(self, values: NDArray[Any]) -> torch.Tensor:
        """Return the values on the device."""
        ...

    def turn_to(self, columns: slice) -> None:
        """Select the column tile of the following calls."""
        ...

    def __call__(self, rows: slice) -> torch.Tensor:
        """Return scores float32 `(rows, columns)`, which the caller may modify."""
        ...


class Products:
    """Tiles of inner products."""

    def __init__(self, layout: Layout, texts: NDArray[np.float32], videos: NDArray[np.float32], device: str) -> None:
        self._layout = layout
        self._device = device
        self._texts = self.moved(texts[layout.rows])
        self._videos = self.moved(videos[layout.columns])
        first = np.searchsorted(np.sort(layout.texts), layout.shared)
        self._shared = self._texts[self.moved(np.argsort(layout.texts, kind="stable")[first])]
        self._copies: torch.Tensor | None = None
        self._of_shared = self._shared[:, :0]

    def moved(self, values: NDArray[Any]) -> torch.Tensor:
        """Return the values on the device."""
        import torch

        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)

    def turn_to(self, columns: slice) -> None:
        """Select the column tile of the following calls."""
        numbers = self._layout.videos[columns]
        firsts = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1]))
        videos = self._videos[columns]
        repeated = len(firsts) < len(numbers)
        self._columns = videos[self.moved(firsts)] if repeated else videos
        self._copies = self.moved(np.searchsorted(firsts, np.arange(len(numbers)), "right") - 1) if repeated else None
        self._of_shared = self._shared[:, :0]  # free the old scores before computing new ones
        self._of_shared = self._shared @ self._columns.T

    def __call__(self, rows: slice) -> torch.Tensor:
        """Return scores float32 `(rows, columns)`, which the caller may modify."""
        scores = self._texts[rows] @ self._columns.T
        numbers = self._layout.texts[rows]
        several = np.flatnonzero(np.isin(numbers, self._layout.shared))
        if several.size:
            places = np.searchsorted(self._layout.shared, numbers[several])
            scores[self.moved(several)] = self._of_shared[self.moved(places)]
        return scores if self._copies is None else scores[:, self._copies]
