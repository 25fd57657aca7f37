"""`three-frame`, `median-background`, `motion-vectors` and `flow`: the laws that they share, on drawn clips."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from helpers.clip_batches import clip_batch
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from fdakit import PluginError
from fdakit.builtin.masks.flow import FLOW
from fdakit.builtin.masks.median_background import MEDIAN_BACKGROUND
from fdakit.builtin.masks.motion_vectors import MOTION_VECTORS
from fdakit.builtin.masks.three_frame import THREE_FRAME
from fdakit.plugin import Clip
from fdakit.testing.building import build_part
from fdakit.testing.masks import check_mask

pytestmark = pytest.mark.integration

Frames = NDArray[np.uint8]
ALL = {part.name: part for part in (THREE_FRAME, MEDIAN_BACKGROUND, MOTION_VECTORS, FLOW)}
RAW = {"closing": 0, "opening": 0, "min_area": 0}
RAW_OF = {name: RAW | ({"fill_holes": False} if name == "motion-vectors" else {}) for name in ALL}
each = pytest.mark.parametrize("name", ALL)
needs_opencv = pytest.mark.skipif(not find_spec("cv2"), reason="OpenCV is not installed")


def clip_for(mask: Any, film: Frames, places: list[int], rows: list[Any] | None = None) -> Clip:
    """The frames of a film `(n, h, w, 3)` at these places, with what the mask needs, as a reader gives them."""
    where = np.array(places)
    near = {gap: film[np.clip(where + gap, 0, len(film) - 1)] for gap in mask.needs.neighbours}
    vectors = None
    if mask.needs.motion_vectors:
        vectors = tuple(np.zeros((0, 6), np.float32) for _ in places) if rows is None else tuple(rows)
    return Clip("film", film[where], where / 25, near, motion_vectors=vectors)


def blots(seed: int, count: int, side: int = 32, *, high: int = 200) -> Frames:
    """Unlike frames of grey blots, each of 4 px."""
    coarse = np.random.default_rng(seed).integers(0, high, (count, side // 4, side // 4, 1), np.uint8)
    return coarse.repeat(4, axis=1).repeat(4, axis=2).repeat(3, axis=3)


def drawn_rows(seed: int, count: int, side: int = 32) -> list[Any]:
    """Motion vectors of blocks of 8 px, some of which moved."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        middles = np.mgrid[4:side:8, 4:side:8].reshape(2, -1).T
        moved = np.where(rng.random((len(middles), 1)) < 0.3, rng.uniform(-6, 6, (len(middles), 2)), 0)
        rows.append(np.concatenate([middles, np.full((len(middles), 2), 8), moved], axis=1).astype(np.float32))
    return rows


def drawn(name: str, seed: int, *, high: int = 200, **options: Any) -> tuple[Any, Clip]:
    """A mask, and the clip of three frames that the seed draws for it."""
    mask = build_part(ALL[name], **options)
    return mask, clip_for(mask, blots(seed, 9, high=high), [1, 4, 7], drawn_rows(seed, 3))


def brighter(clip: Clip, level: int) -> Clip:
    near = {gap: frames + np.uint8(level) for gap, frames in clip.neighbours.items()}
    return replace(clip, frames=clip.frames + np.uint8(level), neighbours=near)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("three-frame", {}),
        ("three-frame", {"reference": "sampled", "grey": "max-channel", "threshold": 0}),
        ("three-frame", {"backend": "torch", "alpha": "soft", "fallback": "whole-frame"}),
        ("three-frame", {"grey": "decoder-luma", "working_size": 40, "threshold_rule": "mad"}),
        ("median-background", {}),
        ("median-background", {"warmup": 0, "grey": "max-channel", "fallback": "whole-frame"}),
        ("median-background", {"warmup": 3, "grey": "decoder-luma", "working_size": 40, "alpha": "soft"}),
        ("motion-vectors", {}),
        ("motion-vectors", {"camera": "none", "texture": 0, "without_vectors": "whole-frame", "alpha": "soft"}),
        ("motion-vectors", {"camera": "similarity", "threshold": 0, "without_vectors": "empty"}),
        ("flow", {"working_size": 48, "iterations": 2}),
        pytest.param("flow", {"method": "dis", "working_size": 48}, marks=needs_opencv),
        (
            "flow",
            {"method": "ilk", "working_size": 48, "warps": 1, "camera": "none", "threshold": 0, "alpha": "soft"},
        ),
    ],
)
def test_the_contracts_laws_hold(name: str, options: dict[str, Any]) -> None:
    check_mask(ALL[name], **options)


