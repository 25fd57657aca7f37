"""Uniform sampling: equal parts of the clip, one frame from each.

Evaluation takes the centre of each part; training one random frame of each, or the centre as well.
Source: FDA-CLIP, section 2 (6 frames in training, 12 in testing); segments as in TSN (arXiv 1608.00859).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fdakit.plugin import BuildContext, Component, FrameSampler, Options, hookimpl

_SLACK = 1e-9  # so that a border rounded to just below a frame counts as that frame


class UniformOptions(Options):
    """The number of frames, and the choice within each part."""

    train_frames: int = Field(6, ge=1, le=10_000, description="frames a clip in training")
    eval_frames: int = Field(12, ge=1, le=10_000, description="frames a clip in evaluation")
    train_pick: Literal["random", "centre"] = Field("random", description="training: which frame of each part")
    by: Literal["time", "index"] = Field("time", description="equal parts of time, or of the frame count")


class Uniform:
    """One frame from each of n equal parts."""

    def __init__(self, options: UniformOptions) -> None:
        self.options = options

    def frames(self, training: bool) -> int:
        """Return the number of frames requested of a clip."""
        return self.options.train_frames if training else self.options.eval_frames

    def draws(self, training: bool) -> bool:
        """Return whether the choice is random."""
        return training and self.options.train_pick == "random"

    def __call__(
        self, count: int, times: NDArray[np.float64], training: bool, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return ascending, distinct indices; all of a video with fewer frames than requested."""
        asked = self.frames(training)
        if count <= asked:
            return np.arange(count)
        inside = rng.random(asked) if self.draws(training) else np.full(asked, 0.5)
        share = (np.arange(asked) + inside) / asked
        if self.options.by == "index":
            chosen = np.floor(share * count + _SLACK).astype(np.int64)
        else:
            since = times - times[0]  # a segment may start later than its file
            shown = since[-1] * count / max(count - 1, 1)  # the last frame is shown as long as the mean one
            chosen = np.searchsorted(since, share * shown + _SLACK, side="right") - 1
        return _distinct(np.clip(chosen, 0, count - 1), count)


def _distinct(chosen: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the nearest ascending choice without repeats: later ones move on, then the last ones move back."""
    steps = np.arange(len(chosen))
    forward: NDArray[np.int64] = np.maximum.accumulate(chosen - steps) + steps
    return np.minimum(forward, count - len(chosen) + steps)


def build(options: UniformOptions, shapes: BuildContext) -> FrameSampler:
    """Return the sampler."""
    return Uniform(options)


UNIFORM = Component("uniform", "one frame from each of n equal parts", UniformOptions, build)


@hookimpl
def fdakit_samplers() -> Iterable[Component[Any, FrameSampler]]:
    return (UNIFORM,)
