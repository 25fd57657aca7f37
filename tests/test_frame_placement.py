"""`FramePlacement`: a map of the picture is shown as the transform shows the picture itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from fdakit.frame_placement import FramePlacement
from fdakit.plugin import Clip, Preprocess
from fdakit.settings import ViewSettings
from fdakit.video.transform import FrameTransform


def viewed(picture: NDArray[np.uint8], aspect: float = 1.0, **view: object) -> tuple[Clip, NDArray[np.uint8]]:
    """The transformed picture, and the same map placed."""
    clip = Clip("v", np.repeat(picture[None, ..., None], 3, axis=3), np.zeros(1), pixel_aspect=aspect)
    view = {"size": 24, "interpolation": "bilinear", **view}
    transform = FrameTransform(ViewSettings.model_validate(view), Preprocess(24, (0.5,) * 3, (0.5,) * 3))
    shown = transform(clip.placed(np.arange(1)), training=True, rng=np.random.default_rng(5))
    assert shown.placement is not None
    return shown, shown.placement.place(picture, shown.frames.shape[1:3])


@given(
    st.sampled_from(["shortest", "squash", "longest"]),
    st.integers(24, 90),
    st.integers(24, 90),
    st.booleans(),
    st.sampled_from([None, (0.2, 1.0)]),
    st.sampled_from([1.0, 1.5, 0.8]),
)
@settings(deadline=None, max_examples=60)
def test_a_smooth_picture_is_placed_as_the_transform_shows_it(
    resize: str, height: int, width: int, mirrored: bool, crop: tuple[float, float] | None, aspect: float
) -> None:
    y, x = np.ogrid[:height, :width]
    picture = (40 + 100 * y / height + 100 * x / width).astype(np.uint8)
    view = {"resize": resize, "flip": float(mirrored), "crop_scale": crop, "pixel_aspect": True}
    shown, placed = viewed(picture, aspect, **view)
    seen = shown.frames[0, ..., 0].astype(int)
    inner = (seen > 30) & (placed > 30)  # of black bars their edge may fall into the neighbouring pixel
    assert ((seen > 30) != (placed > 30)).mean() < 0.1
    assert np.abs(seen - placed)[inner].max() <= 2 + 200 / min(height, width)


@pytest.mark.parametrize("view", [{}, {"flip": 1.0}])
def test_without_resizing_it_is_the_transform_itself(view: dict[str, float]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (24, 41)).astype(np.uint8)
    shown, placed = viewed(picture, **view)
    np.testing.assert_array_equal(shown.frames[0, ..., 0], placed)


def test_a_box_beyond_the_picture_shows_bars() -> None:
    whole = FramePlacement((2, 2), top=-0.5, height=2.0)
    np.testing.assert_array_equal(whole.place(np.ones((2, 2)), (4, 2)), [[0, 0], [1, 1], [1, 1], [0, 0]])


def test_a_clip_that_was_not_placed_stays_so() -> None:
    clip = Clip("v", np.zeros((1, 30, 30, 3), np.uint8), np.zeros(1))
    transform = FrameTransform(ViewSettings(), Preprocess(24, (0.5,) * 3, (0.5,) * 3))
    assert transform(clip, training=False, rng=clip.rng()).placement is None
