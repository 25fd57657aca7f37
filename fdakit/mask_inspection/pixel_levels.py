"""The brightness of clips, and the contrast that remains after normalisation with a transform's mean and std."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.plugin.contracts import Preprocess

LOW = 0.3  # of a deviation of 1: a new encoder still distinguishes clips (docs/guides/training.md); quickstart: 0.73
Levels = tuple[float, ...]


def clip_levels(frames: NDArray[np.uint8]) -> Levels:
    """Return six means over the pixels of frames `(t, h, w, 3)` in [0, 1]: of R, G and B, and of their squares."""
    pixels = frames.reshape(-1, 3).astype(np.float64) / 255
    return (*pixels.mean(0).tolist(), *(pixels**2).mean(0).tolist())


def level_facts(clips: Sequence[Levels], preprocess: Preprocess) -> dict[str, Any]:
    """Return `mean` and `std` of R, G and B over all clips, the transform's, and the resulting `contrast`.

    `contrast` is the measured deviation over the transform's, of the channel with the least; `offset` the distance of
    the means in units of the transform's deviation, of the channel with the most.
    """
    means = np.array([levels for levels in clips if levels], np.float64).reshape(-1, 6).mean(0)
    mean, std = means[:3], np.sqrt(np.maximum(means[3:] - means[:3] ** 2, 0))
    wanted, spread = np.array(preprocess.mean), np.array(preprocess.std)
    return {
        "mean": mean.round(4).tolist(),
        "std": std.round(4).tolist(),
        "view_mean": list(preprocess.mean),
        "view_std": list(preprocess.std),
        "contrast": float((std / spread).min()),
        "offset": float((np.abs(mean - wanted) / spread).max()),
    }


def level_advice(facts: dict[str, Any]) -> list[str]:
    """Return a sentence if normalisation leaves little contrast: less than `LOW` of the intended deviation."""
    if facts["contrast"] >= LOW:
        return []
    std = [max(value, 0.01) for value in facts["std"]]
    return [
        f"pixels deviate by {facts['contrast']:.2f} of what the view's mean and std are made for (1): to a tower "
        "trained from nothing the clips look alike; give it their own, [view] "
        f"mean = {facts['mean']} and std = {std}, which a pretrained tower does not know"
    ]
