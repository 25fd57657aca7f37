"""The sampler `prompt-switch`: equal parts of the frame count, a random frame of each in training.

In evaluation a video gives one or several clips: in each part that runs from frame a to frame b, clip i of n takes
frame a + (i + 1) * floor((b - a) / (n + 1)). Source: the observed behaviour of the Prompt Switch release.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fdakit.plugin import BuildContext, Component, FrameSampler, Options


class SegmentsOptions(Options):
    """The number of parts, and of frames of each."""

    segments: int = Field(6, ge=1, le=10_000, description="equal parts of a video: frames of a clip")
    train_clips: int = Field(1, ge=1, le=1_000, description="training: clips a video, a frame of each part to each")
    eval_clips: int = Field(2, ge=1, le=1_000, description="evaluation: likewise")
    skip_last: bool = Field(
        False, description="training never draws the last frame of a part, as released; of one frame it takes that"
    )


def parts(count: int, segments: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and last frame of each part `(k,)` of a video, k = min(segments, count)."""
    number = min(segments, count)
    borders = np.arange(number + 1) * count // number
    return borders[:-1], borders[1:] - 1


def clip_frames(count: int, *, segments: int, clips: int) -> NDArray[np.int64]:
    """Return the frames of evaluation `(clips, k)`, a clip a row; the same frame may be in several clips.

    The rows behind each other are the release's order. There, a video of fewer frames than parts repeats its last.
    """
    first, last = parts(count, segments)
    return first + np.arange(1, clips + 1)[:, None] * ((last - first) // (clips + 1))


class Segments:
    """Frames in ascending order, each once: masks look at neighbouring frames."""

    def __init__(self, options: SegmentsOptions) -> None:
        self.options = options

    def frames(self, training: bool) -> int:
        """Return the number of frames requested of a video."""
        return self.options.segments * (self.options.train_clips if training else self.options.eval_clips)

    def draws(self, training: bool) -> bool:
        """Return whether the choice is random: in training."""
        return training

    def __call__(
        self, count: int, times: NDArray[np.float64], training: bool, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return ascending, distinct indices; fewer than requested where clips share frames."""
        options = self.options
        if not training:
            return np.unique(clip_frames(count, segments=options.segments, clips=options.eval_clips))
        first, end = self.drawn_from(count)
        return np.unique(rng.integers(first, end, size=(options.train_clips, len(first))))

    def drawn_from(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the first frame that training may draw of each part, and the one behind the last `(k,)`."""
        first, last = parts(count, self.options.segments)
        return first, np.maximum(last, first + 1) if self.options.skip_last else last + 1


def build(options: SegmentsOptions, shapes: BuildContext) -> FrameSampler:
    """Return the sampler."""
    return Segments(options)


SEGMENTS = Component(
    "prompt-switch",
    "a random frame of each of n equal parts, in evaluation several evenly spaced",
    SegmentsOptions,
    build,
    when="a run is to be compared with Prompt Switch; `uniform` gives as many frames of more even times",
)
