"""Everything marked: Alpha-CLIP's own neutral input (control C2 of FDA-CLIP)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.plugin import BuildContext, Clip, Component, MaskGenerator, Needs, Options, Place, hookimpl


class WholeFrameOptions(Options):
    """No options."""


class WholeFrame:
    """Alpha 1 everywhere."""

    needs = Needs()
    place: Place = "worker"

    def __call__(self, clip: Clip) -> NDArray[np.float32]:
        """Return float32 ones `(t, h, w)`."""
        return np.ones(clip.frames.shape[:3], np.float32)


def build(options: WholeFrameOptions, shapes: BuildContext) -> MaskGenerator:
    """Return the mask."""
    return WholeFrame()


WHOLE_FRAME = Component(
    "whole-frame",
    "everything marked: the neutral mask",
    WholeFrameOptions,
    build,
    declares={"place": "worker"},
)


@hookimpl
def fdakit_masks() -> Iterable[Component[Any, MaskGenerator]]:
    return (WHOLE_FRAME,)