@each
@given(st.integers(0, 2**32), st.integers(2, 4), st.booleans())
@settings(max_examples=5)
def test_a_clip_that_stands_still_is_empty_and_so_falls_back(name: str, seed: int, count: int, noisy: bool) -> None:
    picture = blots(seed, 1) if noisy else np.full((1, 32, 32, 3), seed % 256, np.uint8)
    film = picture.repeat(9, axis=0)
    mask = build_part(ALL[name])
    clip = clip_for(mask, film, list(range(count)))
    assert mask(clip).max() == 0
    assert mask.remarks(clip) == ("",) * count
    falls = build_part(ALL[name], fallback="whole-frame")
    assert falls(clip).min() == 1
    assert falls.remarks(clip) == ("empty",) * count


@pytest.mark.parametrize("name", ["three-frame", "median-background", "flow"])
def test_one_frame_with_nothing_to_compare_is_marked_whole(name: str) -> None:
    mask = build_part(ALL[name])
    clip = clip_for(mask, blots(0, 1), [0])
    assert mask(clip).min() == 1
    assert mask.remarks(clip) == ("alone",)
    compared = clip_for(mask, blots(0, 60, 64), [30])
    assert mask.remarks(compared) == ("",)
    assert mask(compared).min() == 0


@each
@given(st.integers(0, 2**32), st.integers(1, 55))
@settings(max_examples=8)
def test_a_level_added_to_all_frames_changes_nothing(name: str, seed: int, level: int) -> None:
    mask, clip = drawn(name, seed, **RAW_OF[name])
    found = mask(clip)
    assert 0 < found.mean() < 1
    np.testing.assert_array_equal(mask(brighter(clip, level)), found)


@pytest.mark.parametrize("name", ["three-frame", "median-background"])
@pytest.mark.parametrize("axis", [1, 2])
@given(st.integers(0, 2**32))
@settings(max_examples=8)
def test_a_mirrored_clip_has_the_mirrored_mask(name: str, axis: int, seed: int) -> None:
    for options in ({}, RAW, {"fill_holes": True, "dilation": 7, "alpha": "soft"}):
        mask, clip = drawn(name, seed, high=256, **options)
        near = {gap: np.flip(frames, axis) for gap, frames in clip.neighbours.items()}
        turned = replace(clip, frames=np.flip(clip.frames, axis), neighbours=near)
        np.testing.assert_array_equal(mask(turned), np.flip(mask(clip), axis))


def test_mirrored_vectors_give_the_mirrored_mask() -> None:
    mask, clip = drawn("motion-vectors", 3, **RAW_OF["motion-vectors"])
    turned = tuple(
        rows * np.array([-1, 1, 1, 1, -1, 1], np.float32) + (32, 0, 0, 0, 0, 0) for rows in drawn_rows(3, 3)
    )
    mirrored = replace(clip, frames=clip.frames[:, :, ::-1], motion_vectors=turned)
    found = mask(clip)
    assert 0 < found.mean() < 1
    np.testing.assert_array_equal(mask(mirrored), found[:, :, ::-1])


@pytest.mark.integration
@each
@given(st.integers(0, 2**32))
@settings(max_examples=6)
def test_a_higher_threshold_marks_a_part_of_what_a_lower_one_does(name: str, seed: int) -> None:
    levels = (0, 0.4, 1, 2, 4, 100) if name in ("motion-vectors", "flow") else (0, 10, 30, 90, 255)
    found = []
    for threshold in levels:
        mask, clip = drawn(name, seed, threshold=threshold, **RAW_OF[name])
        found.append(mask(clip))
    assert all((higher <= lower).all() for lower, higher in pairwise(found))
    assert found[0].mean() > found[-1].mean() == 0


