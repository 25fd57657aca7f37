"""The torch side of `motion-tokens`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import adaptive_avg_pool2d

from fdakit.model import AlphaPath
from fdakit.plugin import Fused, FusionOutput, Stem, StemConvolution


class MotionTokens(AlphaPath):
    """Keeps `keep` patches of the `grid`: `spread` of them always, the rest by their share of the mask."""

    uses: frozenset[FusionOutput] = frozenset({"stem", "keep"})

    def __init__(
        self,
        stem: Sequence[StemConvolution],
        *,
        grid: tuple[int, int],
        keep: int,
        spread: int,
        mean: float,
        std: float,
    ) -> None:
        super().__init__(stem, mean=mean, std=std)
        self._grid = grid
        self._keep = keep
        self._spread = spread
        self.register_buffer("_order", spread_order(grid), persistent=False)

    def forward(self, rgb: torch.Tensor, alpha: torch.Tensor, stem: Stem) -> Fused:
        """Fuse `rgb (n, 3, h, w)` and `alpha (n, 1, h, w)` in [0, 1]."""
        pairs = zip(stem(rgb), self.maps(alpha), strict=True)
        features = tuple(own + added for own, added in pairs)
        whole = self._keep == self._grid[0] * self._grid[1]
        return Fused(features, keep=None if whole else self.choose(alpha))

    def coverage(self, alpha: torch.Tensor) -> torch.Tensor:
        """Return the share of each patch that alpha marks `(n, p)`, patches in the order of preference."""
        return adaptive_avg_pool2d(alpha.float(), self._grid).flatten(1)[:, self.get_buffer("_order")]

    @torch.no_grad()
    def choose(self, alpha: torch.Tensor) -> torch.Tensor:
        """Return positions `(n, keep)` int64, ascending. Ties prefer patches spread evenly over the frame."""
        order = self.get_buffer("_order")
        coverage = self.coverage(alpha)
        coverage[:, : self._spread] = torch.inf
        ranked = coverage.sort(dim=1, descending=True, stable=True).indices[:, : self._keep]
        return order[ranked].sort(dim=1).values


def spread_order(grid: tuple[int, int]) -> torch.Tensor:
    """Return the patches of a grid `(rows * columns,)` int64 ordered so that every prefix covers the frame evenly.

    Each next patch is the one farthest from all before it, with opposite edges joined so that none is preferred.
    """
    rows, columns = grid
    y = torch.arange(rows).repeat_interleave(columns)
    x = torch.arange(columns).repeat(rows)
    chosen = [(rows // 2) * columns + columns // 2]
    nearest = torch.full((rows * columns,), rows * rows + columns * columns)
    while len(chosen) < rows * columns:
        dy, dx = (y - y[chosen[-1]]).abs(), (x - x[chosen[-1]]).abs()
        distance = torch.minimum(dy, rows - dy) ** 2 + torch.minimum(dx, columns - dx) ** 2
        nearest = torch.minimum(nearest, distance)
        chosen.append(int(nearest.argmax()))
    return torch.tensor(chosen)
