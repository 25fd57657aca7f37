"""A whole fdakit plugin: the mask `colourful`, soft alpha that follows the saturation of each pixel.

`alpha = (max(r, g, b) - min(r, g, b)) / max(r, g, b)`, the S of HSV; under `floor` it is 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fdakit.plugin import BuildContext, Clip, Component, MaskGenerator, Needs, Options, Place, hookimpl


class ColourfulOptions(Options):
    """Declared once: checked, shown by `fdakit show mask colourful`, and part of the editor schema."""

    floor: float = Field(0.2, ge=0, le=1, description="saturation below this counts as none")


class Colourful:
    """A mask is any object with `needs`, `place` and a call from clip to alpha."""

    needs = Needs()  # only the sampled frames
    place: Place = "worker"  # numpy frames, in the process that reads them

    def __init__(self, floor: float) -> None:
        self.floor = floor

    def __call__(self, clip: Clip) -> NDArray[np.float32]:
        """Return the alpha of a clip, float32 `(t, h, w)` in [0, 1]."""
        high = clip.frames.max(axis=-1).astype(np.float32)
        low = clip.frames.min(axis=-1).astype(np.float32)
        saturation: NDArray[np.float32] = (high - low) / np.maximum(high, 1)
        return np.where(saturation < self.floor, np.float32(0), saturation)


def build(options: ColourfulOptions, shapes: BuildContext) -> MaskGenerator:
    """Return the mask for validated options; `shapes` has image size, seed and the like."""
    return Colourful(options.floor)


COLOURFUL = Component("colourful", "soft alpha that follows saturation", ColourfulOptions, build)


@hookimpl
def fdakit_masks() -> Iterable[Component[Any, MaskGenerator]]:
    """Offer this package's parts; fdakit finds them by the entry point in pyproject.toml."""
    return (COLOURFUL,)
