"""`compensated-difference` finds what moves where the camera moves too, and the light changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter

from fdakit.builtin.datasets.moving_shapes import MovingShapesOptions
from fdakit.builtin.masks.compensated_difference import COMPENSATED_DIFFERENCE
from fdakit.builtin.masks.frame_difference import FRAME_DIFFERENCE
from fdakit.plugin import Clip, VideoRef
from fdakit.synthetic.render import draw_clip, write_clip
from fdakit.testing.building import build_part
from fdakit.testing.masks import check_mask
from fdakit.video import read_frames

SIDE = 160


def texture(seed: int, side: int, deep: float) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    mixed = gaussian_filter(rng.standard_normal((side, side)), 1.3) * 3 + gaussian_filter(
        rng.standard_normal((side, side)), 6
    )
    return 120 + deep * mixed / mixed.std()


def scene(*, pan: float = 0.0, flicker: float = 0.0, gap: int = 1) -> tuple[Clip, NDArray[np.bool_]]:
    """Five frames of a textured disk on a textured ground with their neighbours, and where the disk is.

    `pan` whole pixels a native frame; flicker in grey levels, anew for each frame.
    """
    ground, thing = texture(1, 3 * SIDE, 25.0), texture(2, 64, 35.0) + 20
    rng = np.random.default_rng(5)

    def frame(time: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        left = SIDE + int(pan * time)
        picture = ground[SIDE : 2 * SIDE, left : left + SIDE].copy()
        y, x = 50 + time, 40 + 2 * time
        inside = np.hypot(*(np.indices((64, 64)) - 31.5)) < 24
        picture[y : y + 64, x : x + 64][inside] = thing[inside]
        where = np.zeros(picture.shape, np.bool_)
        where[y : y + 64, x : x + 64] = inside
        lit = picture + rng.uniform(-flicker, flicker) + rng.normal(0, 1.5, picture.shape)
        return np.clip(np.rint(lit), 0, 255).astype(np.uint8)[..., None].repeat(3, axis=2), where

    times = [5, 6, 8, 10, 11]
    shown = {step: [frame(time + step) for time in times] for step in (-gap, 0, gap)}
    stacks = {step: np.stack([picture for picture, _ in rows]) for step, rows in shown.items()}
    clip = Clip("v", stacks.pop(0), np.array(times, float), neighbours=stacks)
    return clip, np.stack([where for _, where in shown[0]])


def scores(mask: Any, truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Precision and recall."""
    found = mask > 0.5
    hits = (found & truth).sum()
    return hits / max(found.sum(), 1), hits / truth.sum()


@pytest.mark.parametrize(("pan", "flicker"), [(0, 0), (1, 0), (4, 0), (-3, 0), (0, 15), (2, 15)])
@pytest.mark.parametrize("gap", [1, 5])
def test_the_moving_thing_alone_is_marked(pan: float, flicker: float, gap: int) -> None:
    clip, truth = scene(pan=pan, flicker=flicker, gap=gap)
    precision, recall = scores(build_part(COMPENSATED_DIFFERENCE, gap=gap)(clip), truth)
    assert precision > 0.85
    assert recall > 0.85
    if abs(pan) > 1:
        assert scores(build_part(FRAME_DIFFERENCE)(clip), truth)[0] < 0.3


def test_taking_the_camera_off_is_what_helps() -> None:
    for pan in (1.0, 4.0):
        clip, truth = scene(pan=pan)
        precision, recall = scores(build_part(COMPENSATED_DIFFERENCE)(clip), truth)
        left = scores(build_part(COMPENSATED_DIFFERENCE, camera="none")(clip), truth)
        assert min(precision, recall) > 0.85
        assert min(left) < 0.85 - 0.2 * (pan > 1)
    clip, truth = scene(flicker=40)
    plain = {"threshold_rule": "fixed", "threshold": 12}
    with_light = scores(build_part(COMPENSATED_DIFFERENCE, **plain)(clip), truth)
    without = scores(build_part(COMPENSATED_DIFFERENCE, brightness="none", **plain)(clip), truth)
    assert with_light[0] > 0.8 > 0.5 > without[0]


def flat_thing() -> Clip:
    """An untextured box on an even ground: at its middle nothing ever changes."""
    pictures = np.full((3, 96, 96, 3), 60, np.uint8)
    for place, left in enumerate((20, 26, 32)):
        pictures[place, 30:60, left : left + 30] = 200
    before, now, after = pictures[:, None]
    return Clip("v", now, np.array([3.0]), neighbours={-1: before, 1: after})


