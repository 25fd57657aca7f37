"""The laws of a mask, and what the background models find."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from fdakit_mog2 import MOG2, Mog2Options, build
from numpy.typing import NDArray

from fdakit.plugin import BuildContext, Clip, PluginError
from fdakit.testing.building import build_part
from fdakit.testing.masks import check_mask

needs_opencv = pytest.mark.skipif(not find_spec("cv2"), reason="OpenCV is not installed")
WARMUP = 8
SIDE = 112


def film(count: int, *, noise: float = 3) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return a patterned square going over a noisy ramp, 4 px a frame, `(count, h, w, 3)`, and where it is."""
    rng = np.random.default_rng(1)
    ground = np.broadcast_to(np.linspace(40, 120, SIDE)[None, :, None], (SIDE, SIDE, 3))
    square = rng.uniform(150, 250, (32, 32, 3))
    frames, truth = np.empty((count, SIDE, SIDE, 3), np.uint8), np.zeros((count, SIDE, SIDE), bool)
    for place in range(count):
        picture = ground.copy()
        box = np.s_[30:62, 4 * place : 4 * place + 32]
        picture[box] = square
        truth[place][box] = True
        frames[place] = np.clip(picture + noise * rng.standard_normal(picture.shape), 0, 255)
    return frames, truth


def clip_of(frames: NDArray[np.uint8], places: list[int], *, stride: int = 1) -> Clip:
    gaps = range(-WARMUP * stride, 0, stride)
    near = {gap: frames[np.clip(np.array(places) + gap, 0, None)] for gap in gaps}
    return Clip("film", frames[places], np.array(places) / 25, near)


def overlap(alpha: NDArray[np.float32], truth: NDArray[np.bool_]) -> float:
    marked = alpha > 0.5
    return float((marked & truth).sum() / (marked | truth).sum())


@needs_opencv
@pytest.mark.parametrize("options", [{}, {"model": "knn"}, {"warmup": 2, "stride": 3, "shadows": True}])
def test_it_obeys_the_laws_of_a_mask(options: dict[str, object]) -> None:
    check_mask(MOG2, **options)


@needs_opencv
@pytest.mark.parametrize("options", [{}, {"model": "knn"}, {"shadows": True, "stride": 2}])
def test_it_finds_what_moved_over_the_ground_that_it_learned(options: dict[str, Any]) -> None:
    frames, truth = film(20)
    found = build_part(MOG2, **options)(clip_of(frames, [10, 19], stride=options.get("stride", 1)))
    assert set(np.unique(found)) == {0, 1}
    assert overlap(found, truth[[10, 19]]) > 0.5


@needs_opencv
@pytest.mark.parametrize("model", ["mog2", "knn"])
def test_a_shadow_is_left_out_where_asked(model: str) -> None:
    frames = np.full((9, 64, 64, 3), (180, 150, 120), np.uint8)
    frames[8, 10:40, 10:40] = np.array([180, 150, 120]) * 0.7
    clip = clip_of(frames, [8])
    assert build_part(MOG2, model=model)(clip)[0, 10:40, 10:40].mean() > 0.9
    assert build_part(MOG2, model=model, shadows=True)(clip).max() == 0


@needs_opencv
def test_at_the_start_of_a_file_nothing_is_marked_and_one_frame_alone_is_whole() -> None:
    frames, _ = film(20)
    mask = build_part(MOG2)
    clip = clip_of(frames, [0, 19])
    assert mask(clip)[0].sum() == 0
    assert mask.remarks(clip) == ("", "")
    alone = clip_of(frames, [0])
    assert mask(alone).min() == 1
    assert mask.remarks(alone) == ("alone",)


@needs_opencv
def test_a_frame_does_not_depend_on_the_other_frames_of_its_clip() -> None:
    frames, _ = film(20)
    mask = build_part(MOG2)
    together = mask(clip_of(frames, [5, 12, 19]))
    np.testing.assert_array_equal(mask(clip_of(frames, [12]))[0], together[1])


@needs_opencv
def test_a_cut_on_the_way_is_told_where_a_fallback_is_asked_for() -> None:
    frames, _ = film(20)
    rng = np.random.default_rng(0)
    frames[:15] = 255 * rng.integers(0, 2, (15, SIDE // 8, SIDE // 8, 1)).repeat(8, axis=1).repeat(8, axis=2)
    mask = build_part(MOG2, fallback="whole-frame", min_coverage=0.0)
    clip = clip_of(frames, [18])
    assert mask.remarks(clip) == ("cut",)
    assert mask(clip).min() == 1


def test_without_opencv_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fdakit_mog2.find_spec", lambda name: None)
    with pytest.raises(PluginError, match="pip install opencv-python-headless"):
        build(Mog2Options(), BuildContext())
