"""What the options of moving-shapes do to the pixels: texture, camera, cut, contrast, shadow, encoding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from fdakit.builtin.datasets.moving_shapes import MovingShapesOptions
from fdakit.plugin import VideoRef
from fdakit.synthetic import render as module
from fdakit.synthetic.ground import plan_camera
from fdakit.synthetic.paint import darken
from fdakit.synthetic.scene import COLOURS, Shape, plan_scene
from fdakit.video import read_frames

PLAIN = MovingShapesOptions(noise=0.0)
LUMA = np.array([0.299, 0.587, 0.114])


def look(**changes: Any) -> Any:
    return PLAIN.model_copy(update=changes).look()


def draw(index: int = 3, **changes: Any) -> NDArray[np.float64]:
    return module.draw_clip(look(**changes), "test", index).astype(np.float64)


def truth(index: int = 3, **changes: Any) -> NDArray[np.bool_]:
    return module.mover_masks(look(**changes), "test", index)


def widened(masks: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    return np.stack([ndimage.binary_dilation(mask, np.ones((3, 3)), iterations=by) for mask in masks])


@pytest.mark.parametrize(
    ("changes", "split", "index", "digest"),
    [
        ({}, "train", 0, "be7377c74c763298"),
        ({}, "test", 41, "88c7253ca64a294f"),
        ({"pan": 1.3, "flicker": 9.0, "noise": 3.0, "distractors": 3}, "val", 7, "a45e1f724144c0f3"),
        ({"size": 96, "frames": 8, "pan": 3.0}, "train", 95, "b436d35075b3d715"),
    ],
)
def test_pixels_are_still_those_of_version_1(changes: dict[str, Any], split: str, index: int, digest: str) -> None:
    assert module.VERSION == 1
    frames = module.draw_clip(MovingShapesOptions(**changes).look(), split, index)
    assert blake2b(frames.tobytes(), digest_size=8).hexdigest() == digest


LOOKS: list[dict[str, Any]] = [
    {"texture": 14.0, "ground_texture": 20.0, "texture_scales": 4, "ground_level": 64.0},
    {"shadow": 0.8},
    {"contrast": 0.4},
    {"zoom": 0.02},
    {"rotation": 2.0},
    {"shake": 4.0},
    {"cut": True},
    {"zoom": 0.01, "rotation": 1.0, "shake": 2.0, "pan": 3.0, "cut": True, "flicker": 15.0},
]


@pytest.mark.parametrize("changes", LOOKS)
@pytest.mark.parametrize("index", [3, 8, 10])  # square, triangle, cross
def test_truth_is_where_the_mover_shows(changes: dict[str, Any], index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another colour of the mover changes the pixels of the truth, and none further than its smoothed edge."""
    usual, marked = draw(index, **changes), truth(index, **changes)
    mover = plan_scene(look(**changes), "test", index).mover
    other = next(colour for colour in COLOURS if colour != mover.kind[0])

    def recoloured(*arguments: Any) -> Any:
        scene = plan_scene(*arguments)
        return replace(scene, mover=replace(scene.mover, kind=(other, mover.kind[1])))

    monkeypatch.setattr(module, "plan_scene", recoloured)
    differs = (draw(index, **changes) != usual).any(axis=3)
    assert marked.any(axis=(1, 2)).all()
    assert not (marked & ~differs).any()
    assert not (differs & ~widened(marked, 2)).any()


def test_the_mover_keeps_its_path_whatever_the_camera_does() -> None:
    for changes in LOOKS:
        np.testing.assert_array_equal(truth(**changes), truth())


@pytest.mark.parametrize("index", [3, 8, 10])
def test_the_movers_speed_is_that_of_its_middle_in_both_directions(index: int) -> None:
    steps = np.diff(plan_scene(look(), "test", index).mover.centres, axis=0)
    found = module.mover_speeds(look(), "test", index)
    np.testing.assert_allclose(found, np.sqrt(steps[:, 0] ** 2 + steps[:, 1] ** 2), rtol=1e-9)
    panned = module.mover_speeds(look(pan=3.0), "test", index)
    assert panned.shape == found.shape
    assert not np.allclose(panned, found)


def shift_between(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.int64]:
    """Phase correlation: by how many pixels (right, down) content went from one picture to the other."""
    spectrum = np.fft.fft2(other) * np.conj(np.fft.fft2(one))
    peak = np.array(np.unravel_index(np.fft.ifft2(spectrum / (np.abs(spectrum) + 1e-9)).real.argmax(), one.shape))
    signed = np.where(peak > np.array(one.shape) / 2, peak - one.shape, peak)
    return signed[::-1]


def test_the_camera_shakes_by_up_to_so_many_pixels() -> None:
    changes = {"shake": 5.0, "distractors": 0, "size": 96, "contrast": 0.0}
    grey = draw(**changes) @ LUMA
    plan = plan_camera(look(**changes), 1, "test", 3).shift
    assert np.abs(plan).max() <= 5
    assert np.abs(plan).max(axis=0).min() > 3
    assert len(np.unique(plan)) == plan.size
    for place in range(1, len(grey)):
        # The camera goes one way, what it sees the other.
        seen = -shift_between(grey[place - 1], grey[place])
        assert np.abs(seen - (plan[place] - plan[place - 1])).max() <= 1, place


