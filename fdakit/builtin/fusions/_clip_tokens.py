"""Which patches of a clip stay: its first frame whole, then those that move most, whichever frame they are in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from fdakit.plugin import Fused, Stem, StemConvolution

from ._motion_tokens import MotionTokens

GROUPS = 8  # different numbers of patches a frame, so that frames of one number can be encoded together


LONGEST = 64  # frames that an embedding tells apart


class ClipTokens(MotionTokens):
    """`MotionTokens` that looks at the frames of a clip together."""

    def __init__(
        self, stem: Sequence[StemConvolution], *, whole_first: bool, run_length: bool, **options: Any
    ) -> None:
        super().__init__(stem, **options)
        self._whole_first = whole_first
        self.run_length = nn.Embedding(LONGEST, stem[0].channels) if run_length else None
        if self.run_length is not None:
            nn.init.zeros_(self.run_length.weight)

    def forward(self, rgb: torch.Tensor, alpha: torch.Tensor, stem: Stem) -> Fused:
        """Fuse single pictures, each a clip of one frame."""
        return self.fuse_clips(rgb, alpha, stem, torch.arange(len(rgb), device=rgb.device))

    def fuse_clips(self, rgb: torch.Tensor, alpha: torch.Tensor, stem: Stem, clips: torch.Tensor) -> Fused:
        """Fuse `rgb (n, 3, h, w)` and `alpha (n, 1, h, w)` of frames that belong to `clips (n,)`."""
        features = tuple(own + added for own, added in zip(stem(rgb), self.maps(alpha), strict=True))
        with torch.no_grad():
            kept, counts = self._kept(alpha, clips)
            keep = (~kept).to(torch.uint8).argsort(dim=1, stable=True)  # the patches that stay first, ascending
        if self.run_length is not None:
            lengths = run_lengths(kept, clips).clamp(max=LONGEST)
            added = self.run_length(lengths - 1).transpose(1, 2).to(features[0].dtype)
            features = (features[0] + added.view_as(features[0]),)
        if counts is None:
            return Fused(features, keep=keep[:, : self._keep])
        return Fused(features, keep=keep, keep_counts=counts)

    def _kept(self, alpha: torch.Tensor, clips: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return which patches stay, bool `(n, p)` in the order of the grid, and their numbers if they vary."""
        if not self._whole_first:
            chosen = self.choose(alpha)
            return torch.zeros_like(self.coverage(alpha), dtype=torch.bool).scatter_(1, chosen, True), None
        coverage = self.coverage(alpha)
        share = self._keep / coverage.shape[1]
        marked = marked_patches(coverage, clips, share=share, spread=self._spread)
        marked, counts = even_counts(marked, coverage)
        return torch.zeros_like(marked).scatter_(1, self.get_buffer("_order").expand(len(marked), -1), marked), counts


def marked_patches(coverage: torch.Tensor, clips: torch.Tensor, *, share: float, spread: int) -> torch.Tensor:
    """Return which patches stay, bool `(n, p)`, of their `coverage (n, p)` in the order of preference.

    `clips (n,)` numbers the clip of each frame. The first frame of a clip stays whole. Of all others of it together
    the `share` of most coverage stays, but none without any; and of each the first `spread`, one at least.
    """
    first = torch.ones_like(clips, dtype=torch.bool)
    first[1:] = clips[1:] != clips[:-1]
    spared = torch.arange(coverage.shape[1], device=coverage.device) < max(1, spread)
    ranked = coverage.masked_fill(spared, torch.inf).masked_fill(first[:, None], -1).flatten()
    order = ranked.argsort(descending=True, stable=True)
    order = order[clips.repeat_interleave(coverage.shape[1])[order].argsort(stable=True)]  # by clip, then by coverage
    sizes = torch.zeros_like(clips).index_add(0, _ordinals(first), torch.ones_like(clips))
    ends = sizes.cumsum(0)[_ordinals(first)] * coverage.shape[1]
    starts = ends - sizes[_ordinals(first)] * coverage.shape[1]
    places = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
    rank = places.view_as(coverage) - starts[:, None]
    budget = (share * (sizes[_ordinals(first)] - 1) * coverage.shape[1]).round()
    moving = (rank < budget[:, None]) & (coverage > 0)
    return moving | spared | first[:, None]


def even_counts(marked: torch.Tensor, coverage: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `marked (n, p)` with further patches of most coverage, and their numbers `(n,)`, of `GROUPS` at most."""
    patches = marked.shape[1]
    step = -(-patches // GROUPS)
    counts = (-(-marked.sum(1) // step) * step).clamp(max=patches)
    first = coverage.clamp(max=1) + 2.0 * marked
    order = first.argsort(dim=1, descending=True, stable=True)
    places = torch.empty_like(order).scatter_(
        1, order, torch.arange(patches, device=order.device).expand_as(order).contiguous()
    )
    return places < counts[:, None], counts


def run_lengths(kept: torch.Tensor, clips: torch.Tensor) -> torch.Tensor:
    """Return for how many frames each patch of `kept (n, p)` stands, int64: until it is kept again, or its clip ends.

    Source: Choudhury et al., *Don't Look Twice* (RLT), arXiv 2411.05222.
    """
    count = len(clips)
    numbers = torch.arange(count, device=clips.device)
    following = torch.where(kept, numbers[:, None], count)
    following = torch.cat((following[1:], following.new_full((1, kept.shape[1]), count)))
    following = following.flip(0).cummin(0).values.flip(0)
    ends = torch.searchsorted(clips.contiguous(), clips.contiguous(), right=True)
    return torch.minimum(following, ends[:, None]) - numbers[:, None]


def _ordinals(first: torch.Tensor) -> torch.Tensor:
    """Return the number of each frame's clip among those that are there, from 0."""
    return first.long().cumsum(0) - 1
