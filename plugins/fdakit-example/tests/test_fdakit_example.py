"""The laws every mask must obey, and what this one promises."""

from __future__ import annotations

import numpy as np
from fdakit_example import COLOURFUL, Colourful

from fdakit.plugin import Clip
from fdakit.testing.masks import check_mask


def test_obeys_the_laws_of_a_mask() -> None:
    check_mask(COLOURFUL)
    check_mask(COLOURFUL, floor=0.0)


def test_grey_is_empty_and_pure_colour_is_full() -> None:
    frames = np.full((1, 4, 4, 3), 90, np.uint8)
    frames[0, 0, 0] = (255, 0, 0)
    alpha = Colourful(0.2)(Clip("clip", frames, np.zeros(1)))
    assert alpha[0, 0, 0] == 1
    assert alpha.sum() == 1
