"""For the tests of the view: towers that want 56 pixels, and clips of noise."""

from __future__ import annotations

import numpy as np

from fdakit.plugin import Clip, Preprocess
from fdakit.settings import ViewSettings
from fdakit.video.transform import FrameTransform

SIZE = 56


def tower(**changes):
    return Preprocess(**{"size": SIZE, "mean": (0.4, 0.4, 0.4), "std": (0.2, 0.2, 0.2)} | changes)


def pictures(height, width, count=2):
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (count, height, width, 3), np.uint8)


def made(frames, **gaps):
    neighbours = {int(gap): other for gap, other in gaps.items()}
    return Clip("a", frames, np.arange(len(frames), dtype=float), neighbours)


def still(clip, preprocess, settings=ViewSettings()):  # noqa: B008 - frozen
    return FrameTransform(settings, preprocess)(clip, training=False, rng=np.random.default_rng(0))
