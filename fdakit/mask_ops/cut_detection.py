"""Scene cuts, distinguished from motion by the layout of grey, the colours, and the clip's usual change.

Two frames of one scene are alike in where they are light and dark or, if the camera moved, at least in their colours.
Both are compared regardless of contrast, so that cuts between dark scenes are found too. The limits were chosen on
real clips; docs/proof/scene_cuts.md has the results.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .options import PostprocessOptions

Frames = NDArray[np.uint8]
Flags = NDArray[np.bool_]

_SIDE = 28  # cells a side, to which a frame is averaged
_BINS = 16  # of the colour histogram, equally filled over the clip
_TIMES = 4  # multiples of the clip's usual change above which there is a cut...
_LEAST, _MOST = 0.15, 0.4  # ... limited to this range
_SEEN = 2.0  # mean deviation of cells in grey levels below which a frame is flat


def scene_changes(before: Frames, after: Frames) -> NDArray[np.float64]:
    """Return float64 `(t,)` from 0 to 1: how far each frame of `after (t, h, w, 3)` is from the scene of `before`.

    It is the product of two distances: 1 minus the correlation of their grey levels, and the largest total variation
    distance of their colour channels.
    """
    one, other = (np.stack([_cells(frame) for frame in frames]) for frames in (before, after))
    apart = np.abs(one - other).mean((1, 2)) >= _SEEN
    return np.where(apart, _uncorrelated(one, other) * _recoloured(one, other), 0.0)


def cuts_among(changes: NDArray[np.float64]) -> Flags:
    """Return which of a clip's changes are cuts: above four times their lower median, clamped to 0.15 to 0.4."""
    if not len(changes):
        return np.zeros(0, np.bool_)
    usual = np.sort(changes)[(len(changes) - 1) // 2]
    return np.asarray(changes > np.clip(_TIMES * usual, _LEAST, _MOST))


def sampled_cuts(frames: Any) -> Flags:
    """Return whether each frame `(t, h, w, 3)` shows another scene than the one before: bool `(t,)`.

    The first never does.
    """
    shown = _pictures(frames)
    return np.concatenate([[False], cuts_among(scene_changes(shown[:-1], shown[1:]))]) if len(shown) > 1 else _none(1)


def neighbour_cuts(frames: Any, near: Any) -> Flags:
    """Return whether each frame `(t, h, w, 3)` shows another scene than its neighbour: bool `(t,)`."""
    return cuts_among(scene_changes(_pictures(near), _pictures(frames)))


def joined_cuts(clip_frames: Any, sides: tuple[Any, ...], *, both: bool) -> Flags:
    """Return the cuts to the neighbours on several `sides`: to all that differ from the frame, or to any of them."""
    shown = _pictures(clip_frames)
    cut = np.stack([neighbour_cuts(shown, side) for side in sides])
    if not both:
        return np.asarray(cut.any(axis=0))
    same = np.stack([(_pictures(side) == shown).all(axis=(1, 2, 3)) for side in sides])
    return np.asarray((cut | same).all(axis=0) & cut.any(axis=0))


def outside_longest_scene(cuts: Flags) -> Flags:
    """Return the frames outside the longest scene, given `cuts (t,)`; all if that is less than half of them."""
    scenes = np.cumsum(cuts)
    lengths = np.bincount(scenes)
    if 2 * lengths.max() <= len(cuts):
        return np.ones(len(cuts), np.bool_)
    return np.asarray(scenes != lengths.argmax())


def by_scenes(options: PostprocessOptions) -> bool:
    """Return whether a mask with these options detects cuts by the rule `relative`."""
    return options.fallback != "none" and options.cut > 0 and options.cut_rule == "relative"


def _none(count: int) -> Flags:
    return np.zeros(count, np.bool_)


def _pictures(frames: Any) -> Frames:
    """Return frames of either layout as numpy `(t, h, w, 3)`."""
    return frames.permute(0, 2, 3, 1).cpu().numpy() if hasattr(frames, "permute") else frames  # type: ignore[no-any-return]


def _cells(frame: Frames) -> NDArray[np.float64]:
    """Return the mean colours of a frame's cells, float64 `(cells, 3)`."""
    small = Image.fromarray(frame).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.float64).reshape(-1, 3)


def _uncorrelated(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 minus the correlation of grey, at most 1."""
    weights = np.array([0.299, 0.587, 0.114])
    x, y = (cells @ weights for cells in (one, other))
    x, y = (grey - grey.mean(axis=1, keepdims=True) for grey in (x, y))
    size = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    alike = (x * y).sum(axis=1) / np.maximum(size, 1e-6)
    return np.asarray(1 - np.clip(alike, 0, 1))


def _recoloured(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest total variation distance of the channels between equal-mass histograms, 0 to 1."""
    found = []
    for channel in range(3):
        x, y = one[..., channel], other[..., channel]
        edges = np.quantile(np.concatenate([x, y]), np.arange(1, _BINS) / _BINS)
        apart = np.abs(_histograms(x, edges) - _histograms(y, edges))
        found.append(apart.sum(axis=1) / (2 * x.shape[1]))
    return np.asarray(np.max(found, axis=0))


def _histograms(levels: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many levels of each row `(t, n)` fall into each bin: int64 `(t, bins)`."""
    bins = np.searchsorted(edges, levels) + np.arange(len(levels))[:, None] * _BINS
    return np.bincount(bins.ravel(), minlength=len(levels) * _BINS).reshape(-1, _BINS)
