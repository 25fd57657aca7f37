"""Masks fall back where they compare another scene, in the dark too, and where the camera travels they do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from fdakit.builtin.masks.compensated_difference import COMPENSATED_DIFFERENCE
from fdakit.builtin.masks.flow import FLOW
from fdakit.builtin.masks.frame_difference import FRAME_DIFFERENCE
from fdakit.builtin.masks.median_background import MEDIAN_BACKGROUND
from fdakit.builtin.masks.three_frame import THREE_FRAME
from fdakit.data_pipeline.mask_calls import mask_remarks
from fdakit.plugin import Clip, keyed_rng
from fdakit.testing.building import build_part

SIDE = 64
NATIVE = ("compensated-difference", "flow", "three-frame", "native")
PARTS = {
    "compensated-difference": (COMPENSATED_DIFFERENCE, {}),
    "flow": (FLOW, {"iterations": 1, "warps": 1}),
    "three-frame": (THREE_FRAME, {"gap": 1}),
    "native": (FRAME_DIFFERENCE, {"reference": "native"}),
    "previous": (FRAME_DIFFERENCE, {}),
    "torch": (FRAME_DIFFERENCE, {"backend": "torch"}),
    "union": (FRAME_DIFFERENCE, {"reference": "union"}),
    "intersection": (FRAME_DIFFERENCE, {"reference": "intersection"}),
    "sampled": (THREE_FRAME, {"reference": "sampled"}),
    "median-background": (MEDIAN_BACKGROUND, {"warmup": 0}),
}


def film(*shots: tuple[str, int], dark: bool, step: int = 1) -> NDArray[np.uint8]:
    """Shots of a number of frames each, in which the camera travels `step` px a frame over a coloured ground."""
    found = []
    for name, count in shots:
        rng = keyed_rng(0, name)
        cloth = gaussian_filter(rng.standard_normal((SIDE, SIDE + step * count, 3)), (5, 5, 0))
        ground = rng.uniform(80, 150, 3) + 35 * cloth / cloth.std()
        found += [ground[:, step * place : step * place + SIDE] for place in range(count)]
    return np.clip(np.rint(np.stack(found) * (0.12 if dark else 1)), 0, 255).astype(np.uint8)


def remarks(name: str, frames: NDArray[np.uint8], places: list[int], **options: Any) -> tuple[str, ...]:
    part, own = PARTS[name]
    mask = build_part(part, **{"fallback": "whole-frame", "min_coverage": 0.0, "max_coverage": 1.0, **own, **options})
    where = np.array(places)
    near = {gap: frames[np.clip(where + gap, 0, len(frames) - 1)] for gap in mask.needs.neighbours}
    clip = Clip("film", frames[where], where / 25, near)
    return mask_remarks(mask, clip, label="mask", device="cpu")


@pytest.mark.parametrize("dark", [False, True], ids=["bright", "dark"])
@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("previous", [4]),
        ("torch", [4]),
        ("union", [3, 4]),
        ("intersection", []),
        ("sampled", []),
        ("median-background", [4, 5]),
    ],
)
def test_sampled_frames_of_another_scene_are_told(name: str, cut: list[int], dark: bool) -> None:
    frames = film(("one", 10), ("two", 6), dark=dark)
    told = remarks(name, frames, [1, 4, 6, 9, 12, 14])
    assert [place for place, word in enumerate(told) if word == "cut"] == cut
    assert set(remarks(name, frames[:10], [1, 4, 6, 9])) == {""}


@pytest.mark.parametrize("dark", [False, True], ids=["bright", "dark"])
@pytest.mark.parametrize("name", NATIVE)
def test_native_neighbours_of_another_scene_are_told(name: str, dark: bool) -> None:
    frames = film(("one", 10), ("two", 1), ("one", 10), dark=dark)
    told = remarks(name, frames, [2, 5, 10, 13, 17])
    assert told == ("", "", "cut", "", "")
    after = remarks(name, film(("one", 10), ("two", 10), dark=dark), [2, 5, 10, 13, 17])
    assert after[2] == ("cut" if name in ("flow", "native") else "")  # both sides must be of another scene


def test_the_ends_of_a_film_have_one_side() -> None:
    frames = film(("one", 1), ("two", 9), dark=True)
    for name in ("compensated-difference", "three-frame"):
        assert remarks(name, frames, [0, 3, 6]) == ("cut", "", "")
    assert remarks("sampled", frames, [0, 3, 6]) == ("cut", "", "")
    assert remarks("previous", frames, [0, 3, 6]) == ("cut", "cut", "")  # the first has the mask of the second


def test_no_cut_is_looked_for_where_none_is_asked_for() -> None:
    frames = film(("one", 10), ("two", 6), dark=False)
    for name in ("previous", "native", "three-frame", "flow", "compensated-difference", "median-background"):
        assert "cut" not in remarks(name, frames, [1, 4, 10, 12], cut=0)
    levels = remarks("previous", film(("one", 10), ("two", 6), dark=True), [1, 4, 10, 12], cut_rule="level")
    assert "cut" not in levels  # what the rule by levels misses