def test_pan_and_shake_add_up() -> None:
    changes = {"pan": 4.0, "distractors": 0, "size": 96, "contrast": 0.0}
    grey = draw(**changes, shake=1e-9) @ LUMA  # shown as any camera is, not by the faster way of a mere pan
    np.testing.assert_allclose(draw(**changes), draw(**changes, shake=1e-9), atol=1)
    assert {abs(int(shift_between(a, b)[0])) for a, b in pairwise(grey)} == {4}


def warped(picture: NDArray[np.float64], *, degrees: float, scale: float) -> NDArray[np.float64]:
    """The picture turned and enlarged about its middle."""
    angle, middle = np.deg2rad(degrees), (np.array(picture.shape) - 1) / 2
    back = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    turned: NDArray[np.float64] = ndimage.affine_transform(picture, back, middle - back @ middle, order=1)
    return turned


def best_of(candidates: list[float], warp: Callable[[float], NDArray[np.float64]], wanted: Any, where: Any) -> float:
    """The candidate that makes the one picture most like the other, by far; the median does not see the mover."""
    misses = {one: float(np.median(np.abs(warp(one) - wanted)[where])) for one in candidates}
    best = min(misses, key=lambda one: misses[one])
    assert misses[best] < 0.4 * min(miss for one, miss in misses.items() if one != best)
    return best


@pytest.mark.parametrize("index", range(3, 8))
def test_the_camera_turns_and_zooms_by_so_much(index: int) -> None:
    changes: dict[str, Any] = {"size": 96, "texture_scales": 4, "ground_texture": 20.0, "ground_level": 90.0}
    inner = np.hypot(*(np.indices((96, 96)) - 47.5)) < 36

    grey = draw(index, **changes, rotation=1.5) @ LUMA
    turns = [-9.0, -7.5, -6.0, 0.0, 6.0, 7.5, 9.0]
    assert abs(best_of(turns, lambda it: warped(grey[0], degrees=it, scale=1), grey[5], inner)) == 5 * 1.5

    grey = draw(index, **changes, zoom=0.02) @ LUMA
    scale = plan_camera(look(**changes, zoom=0.02), 1, "test", index).scale
    far, near = grey[[0, 5]] if scale[5] > scale[0] else grey[[5, 0]]
    scales = [1.0, 1.06, 1.02**5, 1.15]
    assert best_of(scales, lambda it: warped(far, degrees=0, scale=it), near, inner) == 1.02**5


def test_cameras_zoom_and_turn_to_either_side() -> None:
    cameras = [plan_camera(look(zoom=0.01, rotation=1.0), 1, "test", index) for index in range(20)]
    assert {bool(camera.scale[1] > camera.scale[0]) for camera in cameras} == {True, False}
    assert {float(np.sign(camera.turn[1])) for camera in cameras} == {-1.0, 1.0}
    assert min(camera.scale.min() for camera in cameras) == 1


def test_a_cut_leads_to_another_ground_and_other_shapes() -> None:
    usual, cut = draw(distractors=0), draw(distractors=0, cut=True)
    np.testing.assert_array_equal(cut[:8], usual[:8])
    outside = ~widened(truth(distractors=0), 2).any(axis=0)
    within = [np.abs(cut[place] - cut[place - 1])[outside].mean() for place in (*range(1, 8), *range(9, 16))]
    assert max(within) == 0
    assert np.abs(cut[8] - cut[7])[outside].mean() > 5
    assert abs(np.corrcoef((cut[8] @ LUMA)[outside], (cut[7] @ LUMA)[outside])[0, 1]) < 0.2
    scene = plan_scene(look(cut=True), "test", 3)
    assert scene.cut == 8
    assert len(scene.later) == 7
    colours = [shape.kind[0] for shape in (scene.mover, *scene.later)]
    assert sorted(colours) == sorted(COLOURS)


def test_texture_lies_on_shapes_alone_and_moves_with_them() -> None:
    changes: dict[str, Any] = {"size": 128, "ground_level": 64.0, "distractors": 2}
    added = (draw(**changes, texture=12.0) - draw(**changes)) @ LUMA
    scene = plan_scene(look(**changes), "test", 3)
    shapes = widened(truth(3, **changes), 1)
    rows, columns = np.indices((128, 128))
    for still in scene.still:
        x, y = still.centres[0]
        place = np.hypot(rows - y, columns - x) < still.radius + 2
        assert added[0][place].std() > 2, still
        shapes |= place
    assert np.abs(added[~shapes]).max() == 0
    inner = np.stack([ndimage.binary_erosion(mask, iterations=2) for mask in truth(3, **changes)])
    assert 6 < added[inner].std() < 15
    x, y = np.rint(scene.mover.centres).astype(int).T
    patches = [frame[j - 6 : j + 7, i - 6 : i + 7].ravel() for frame, i, j in zip(added, x, y, strict=True)]
    alike = np.corrcoef(patches)
    assert np.median(alike) > 0.8  # the path's fractions of a pixel blur what is left


