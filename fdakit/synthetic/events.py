"""Which clips of `moving-shapes` a video with several events shows, one after another: unlike ones.

No colour, shape or motion comes oftener in a video than it must: four events are of four colours and four shapes.
Each clip is shown once, and looks as it does by itself.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fdakit.plugin import keyed_rng

from .scene import CAPTIONS, COLOURS, MOTIONS, SHAPES

Events = Literal[1, 2, 3, 4, 6, 8, 12, 16, 24]
"""How many clips a video may show: all captions are shared out equally."""


def clips_shown(seed: int, split: str, video: int, events: int) -> list[int]:
    """Return the numbers of the clips that a video shows, in order; each 96 of them fill `96 / events` videos.

    Which captions come together is drawn by seed and split, anew for each 96.
    """
    if events == 1:
        return [video]
    turn, place = divmod(video, CAPTIONS // events)
    rng = keyed_rng(seed, "events", split, turn)
    together = rng.permuted(_mixed_captions(rng).reshape(-1, events), axis=1)
    return [turn * CAPTIONS + int(number) for number in together[place]]


def _mixed_captions(rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the numbers of all captions `(96,)`, as `plan_scene` counts them, to be cut into equal parts.

    A part has every colour, shape and motion as often as any other, or once more. Which of them is which in the
    pattern is drawn.
    """
    colours, shapes, motions = (rng.permutation(len(words)) for words in (COLOURS, SHAPES, MOTIONS))
    steps = np.arange(CAPTIONS)
    colour, shape = colours[steps % len(COLOURS)], shapes[(steps + steps // len(COLOURS)) % len(SHAPES)]
    return np.asarray((colour * len(SHAPES) + shape) * len(MOTIONS) + motions[steps % len(MOTIONS)])
