"""moving-shapes: rendered clips in which one of several coloured shapes moves, and the caption names it.

Several shapes are on a dark textured background; one moves, and the caption names its colour, shape and kind of
motion: "a red circle moves across". Single frames do not show which shape moves, so a model that pools frames without
regard to motion stays near chance: a gain comes from the mask. Clips are seeded, rendered once into H.264 files below
the cache folder, and read back like any other video. With `events` a video shows several of these clips, one after
another, and has the captions of all of them.

Source: made for fdakit.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from fdakit.plugin import BuildContext, Component, Dataset, IdleIf, Options, Progress, Split, hookimpl
from fdakit.synthetic.events import Events, clips_shown
from fdakit.synthetic.rendered_set import RenderedSet
from fdakit.synthetic.scene import CAPTIONS, Look, plan_scene


class MovingShapesOptions(Options):
    """The options of `moving-shapes`. Validation and test have one clip for each of the 96 captions."""

    clips: int = Field(
        1200, ge=1, le=10_000_000, description="training clips; they run through the 96 captions in turn"
    )
    events: Events = Field(
        1,
        description="clips that a video shows one after another, each with its own caption: there are as many times "
        "fewer videos; `clips` must be a multiple of it",
    )
    frames: int = Field(16, ge=2, le=1000, description="frames of a clip, at 8 a second")
    size: int = Field(64, ge=32, le=512, multiple_of=2, description="pixels a side")
    distractors: int = Field(7, ge=0, le=7, description="shapes at rest, each of another colour")
    pan: float = Field(0.0, ge=0, le=16, description="camera pan in pixels a frame, to either side")
    flicker: float = Field(0.0, ge=0, le=100, description="brightness changes by up to this many grey levels")
    noise: float = Field(1.0, ge=0, le=50, description="grain: standard deviation in grey levels, anew in each frame")
    still_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="probability that a caption names a resting shape, the known failure of motion masks",
    )
    ground_level: float = Field(40.0, ge=0, le=255, description="mean of the background in grey levels")
    ground_texture: float = Field(
        9.0, ge=0, le=100, description="of the background: standard deviation in grey levels; 0: flat"
    )
    texture: float = Field(
        0.0, ge=0, le=100, description="of all shapes, moving with them: standard deviation in grey levels"
    )
    texture_scales: Annotated[int, IdleIf(texture=0, ground_texture=0)] = Field(
        1, ge=1, le=6, description="1: textures of blots of 4 px; each scale more adds blots twice as large"
    )
    contrast: float = Field(
        1.0,
        ge=0,
        le=1,
        description="how far the moving shape's colour is from the background's, as a share of its own distance",
    )
    shadow: float = Field(
        0.0, ge=0, le=1, description="light that a soft shadow next to the moving shape takes, as a share"
    )
    zoom: float = Field(0.0, ge=0, le=0.1, description="camera zoom a frame, in or out, as a share")
    rotation: float = Field(0.0, ge=0, le=45, description="camera rotation in degrees a frame, to either side")
    shake: float = Field(0.0, ge=0, le=32, description="camera offset of up to this many pixels, anew in each frame")
    cut: bool = Field(False, description="in the middle, a cut to another background and other resting shapes")
    crf: int = Field(20, ge=0, le=51, description="how coarsely H.264 encodes")
    seed: int = Field(0, description="of the rendering; not the run's seed, so that all runs share the clips")

    @field_validator("events")
    @classmethod
    def _check_events(cls, events: int, info: ValidationInfo) -> int:
        clips = info.data.get("clips", 0)
        if clips % events:
            nearest = events * max(1, round(clips / events))
            raise ValueError(f"clips = {clips} are no whole number of videos of {events}; give clips = {nearest}")
        return events

    @model_validator(mode="after")
    def _check(self) -> MovingShapesOptions:
        if self.still_share > 0 and self.distractors == 0:
            raise ValueError("still_share needs distractors, as captions then name still shapes; give at least 1")
        if self.still_share > 0 and self.cut:
            raise ValueError(
                "cut takes still shapes away, and still_share has captions name them; give one of the two"
            )
        return self

    def look(self) -> Look:
        """Return the options that determine the pixels of a clip."""
        return Look(**self.model_dump(exclude={"clips", "events", "crf"}))


class MovingShapes:
    """The data set: renders a split on first use, and finds it in the cache afterwards."""

    def __init__(self, options: MovingShapesOptions, cache: Path) -> None:
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
        clips, events = self.options.clips, self.options.events
        # Sets of single clips keep the folder that they had before there were events.
        facts = self.options.model_dump(exclude={"events"} if events == 1 else None)
        return RenderedSet.in_cache(
            "moving-shapes", self.cache, facts, clips=clips, captions=CAPTIONS, write=self._write, events=events
        )

    def _write(self, split: str, index: int, path: Path) -> tuple[str, ...]:
        from fdakit.synthetic.render import draw_clip, write_clip

        clips = clips_shown(self.look.seed, split, index, self.options.events)
        write_clip(np.concatenate([draw_clip(self.look, split, clip) for clip in clips]), path, crf=self.options.crf)
        return tuple(plan_scene(self.look, split, clip).caption for clip in clips)


def build(options: MovingShapesOptions, shapes: BuildContext) -> MovingShapes:
    """Return the data set, which renders below the run's cache folder."""
    return MovingShapes(options, shapes.cache)


MOVING_SHAPES = Component(
    "moving-shapes",
    "rendered clips: one of several coloured shapes moves, and the caption names it",
    MovingShapesOptions,
    build,
)


@hookimpl
def fdakit_datasets() -> Iterable[Component[Any, Dataset]]:
    """Offer `moving-shapes`."""
    return (MOVING_SHAPES,)