def test_further_scales_are_coarser_and_of_the_same_deviation() -> None:
    def stepping(scales: int) -> float:
        grey = draw(ground_texture=12.0, texture_scales=scales, ground_level=90.0, distractors=0, size=128)[0] @ LUMA
        ground = grey[~widened(truth(distractors=0, size=128), 2)[0]]
        assert 9 < ground.std() < 15
        return float(np.abs(np.diff(grey, axis=0)).mean())

    steps = [stepping(scales) for scales in (1, 2, 3, 4)]
    assert steps == sorted(steps, reverse=True)
    assert steps[3] < 0.6 * steps[0]


def test_ground_level_and_texture_are_grey_levels() -> None:
    ground = draw(ground_level=100.0, ground_texture=0.0, distractors=0)[0][~widened(truth(distractors=0), 2)[0]]
    assert np.ptp(ground, axis=0).max() == 0
    assert 75 < ground.mean() < 125


def test_contrast_is_a_share_of_the_way_from_the_ground() -> None:
    flat: dict[str, Any] = {"ground_texture": 0.0, "distractors": 0}
    inner = np.stack([ndimage.binary_erosion(mask, iterations=3) for mask in truth(**flat)])
    full, ground = (np.median(draw(**flat, contrast=share)[inner], axis=0) for share in (1.0, 0.0))
    assert np.abs(full - ground).max() > 100
    for share in (0.15, 0.5):
        seen = np.median(draw(**flat, contrast=share)[inner], axis=0)
        np.testing.assert_allclose(seen, ground + share * (full - ground), atol=1.5)
    textured = draw(**flat, contrast=0.0, texture=12.0)[inner] - draw(**flat, contrast=0.0)[inner]
    assert textured.std() > 5  # then only its texture shows it


@pytest.mark.parametrize("index", [3, 4, 5])
def test_a_shadow_takes_light_beside_the_mover_and_follows_it(index: int) -> None:
    flat: dict[str, Any] = {"ground_level": 100.0, "ground_texture": 0.0, "distractors": 0}
    plain, dark = draw(index, **flat), draw(index, **flat, shadow=0.6)
    lost, inside = (plain - dark).mean(axis=3), truth(index, **flat)
    assert lost.min() >= 0
    assert np.abs(lost[np.stack([ndimage.binary_erosion(mask, iterations=2) for mask in inside])]).max() == 0
    assert np.isclose((lost / plain.mean(axis=3)).max(), 0.6, atol=0.05)
    beside = lost > 0
    assert (beside.sum(axis=(1, 2)) > 0.1 * inside.sum(axis=(1, 2))).all()
    reach = plan_scene(look(**flat), "test", index).mover.radius * 1.6 + 2
    assert not (beside & ~widened(inside, int(np.ceil(reach)))).any()


def test_a_shadow_does_not_come_in_at_the_other_side() -> None:
    canvas = np.ones((2, 40, 40, 3), np.float32)
    darken(canvas, Shape(("red", "square"), 8.0, np.array([[31.0, 31.0], [31.0, 8.0]])), 0.5)
    assert canvas.min() == 0.5
    assert (canvas[0, -1, -9:] < 1).all()
    assert (canvas[1, 8:20, -1] < 1).all()
    assert canvas[:, :20, :20].min() == 1
    assert canvas[0, :20].min() == 1


def test_crf_decides_how_coarsely_is_encoded(tmp_path: Path) -> None:
    frames = module.draw_clip(look(noise=4.0), "test", 0)
    sizes, misses = [], []
    for crf in (10, 20, 40):
        path = tmp_path / f"{crf}.mp4"
        module.write_clip(frames, path, crf=crf)
        decoded = read_frames(VideoRef("a", path), indices=np.arange(16)).frames
        sizes.append(path.stat().st_size)
        misses.append(np.abs(decoded.astype(int) - frames).mean())
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[2] < 0.3 * sizes[1]
    assert misses == sorted(misses)


@pytest.mark.parametrize("size", [32, 512])
def test_all_options_work_at_any_size(size: int, tmp_path: Path) -> None:
    changes = {**LOOKS[0], **LOOKS[-1], "shadow": 0.5, "contrast": 0.5, "frames": 3, "size": size}
    frames, marked = module.draw_clip(look(**changes), "test", 1), truth(1, **changes)
    assert frames.shape == (3, size, size, 3)
    assert marked.shape == (3, size, size)
    assert 0.01 < marked.mean() < 0.08
    module.write_clip(frames, tmp_path / "a.mp4", crf=20)
    assert read_frames(VideoRef("a", tmp_path / "a.mp4"), indices=np.array([2])).frames.shape == (1, size, size, 3)
