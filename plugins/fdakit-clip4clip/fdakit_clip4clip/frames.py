"""Which frames CLIP4Clip looks at: one a second, and of too many the first, the last, or an even spread.

Source: `dataloaders/rawvideo_util.py` and `slice_framepos` of the data loaders. The reference truncates the frame
rate to a whole number first, so that at 29.97 fps its seconds are 29 frames long and drift from the clock; that rule
is behind `rate = "whole"`, and nowhere else.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fdakit.plugin import BuildContext, Component, FrameSampler, Options, VideoError

Slice = Literal["head", "tail", "uniform"]
_SLACK = 1e-6  # seconds by which a frame may be late for its second: times are rounded
_NEAR = 4e-4  # share by which a rate that times tell may miss a whole number: 29.97 misses 30 by 1e-3


class FramesOptions(Options):
    """How many frames a second, how many in all, and which of too many."""

    train_frames: int = Field(12, ge=1, le=10_000, description="frames a clip in training, at most")
    eval_frames: int = Field(12, ge=1, le=10_000, description="frames a clip in evaluation, at most")
    per_second: int = Field(1, ge=1, le=1_000, description="frames that are looked at in each second")
    choice: Slice = Field(
        "uniform", description="of too many: the first, the last, or an even spread (slice_framepos 0, 1, 2)"
    )
    rate: Literal["times", "whole"] = Field(
        "times",
        description="a second by the times of the frames; whole, for compatibility: a frame rate truncated to a "
        "whole number, as the reference counts it, which drifts by a second every 30 at 29.97 fps",
    )


class SecondFrames:
    """One frame a second, or several; ascending, of a video with fewer all of them."""

    def __init__(self, options: FramesOptions) -> None:
        self.options = options

    def frames(self, training: bool) -> int:
        """Return the number of frames that a clip has at most."""
        return self.options.train_frames if training else self.options.eval_frames

    def draws(self, training: bool) -> bool:
        """Return False: nothing is random."""
        return False

    def __call__(
        self, count: int, times: NDArray[np.float64], training: bool, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return ascending, distinct indices. Raises `VideoError` if the rate "whole" does not exist."""
        options = self.options
        if options.rate == "times" or times[-1] <= times[0]:  # a single frame has no rate
            found = frames_by_time(times, per_second=options.per_second)
        else:
            found = reference_frames(count, rate_of(times), per_second=options.per_second)
        return sliced(found, self.frames(training), options.choice)


def frames_by_time(times: NDArray[np.float64], *, per_second: int = 1) -> NDArray[np.int64]:
    """Return the frames shown at 0, 1 / per_second, ... seconds, as long as there are frames; of `times (count,)`."""
    since = times - times[0]  # a segment may start later than its file
    ticks = np.arange(math.floor((float(since[-1]) + _SLACK) * per_second) + 1) / per_second
    shown = np.searchsorted(since, ticks + _SLACK, side="right") - 1
    return np.unique(shown).astype(np.int64)


def reference_frames(
    count: int, fps: float, *, per_second: int = 1, start: int | None = None, end: int | None = None
) -> NDArray[np.int64]:
    """Return the frames that the reference reads of `count`, at a frame rate that it truncates.

    A window in whole seconds, `start` to `end`, includes the second `end` itself, as there. Raises `VideoError` where
    the reference divides by zero or fails.
    """
    rate = int(fps)
    if rate < per_second:
        raise VideoError(
            f"a frame rate of {fps:g}, truncated to {rate}, has not the {per_second} frames a second that are asked "
            'for; set sampler.rate = "times"'
        )
    duration = -(-count // rate)
    first, last = (0, duration) if start is None else (start, duration if end is None else min(end, duration))
    offsets = np.arange(per_second) * max(1, rate // per_second)
    found = (np.arange(first, last + 1)[:, None] * rate + offsets).ravel()
    return found[found < count].astype(np.int64)


def rate_of(times: NDArray[np.float64]) -> float:
    """Return the frame rate that the times of several frames tell.

    One that is nearly whole is whole: times of containers are rounded, and what follows truncates it.
    """
    rate = (len(times) - 1) / float(times[-1] - times[0])
    return float(round(rate)) if abs(rate - round(rate)) < _NEAR * rate else rate


def sliced(found: NDArray[np.int64], most: int, choice: Slice) -> NDArray[np.int64]:
    """Return at most so many of the frames: the first, the last, or an even spread with both ends."""
    if len(found) <= most:
        return found
    if choice == "uniform":
        return found[np.linspace(0, len(found) - 1, num=most, dtype=int)]
    return found[:most] if choice == "head" else found[-most:]


def build(options: FramesOptions, shapes: BuildContext) -> FrameSampler:
    """Return the sampler."""
    return SecondFrames(options)


CLIP4CLIP = Component(
    "clip4clip",
    "one frame a second; of too many the first, the last or an even spread",
    FramesOptions,
    build,
    when="numbers are compared with CLIP4Clip's, or with one of the many systems that sample as it does",
)
