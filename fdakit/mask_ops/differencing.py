"""Frame differences: conversion to grey, differences to reference frames, thresholds from their histogram.

Differences are whole grey levels, so a histogram of 256 bins holds all that a threshold or a cut needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fdakit.values import Clip

from .backend import MaskBackend
from .options import ThresholdOptions

GreyRule = Literal["bt601", "decoder-luma", "max-channel"]
Levels = NDArray[np.uint8]
Counts = NDArray[np.int64]


def grey_layers(
    clip: Clip, *, backend: MaskBackend, rule: GreyRule = "bt601", short_side: int = 0
) -> Mapping[int, Any]:
    """Return for each gap, 0 for the sampled frames, uint8 `(c, t, h, w)`; c is 3 for `max-channel`, else 1.

    `short_side` first downsamples the frames to that size by averaging; 0 leaves them. `decoder-luma` takes the
    clip's own luma, which the mask must request in its `needs`.
    """
    layers = {}
    for gap, frames in {0: clip.frames, **clip.neighbours}.items():
        if short_side:
            frames = shrunk(frames, short_side)
        if rule == "max-channel":
            layers[gap] = backend.channels(frames)
        elif rule == "bt601":
            layers[gap] = backend.grey(frames)[None]
        else:
            layers[gap] = (shrunk(clip.luma[gap], short_side) if short_side else clip.luma[gap])[None]
    return layers


def shrunk(frames: Levels, short_side: int) -> Levels:
    """Return uint8 `(t, h, w)` or `(t, h, w, 3)` averaged down to a shorter side of `short_side` pixels.

    Frames are never enlarged.
    """
    height, width = frames.shape[1:3]
    scale = short_side / min(height, width)
    if scale >= 1:
        return frames
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.stack([np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BOX)) for frame in frames])


def difference(one: Any, other: Any, *, backend: MaskBackend) -> Any:
    """Return the absolute difference of two layers `(c, t, h, w)`, uint8 `(t, h, w)`, maximum over the channels."""
    if len(one) == 1:
        return backend.difference(one[0], other[0])
    return backend.largest(backend.difference(one, other))


def thresholds(counts: Counts, options: ThresholdOptions) -> NDArray[np.float64]:
    """Return the threshold of each frame, `(t,)` float64, from the histograms `(t, 256)` of its differences."""
    found = np.full(len(counts), options.threshold, np.float64)
    if options.threshold_rule == "mad":
        found = np.maximum(found, _above_median(counts, options.mad_factor))
    elif options.threshold_rule == "otsu":
        found = np.maximum(found, _otsu(counts))
    return found


def soft_strength(changes: NDArray[Any], limits: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return soft alpha of differences `(t, h, w)`: divided by twice each frame's threshold `(t,)`, at most 1."""
    return np.minimum(changes / np.maximum(2 * limits, 1)[:, None, None], 1).astype(np.float32)


def histogram_cuts(counts: Counts, limit: float) -> NDArray[np.bool_]:
    """Return bool `(t,)`: whether the mean of `|difference - median|` exceeds `limit` grey levels; 0: none does.

    Subtracting the median makes it insensitive to changes of brightness.
    """
    levels = np.arange(256)
    away = np.abs(levels - medians(counts)[:, None])
    mean = (counts * away).sum(axis=1) / counts.sum(axis=1)
    return np.asarray((mean > limit) & (limit > 0))


def medians(counts: Counts) -> NDArray[np.int64]:
    """Return the lower median level of each frame `(t,)`."""
    total = counts.cumsum(axis=1)
    return np.asarray((total >= (total[:, -1:] + 1) // 2).argmax(axis=1))


def _above_median(counts: Counts, factor: float) -> NDArray[np.float64]:
    """Return median + factor x 1.4826 x MAD, which for normal noise is `factor` standard deviations."""
    middle = medians(counts)
    away = np.zeros_like(counts)
    for row, centre in enumerate(middle.tolist()):
        np.add.at(away[row], np.abs(np.arange(256) - centre), counts[row])
    return np.asarray(middle + factor * 1.4826 * medians(away))


def _otsu(counts: Counts) -> NDArray[np.float64]:
    """Return the level that splits each histogram into two classes of maximal between-class variance (Otsu 1979)."""
    levels = np.arange(256)
    below = counts.cumsum(axis=1).astype(np.float64)
    mass = (counts * levels).cumsum(axis=1).astype(np.float64)
    above = below[:, -1:] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (mass / below - (mass[:, -1:] - mass) / above) ** 2
    return np.asarray(np.nan_to_num(between, nan=-1.0).argmax(axis=1), np.float64)
