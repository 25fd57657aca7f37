"""Ranks in both directions from vectors, tile by tile, without the similarity matrix in memory.

Every score comes from the product of the same pair of tiles wherever it is compared. A text shared by several
captions is multiplied once and copied to them, and so is a repeated video: true ties are equal to the last bit. As
captions are in the order of their videos, the scores of right pairs, which everything is compared with, come from few
tiles, and one pass over all tiles counts both directions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray

from fdakit.choices import VideoToTextRule
from fdakit.errors import ScoreError, nearest
from fdakit.plugin.contracts import Progress
from fdakit.query_ranks import Ranking
from fdakit.values import describe

from .precision import full_precision
from .scored_tiles import Pairs, ScoredTiles
from .tiles import Layout, Places, Products, Tiles, numbered

if TYPE_CHECKING:
    import torch

TILE = 4096  # captions and videos of a tile: 64 MiB of scores
TYPES = np.dtype(np.float32), np.dtype(np.float32), np.dtype(np.int64), np.dtype(np.bool_)


@dataclass(frozen=True, repr=False)
class Vectors:
    """Vectors `texts (q, d)` and `videos (v, d)` float32, `owners (q,)` the video of each caption, `lost (v,)`.

    `lost` marks unreadable videos. Scores are products of the vectors: cosines if they have unit length. Raises
    `ScoreError` if shapes or types do not fit, an owner is not a video, or a vector of a text or of a readable video
    is not finite or so long that products overflow.
    """

    texts: NDArray[np.float32]
    videos: NDArray[np.float32]
    owners: NDArray[np.int64]
    lost: NDArray[np.bool_]

    def __post_init__(self) -> None:
        widths = self.texts.shape[1:], self.videos.shape[1:]
        fit = self.owners.shape == self.texts.shape[:1] and self.lost.shape == self.videos.shape[:1]
        types = self.texts.dtype, self.videos.dtype, self.owners.dtype, self.lost.dtype
        if len(widths[0]) != 1 or widths[0] != widths[1] or not fit or types != TYPES:
            raise ScoreError(
                f"vectors: {self!r}; wanted texts (q, d) and videos (v, d) float32, owners (q,) int64, lost (v,) bool"
            )
        strange = np.flatnonzero((self.owners < 0) | (self.owners >= len(self.videos)))
        if strange.size:
            raise ScoreError(
                f"vectors: {strange.size} captions belong to none of the {len(self.videos)} videos, the first in row "
                f"{strange[0]}; give owners from 0 to {len(self.videos) - 1}"
            )
        _check_finite("texts", self.texts, np.zeros(len(self.texts), np.bool_))
        _check_finite("videos", self.videos, self.lost)
        longest = _largest(self.texts) * _largest(self.videos[~self.lost] if self.lost.any() else self.videos)
        if longest * widths[0][0] > float(np.finfo(np.float32).max):
            raise ScoreError(f"vectors: entries so large that products reach {longest:.0e}; give unit vectors")

    def __repr__(self) -> str:
        shown = (f"{name}={describe(getattr(self, name))}" for name in ("texts", "videos", "owners", "lost"))
        return f"Vectors({', '.join(shown)})"


def _largest(rows: NDArray[np.float32]) -> float:
    """Return the largest absolute value of an entry."""
    return max(float(rows.max(initial=0.0)), -float(rows.min(initial=0.0)))


def _check_finite(name: str, rows: NDArray[np.float32], spared: NDArray[np.bool_]) -> None:
    broken = np.flatnonzero(~np.isfinite(rows).all(axis=1) & ~spared)
    if broken.size:
        raise ScoreError(
            f"vectors: {broken.size} of {len(rows)} {name} are not finite, the first in row {broken[0]}; look for "
            "NaN or infinite values there, and mark as lost the videos that could not be read"
        )


def rank_vectors(
    vectors: Vectors,
    *,
    mode: VideoToTextRule = "grouped",
    device: str = "cpu",
    tile: int = TILE,
    progress: Progress | None = None,
) -> tuple[Ranking, Ranking]:
    """Rank text to video and video to text, as `rank_captions` and `rank_videos` do on the matrix of all products.

    Memory is that of the vectors, twice, and of a few tiles of `tile` x `tile` scores. Products have full float32
    precision. On `mps`, where torch lacks an operation, the CPU is used. Raises `ValueError` for an unknown mode or
    empty tiles.
    """
    if mode not in get_args(VideoToTextRule) or tile < 1:
        raise ValueError(
            f"mode {mode!r}, tiles of {tile}; wanted 1 or more; {nearest(str(mode), get_args(VideoToTextRule))}"
        )
    if device.startswith("mps"):
        device = "cpu"  # torch has no segment_reduce there
    layout = Layout.of(numbered(vectors.texts), numbered(vectors.videos), vectors.owners, tile=tile)
    with full_precision(device):
        tiles = Products(layout, vectors.texts, vectors.videos, device)
        count = _Count(layout, tiles, vectors.owners, vectors.lost, mode=mode, device=device)
        return count.run(progress or _silent)


def rank_pairs(
    pairs: Pairs, *, mode: VideoToTextRule = "grouped", tile: int = TILE, progress: Progress | None = None
) -> tuple[Ranking, Ranking]:
    """Rank both ways, as `rank_vectors` does, what a function compares tile by tile."""
    layout = Layout.of(pairs.texts, pairs.videos, pairs.owners, tile=tile)
    tiles = ScoredTiles(layout, pairs, "cpu")
    return _Count(layout, tiles, pairs.owners, pairs.lost, mode=mode, device="cpu").run(progress or _silent)


def _silent(what: str, done: int, total: int) -> None:
    """Ignore progress."""


class _Tally:
    """For a slice of queries: the score of the right answer, and how many candidates were better or equal so far."""

    def __init__(self, queries: int, device: str) -> None:
        import torch

        self.own = torch.full((queries,), -torch.inf, device=device)
        self.better = torch.zeros(queries, dtype=torch.int64, device=device)
        self.equal = torch.zeros(queries, dtype=torch.int64, device=device)

    def add(self, queries: slice, scores: torch.Tensor) -> None:
        """Count candidates of these queries, `scores (queries, candidates)`; right answers among them are -inf."""
        import torch

        own, ones = self.own[queries, None], scores.new_ones(scores.shape[1])
        found = torch.empty_like(scores)
        # a float result is summed by a product: exact below 2^24 candidates, and several times faster than bools
        self.better[queries] += (torch.gt(scores, own, out=found) @ ones).long()
        self.equal[queries] += (torch.eq(scores, own, out=found) @ ones).long()


class _Count:
    """One count over all tiles. Rows, columns and right pairs are those of the layout."""

    def __init__(
        self,
        layout: Layout,
        tiles: Tiles,
        owners: Places,
        lost: NDArray[np.bool_],
        *,
        mode: VideoToTextRule,
        device: str,
    ) -> None:
        self._owners, self._mode = owners, mode
        self._layout, self._tiles = layout, tiles
        self._lost = lost[layout.columns]
        self._captions = _Tally(len(self._layout.rows), device)
        self._videos = _Tally(len(self._layout.columns), device)

    def run(self, progress: Progress) -> tuple[Ranking, Ranking]:
        layout = self._layout
        for columns in layout.column_cuts:
            self._tiles.turn_to(columns)
            for rows in layout.row_cuts:
                self._note_right_pairs(rows, columns)
        total, done = len(layout.row_cuts) * len(layout.column_cuts), 0
        for columns in layout.column_cuts:
            self._tiles.turn_to(columns)
            for rows in layout.row_cuts:
                self._add(rows, columns)
                done += 1
                progress("ranking", done, total)
        return self._of_captions(), self._of_videos()

    def _right_pairs(self, rows: slice, columns: slice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the positions within the tile of captions whose video is in it, and of those videos."""
        own = self._layout.own[rows]
        inside = np.flatnonzero((own >= columns.start) & (own < columns.stop))
        return inside, own[inside] - columns.start

    def _note_right_pairs(self, rows: slice, columns: slice) -> None:
        captions, videos = (self._tiles.moved(places) for places in self._right_pairs(rows, columns))
        if len(captions):
            scores = self._tiles(rows)[captions, videos]
            self._captions.own[captions + rows.start] = scores
            self._videos.own.scatter_reduce_(0, videos + columns.start, scores, "amax")

    def _add(self, rows: slice, columns: slice) -> None:
        """Count every score of a tile, once for its caption and once for its video, without right pairs."""
        import torch

        scores = self._tiles(rows)
        captions, videos = (self._tiles.moved(places) for places in self._right_pairs(rows, columns))
        scores[captions, videos] = -torch.inf
        lost = np.flatnonzero(self._lost[columns])
        if lost.size:
            scores[:, self._tiles.moved(lost)] = -torch.inf
        self._captions.add(rows, scores)
        if self._mode == "grouped":
            lengths = np.unique(self._layout.own[rows], return_counts=True)[1]
            if len(lengths) < len(scores):
                scores = torch.segment_reduce(scores, "max", lengths=self._tiles.moved(lengths), axis=0)
        self._videos.add(columns, scores.T)

    def _of_captions(self) -> Ranking:
        pool, every = len(self._lost), np.arange(len(self._layout.rows))
        return _ranking(self._captions, every, lost=self._lost[self._layout.own], order=self._layout.rows, pool=pool)

    def _of_videos(self) -> Ranking:
        owned = np.unique(self._owners)
        pool = len(owned) if self._mode == "grouped" else len(self._layout.rows)
        return _ranking(self._videos, owned, lost=self._lost, order=self._layout.columns, pool=pool)


def _ranking(
    tally: _Tally, queries: NDArray[np.int64], *, lost: NDArray[np.bool_], order: NDArray[np.int64], pool: int
) -> Ranking:
    """Return the counts of these queries in their original `order`; an unreadable one has the last rank."""
    better, equal = np.empty(len(order), np.int64), np.empty(len(order), np.int64)
    better[order] = np.where(lost, pool - 1, tally.better.cpu().numpy())
    equal[order] = np.where(lost, 0, tally.equal.cpu().numpy())
    return Ranking(better[queries], equal[queries], pool)
