"""Turned videos whose pixels are not square: the pixels turn with the picture, and round things come out round."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from helpers.sample_videos import encode
from helpers.view_samples import tower

from fdakit.plugin import Needs, VideoRef
from fdakit.settings import ViewSettings
from fdakit.video import read_frames
from fdakit.video.thumbnails import thumbnail
from fdakit.video.transform import FrameTransform

WIDE = Fraction(4, 3)
TURNS = [(0, WIDE), (90, 1 / WIDE), (180, WIDE), (270, 1 / WIDE)]


@pytest.fixture(scope="module", params=TURNS, ids=str)
def turned(request, tmp_path_factory):
    """A film of a disk that is round where its pixels are 4:3 and shown after a turn; and its pixel aspect then."""
    turn, aspect = request.param
    y, x = np.indices((96, 96)) - 47.5
    disk = (np.hypot(y, x * float(WIDE)) < 30).astype(np.uint8) * 200
    film = np.stack([disk] * 4)[..., None].repeat(3, axis=3)
    path = encode(tmp_path_factory.mktemp("aspect") / "film.mp4", film, turn=turn, aspect=WIDE)
    return VideoRef("film", path), float(aspect)


def extent(picture):
    """Height and width of what is bright in `(h, w, 3)`."""
    bright = picture[..., 0] > 100
    return int(bright.any(axis=1).sum()), int(bright.any(axis=0).sum())


def test_the_aspect_is_that_of_the_upright_picture(turned):
    video, aspect = turned
    clip = read_frames(video, indices=np.array([1]))
    assert clip.pixel_aspect == pytest.approx(aspect)
    high, wide = extent(clip.frames[0])
    assert wide * aspect / high == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("mode", ["shortest", "longest"])
def test_a_round_thing_is_round_after_the_view_if_pixels_are_squared(turned, mode):
    video, aspect = turned
    clip = read_frames(video, indices=np.array([1]), needs=Needs(neighbours=(1,), luma=True))
    drawn = np.random.default_rng(0)
    squared = FrameTransform(ViewSettings(pixel_aspect=True), tower(size=72, resize=mode))(
        clip, training=False, rng=drawn
    )
    for pictures in (squared.frames, squared.neighbours[1], squared.luma[0][..., None]):
        high, wide = extent(pictures[0])
        assert abs(high - wide) <= 2
    stored = FrameTransform(ViewSettings(), tower(size=72, resize=mode))(clip, training=False, rng=drawn)
    high, wide = extent(stored.frames[0])
    assert wide * aspect / high == pytest.approx(1, rel=0.08)  # as stored, so not round


def test_a_thumbnail_is_round_too(turned):
    from io import BytesIO

    from PIL import Image

    video, _ = turned
    made = thumbnail(video)
    assert made is not None
    high, wide = extent(np.asarray(Image.open(BytesIO(made)).convert("RGB")))
    assert abs(high - wide) <= 3