def test_flat_things_are_found_by_either_side_where_both_find_nothing() -> None:
    seen = flat_thing()
    by_side = {
        sides: build_part(COMPENSATED_DIFFERENCE, sides=sides, closing=0, fill_holes=False)(seen)[0]
        for sides in ("both", "either", "before", "both-or-either")
    }
    assert not by_side["both"].any()
    assert by_side["either"][45, [22, 24, 28, 54, 58, 60]].tolist() == [1, 1, 1, 1, 1, 1]
    assert by_side["before"][45, [22, 54, 28, 60]].tolist() == [1, 1, 0, 0]
    np.testing.assert_array_equal(by_side["both-or-either"], by_side["either"])


def test_at_an_end_of_the_file_the_other_side_counts_alone() -> None:
    clip, _ = scene()
    ended = replace(clip, neighbours={-1: clip.frames, 1: clip.neighbours[1]})
    only = replace(clip, neighbours={-1: clip.neighbours[1], 1: clip.neighbours[1]})
    part = build_part(COMPENSATED_DIFFERENCE, sides="both")
    np.testing.assert_array_equal(part(ended), part(only))
    assert not part(replace(clip, neighbours={-1: clip.frames, 1: clip.frames})).any()


def test_what_the_camera_did_not_see_before_is_not_marked() -> None:
    clip, truth = scene(pan=12)
    found = build_part(COMPENSATED_DIFFERENCE, sides="before", closing=0)(clip)
    assert not found[:, :, -12:].any()
    precision, recall = scores(found, truth)
    assert precision > 0.6  # with one side it marks a little more than the thing
    assert recall > 0.9


def test_needs_follow_the_options() -> None:
    assert build_part(COMPENSATED_DIFFERENCE, gap=4).needs.neighbours == (-4, 4)
    assert build_part(COMPENSATED_DIFFERENCE, gap=4, sides="before").needs.neighbours == (-4,)
    assert build_part(COMPENSATED_DIFFERENCE, grey="decoder-luma").needs.luma


@pytest.mark.integration
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"preset": "robust", "sides": "both"},
        {"camera": "similarity", "alpha": "soft"},
        {"working_size": 40, "sides": "before", "brightness": "bias"},
        {"camera": "none", "brightness": "none", "grey": "decoder-luma"},
    ],
    ids=str,
)
def test_the_contracts_laws_hold(options: dict[str, Any]) -> None:
    check_mask(COMPENSATED_DIFFERENCE, **options)


def test_robust_says_where_it_fell_back() -> None:
    clip, _ = scene()
    other = texture(9, 5 * SIDE, 60.0)[:SIDE, :SIDE].clip(0, 255).astype(np.uint8)
    cut = np.broadcast_to(other[None, ..., None], clip.frames.shape)
    frames = clip.frames.copy()
    frames[2] = cut[2]
    part = build_part(COMPENSATED_DIFFERENCE, preset="robust")
    assert part.remarks(replace(clip, frames=frames)) == ("", "", "cut", "", "")


def test_a_backend_that_it_does_not_have_is_refused() -> None:
    with pytest.raises(ValidationError, match="backend"):
        COMPENSATED_DIFFERENCE.options.model_validate({"backend": "torch"})


def filmed(path: Path, *, order: Sequence[int]) -> Path:
    """A panning clip of `moving-shapes` whose pictures are shown in this order."""
    look = MovingShapesOptions.model_validate(
        {"size": 160, "frames": 30, "pan": 2.0, "ground_level": 90.0, "ground_texture": 22.0, "texture": 25.0}
    ).look()
    write_clip(draw_clip(look, "masks", 3)[list(order)], path, crf=20)
    return path


def overlap(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of each pair of masks."""
    return np.minimum(one, other).sum((1, 2)) / np.maximum(np.maximum(one, other).sum((1, 2)), 1)


@pytest.mark.parametrize("gap", [1, 2])
def test_pictures_shown_twice_change_no_mask(tmp_path: Path, gap: int) -> None:
    order = [place * 5 // 6 for place in range(36)]  # 25 pictures a second shown as 30
    once = VideoRef("once", filmed(tmp_path / "once.mp4", order=range(30)))
    twice = VideoRef("twice", filmed(tmp_path / "twice.mp4", order=order))
    places = [place for place in range(6, 30) if order[place] in (order[place - 1], order[place + 1])]
    mask = build_part(COMPENSATED_DIFFERENCE, gap=gap)
    wanted = mask(read_frames(once, indices=np.array([order[place] for place in places]), needs=mask.needs))
    got = mask(read_frames(twice, indices=np.array(places), needs=mask.needs))
    assert len(places) == 8
    assert overlap(wanted, got).mean() > (0.95 if gap == 1 else 0.8)