@each
@given(st.integers(0, 2**32))
@settings(max_examples=6)
def test_hard_masks_are_0_or_1_and_soft_ones_lie_within_them(name: str, seed: int) -> None:
    mask, clip = drawn(name, seed, **RAW_OF[name])
    hard = mask(clip)
    assert set(np.unique(hard)) == {0, 1}
    soft, _ = drawn(name, seed, alpha="soft", **RAW_OF[name])
    found = soft(clip)
    assert ((found > 0) == (hard > 0)).all()
    assert 0 < found.max() <= 1


@given(st.integers(0, 2**32), st.sampled_from(["native", "sampled"]), st.sampled_from(["bt601", "max-channel"]))
@settings(max_examples=10)
def test_three_frame_is_the_smaller_of_two_differences(seed: int, reference: str, grey: str) -> None:
    mask, clip = drawn("three-frame", seed, reference=reference, grey=grey, threshold=30, **RAW)
    now = clip.frames[..., 0].astype(int)
    if reference == "native":
        before, after = (clip.neighbours[gap][..., 0].astype(int) for gap in (-3, 3))
    else:
        before, after = now[[1, 0, 1]], now[[1, 2, 1]]
    told = np.minimum(abs(now - before), abs(now - after)) > 30
    np.testing.assert_array_equal(mask(clip), told.astype(np.float32))


def test_at_the_ends_of_a_file_the_other_neighbour_alone_counts() -> None:
    film = blots(5, 9)
    mask = build_part(THREE_FRAME, threshold=30, gap=3, **RAW)
    levels = film[..., 0].astype(int)
    found = mask(clip_for(mask, film, [0, 8]))
    np.testing.assert_array_equal(found[0], abs(levels[0] - levels[3]) > 30)
    np.testing.assert_array_equal(found[1], abs(levels[8] - levels[5]) > 30)


@given(st.integers(0, 2**32), st.integers(0, 5), st.integers(1, 5))
@settings(max_examples=10)
def test_the_background_is_the_median_of_all_frames(seed: int, warmup: int, count: int) -> None:
    mask = build_part(MEDIAN_BACKGROUND, warmup=warmup, gap=1, threshold=30, **RAW)
    assert len(mask.needs.neighbours) == warmup
    clip = clip_for(mask, blots(seed, 9, high=256), list(range(2, 2 + count)))
    if warmup + count == 1:
        assert mask(clip).min() == 1
        return
    every = np.concatenate([clip.frames, *clip.neighbours.values()])[..., 0]
    told = np.abs(clip.frames[..., 0].astype(int) - np.floor(np.median(every, axis=0))) > 30
    np.testing.assert_array_equal(mask(clip), told.astype(np.float32))


@pytest.mark.parametrize(("warmup", "gaps"), [(0, ()), (1, (-5,)), (4, (-10, -5, 5, 10)), (3, (-10, -5, 5))])
def test_the_warm_up_lies_around_each_frame(warmup: int, gaps: tuple[int, ...]) -> None:
    assert build_part(MEDIAN_BACKGROUND, warmup=warmup, gap=5).needs.neighbours == gaps


@pytest.mark.parametrize(
    ("method", "wrong"), [("tvl1", 0.25), ("ilk", 0.25), pytest.param("dis", 0.3, marks=needs_opencv)]
)
def test_flow_marks_where_things_are_and_not_where_its_neighbour_has_them(method: str, wrong: float) -> None:
    y, x = np.mgrid[:64, :64].astype(float)
    grain = gaussian_filter(np.random.default_rng(0).standard_normal((64, 64)), 1.5)
    push = 6 * np.exp(-((y - 32) ** 2 + (x - 28) ** 2) / (2 * 9**2))  # px to the right, until the neighbour
    there = np.clip(128 + 40 * grain / grain.std(), 0, 255)
    now, near = (
        np.uint8(np.clip(picture, 0, 255))[None, ..., None].repeat(3, axis=-1)
        for picture in (map_coordinates(there, [y, x + push], mode="nearest"), there)
    )
    mask = build_part(FLOW, method=method, working_size=64, camera="none", threshold=3 * 224 / 64, **RAW)
    marked = mask(Clip("push", now, np.zeros(1), dict.fromkeys((-2, 2), near)))[0] > 0
    assert (marked != (push > 3)).sum() < wrong * (push > 3).sum()
    np.testing.assert_allclose(x[marked].mean(), 28, atol=1)


