"""moving-order: rendered clips whose captions differ in the direction and order of motion, and in nothing else.

"a red circle moves left, then up" and "a red circle moves down, then right" are a pair: the second clip is the first
one backwards. Each frame is encoded by itself, so both decode to the same pictures, and what looks at frames without
their order (a mean over frames, no masks) gives both the same vector: of two such captions it can only guess.

Source: made for fdakit.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import Field

from fdakit.plugin import BuildContext, Component, Dataset, Options, Progress, Split, hookimpl
from fdakit.synthetic.order_scene import CAPTIONS, caption_of, plan_pair
from fdakit.synthetic.rendered_set import RenderedSet
from fdakit.synthetic.scene import Look


class MovingOrderOptions(Options):
    """The options of `moving-order`. Validation and test have one clip for each of the 384 captions."""

    clips: int = Field(
        1536, ge=1, le=10_000_000, description="training clips; they run through the 384 captions in turn"
    )
    frames: int = Field(
        20,
        ge=2,
        le=1000,
        description="frames of a clip, at 8 a second; an odd number for each frame sampled (20 for 4) makes the "
        "middles of equal parts the same forwards and backwards",
    )
    size: int = Field(64, ge=32, le=512, multiple_of=2, description="pixels a side")
    distractors: int = Field(
        0,
        ge=0,
        le=7,
        description="shapes at rest, each of another colour; with them a mask must tell which one moves",
    )
    pan: float = Field(0.0, ge=0, le=16, description="camera pan in pixels a frame, to either side")
    noise: float = Field(1.0, ge=0, le=50, description="grain: standard deviation in grey levels, anew in each frame")
    quantiser: int = Field(20, ge=0, le=51, description="how coarsely H.264 encodes, the same for every frame")
    seed: int = Field(0, description="of the rendering; not the run's seed, so that all runs share the clips")

    def look(self) -> Look:
        """Return the options that determine the pixels of a clip."""
        return Look(
            **self.model_dump(exclude={"clips", "quantiser"}),
            flicker=0.0,
            still_share=0.0,
            ground_level=40.0,
            ground_texture=9.0,
            texture=0.0,
            texture_scales=1,
            contrast=1.0,
            shadow=0.0,
            zoom=0.0,
            rotation=0.0,
            shake=0.0,
            cut=False,
        )


class MovingOrder:
    """The data set: renders a split on first use, and finds it in the cache afterwards."""

    def __init__(self, options: MovingOrderOptions, cache: Path) -> None:
        self.options = options
        self.cache = cache
        self.look = options.look()

    def splits(self) -> tuple[str, ...]:
        """Return `train`, `val` and `test`."""
        return ("train", "val", "test")

    def load(self, split: str, progress: Progress) -> Split:
        """Return the split, rendered if not in the cache. Raises `DatasetError` if it cannot be written."""
        return self._set().load(split, progress)

    def folder(self) -> Path:
        """Return the folder of the clips, named by everything that determines their bytes."""
        return self._set().folder

    def _set(self) -> RenderedSet:
        clips = self.options.clips
        return RenderedSet.in_cache(
            "moving-order", self.cache, self.options.model_dump(), clips=clips, captions=CAPTIONS, write=self._write
        )

    def _write(self, split: str, index: int, path: Path) -> tuple[str, ...]:
        from fdakit.synthetic.render import draw_scene, write_frames_apart

        pair, second = divmod(index, 2)
        frames = draw_scene(self.look, plan_pair(self.look, split, pair), split, pair)
        write_frames_apart(frames[::-1] if second else frames, path, quantiser=self.options.quantiser)
        return (caption_of(index),)


def build(options: MovingOrderOptions, shapes: BuildContext) -> MovingOrder:
    """Return the data set, which renders below the run's cache folder."""
    return MovingOrder(options, shapes.cache)


MOVING_ORDER = Component(
    "moving-order",
    "rendered clips: the captions differ in the direction and order of motion alone",
    MovingOrderOptions,
    build,
    when="it is to be shown that a system sees the order of frames",
)


@hookimpl
def fdakit_datasets() -> Iterable[Component[Any, Dataset]]:
    """Offer `moving-order`."""
    return (MOVING_ORDER,)
