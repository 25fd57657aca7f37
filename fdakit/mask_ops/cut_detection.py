"""Cuts: frames of another scene, told from motion by where grey lies, by the colours, and by the clip's usual change.

Two frames of one scene are alike in where it is light and dark or, where the camera moved, at least in their
colours. Both are compared without regard to contrast, so that dark scenes have cuts too. The limits were chosen on
real clips; what they find there stands in docs/proof/scene_cuts.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .options import PostprocessOptions

Pictures = NDArray[np.uint8]
Flags = NDArray[np.bool_]

_SIDE = 28  # cells a side that a frame is averaged to
_BINS = 16  # of the colours, each as full as the others over the clip
_TIMES = 4  # the clip's usual change, above which there is a cut...
_LEAST, _MOST = 0.15, 0.4  # ... but never below the one, and always above the other
_SEEN = 2.0  # grey levels by which cells differ on average where there is anything to tell


def scene_changes(before: Pictures, after: Pictures) -> NDArray[np.float64]:
    """Return float64 `(t,)`, 0 to 1: how far each frame of `after (t, h, w, 3)` is another scene than in `before`.

    It is the product of two distances: 1 less the correlation of their grey, and the share of cells, of the colour
    channel with the most, that would have to change for both to have the same levels.
    """
    one, other = (np.stack([_cells(frame) for frame in frames]) for frames in (before, after))
    apart = np.abs(one - other).mean((1, 2)) >= _SEEN
    return np.where(apart, _uncorrelated(one, other) * _recoloured(one, other), 0.0)


def cuts_among(changes: NDArray[np.float64]) -> Flags:
    """Return which of a clip's changes are cuts: above four times their lower median, held between 0.15 and 0.4."""
    if not len(changes):
        return np.zeros(0, np.bool_)
    usual = np.sort(changes)[(len(changes) - 1) // 2]
    return np.asarray(changes > np.clip(_TIMES * usual, _LEAST, _MOST))


def sampled_cuts(frames: Any) -> Flags:
    """Return whether each frame `(t, h, w, 3)` shows another scene than the last: bool `(t,)`, the first never."""
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
    """Return which frames, with `cuts (t,)` before them, are not of the longest scene; all where that is no half."""
    scenes = np.cumsum(cuts)
    lengths = np.bincount(scenes)
    if 2 * lengths.max() <= len(cuts):
        return np.ones(len(cuts), np.bool_)
    return np.asarray(scenes != lengths.argmax())


def by_scenes(options: PostprocessOptions) -> bool:
    """Return whether a mask with these options looks for cuts by the rule `relative`."""
    return options.fallback != "none" and options.cut > 0 and options.cut_rule == "relative"


def _none(count: int) -> Flags:
    return np.zeros(count, np.bool_)


def _pictures(frames: Any) -> Pictures:
    """Frames of either place as numpy `(t, h, w, 3)`."""
    return frames.permute(0, 2, 3, 1).cpu().numpy() if hasattr(frames, "permute") else frames  # type: ignore[no-any-return]


def _cells(frame: Pictures) -> NDArray[np.float64]:
    """Mean colours of a frame's cells, float64 `(cells, 3)`."""
    small = Image.fromarray(frame).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.float64).reshape(-1, 3)


def _uncorrelated(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 less the correlation of grey, at most 1."""
    weights = np.array([0.299, 0.587, 0.114])
    x, y = (cells @ weights for cells in (one, other))
    x, y = (grey - grey.mean(axis=1, keepdims=True) for grey in (x, y))
    size = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    alike = (x * y).sum(axis=1) / np.maximum(size, 1e-6)
    return np.asarray(1 - np.clip(alike, 0, 1))


def _recoloured(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest of the channels' total variations between histograms with bins of equal fill, 0 to 1."""
    found = []
    for channel in range(3):
        x, y = one[..., channel], other[..., channel]
        edges = np.quantile(np.concatenate([x, y]), np.arange(1, _BINS) / _BINS)
        apart = np.abs(_histograms(x, edges) - _histograms(y, edges))
        found.append(apart.sum(axis=1) / (2 * x.shape[1]))
    return np.asarray(np.max(found, axis=0))


def _histograms(levels: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many levels of each row `(t, n)` lie in each bin: int64 `(t, bins)`."""
    bins = np.searchsorted(edges, levels) + np.arange(len(levels))[:, None] * _BINS
    return np.bincount(bins.ravel(), minlength=len(levels) * _BINS).reshape(-1, _BINS)