def grain(rng: np.random.Generator, side: int) -> NDArray[np.uint8]:
    blurred = gaussian_filter(rng.standard_normal((side, side)), 1.5)
    return np.clip(128 + 45 * blurred / blurred.std(), 0, 255).astype(np.uint8)


def moving_part(
    seed: int, *, move: tuple[int, int], pan: tuple[int, int], side: int = 112, part: int = 36
) -> tuple[Clip, NDArray[np.bool_]]:
    """A textured square that moves by px `move` over ground that moves by `pan`, and where it is in the frame."""
    rng = np.random.default_rng(seed)
    ground, thing = grain(rng, side + 16), grain(rng, part)
    pictures = []
    for time in (0, 1):
        top, left = 8 - pan[1] * time, 8 - pan[0] * time
        picture = ground[top : top + side, left : left + side].copy()
        y, x = 38 + move[1] * time, 34 + move[0] * time
        picture[y : y + part, x : x + part] = thing
        pictures.append(picture[None, ..., None].repeat(3, axis=-1))
    truth = np.zeros((side, side), bool)
    truth[y : y + part, x : x + part] = True
    return Clip("part", pictures[1], np.zeros(1), dict.fromkeys((-2, 2), pictures[0])), truth


@needs_opencv
@pytest.mark.parametrize(("move", "pan"), [((3, 2), (2, 1)), ((-4, 3), (2, 1)), ((6, -5), (0, 0))])
@pytest.mark.parametrize("seed", range(3))
def test_dis_finds_at_least_two_thirds_of_a_moving_part(
    seed: int, move: tuple[int, int], pan: tuple[int, int]
) -> None:
    clip, truth = moving_part(seed, move=move, pan=pan)
    marked = build_part(FLOW, method="dis", working_size=112)(clip)[0] > 0
    assert (marked & truth).sum() / (marked | truth).sum() > 2 / 3


@needs_opencv
@pytest.mark.parametrize("shape", [(8, 8), (2, 40), (20, 9), (33, 31)])
def test_dis_takes_pictures_smaller_than_its_pyramid(shape: tuple[int, int]) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (1, *shape, 3), np.uint8)
    near = dict.fromkeys((-2, 2), np.roll(frames, 1, axis=2))
    assert build_part(FLOW, method="dis", threshold=0)(Clip("small", frames, np.zeros(1), near)).shape == (1, *shape)


def test_dis_without_opencv_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fdakit.mask_ops.backends.find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r"mask.method 'dis': cv2 is not installed; .*or set method = 'tvl1'"):
        build_part(FLOW, method="dis", backend="numpy")


@given(st.integers(0, 2**32))
@settings(max_examples=5)
def test_torch_gives_the_masks_of_the_reference(seed: int) -> None:
    import torch

    mask, clip = drawn("three-frame", seed, backend="scikit-image", threshold=40)

    def moved(frames: Frames) -> torch.Tensor:
        return torch.from_numpy(frames).permute(0, 3, 1, 2).unsqueeze(0)

    near = {gap: moved(frames) for gap, frames in clip.neighbours.items()}
    batch = replace(clip_batch(moved(clip.frames)), neighbours=near)
    there = build_part(THREE_FRAME, backend="torch", threshold=40)
    np.testing.assert_array_equal(there(batch)[0], mask(clip))


@pytest.mark.parametrize("name", ["median-background", "motion-vectors", "flow"])
def test_a_backend_that_is_not_offered_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="backend"):
        build_part(ALL[name], backend="torch")
