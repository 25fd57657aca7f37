"""Masks on real video: a square that moves, through H.264; and every file of the data folder that can be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.sample_videos import encode, rows
from numpy.typing import NDArray

from fdakit import VideoError
from fdakit.builtin.masks.flow import FLOW
from fdakit.builtin.masks.frame_difference import FRAME_DIFFERENCE
from fdakit.builtin.masks.median_background import MEDIAN_BACKGROUND
from fdakit.builtin.masks.motion_vectors import MOTION_VECTORS
from fdakit.builtin.masks.three_frame import THREE_FRAME
from fdakit.catalog import load_catalog
from fdakit.plugin import Clip, Needs, VideoRef
from fdakit.testing.building import Part, build_part
from fdakit.video import frame_times, read_frames

SIZE, SIDE, COUNT = (160, 224), 56, 26
SAMPLED = np.array([4, 9, 14, 19, 24])
PLAIN = {"crf": "23"}


def cloth(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float64]:
    """A seamless pattern of blots `(h, w, 3)` of deviation 1."""
    noise = rng.standard_normal((height, width, 3))
    for step in (1, 2, 3, 4):
        noise = noise + np.roll(noise, step, axis=0)
        noise = noise + np.roll(noise, step, axis=1)
    return np.asarray(noise / noise.std())


def scene(*, pan: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A patterned square goes 3 px to the right and 1 down a frame, over a ground that goes `pan` px to the left."""
    rng = np.random.default_rng(0)
    ground = np.clip(110 + 35 * cloth(rng, SIZE[0], SIZE[1] + pan * COUNT), 0, 255)
    square = np.clip(140 + 45 * cloth(rng, SIDE, SIDE), 0, 255)
    frames, truth = np.empty((COUNT, *SIZE, 3), np.uint8), np.zeros((COUNT, *SIZE), bool)
    for place in range(COUNT):
        box = np.s_[15 + place : 15 + place + SIDE, 10 + 3 * place : 10 + 3 * place + SIDE]
        frames[place] = ground[:, pan * place : pan * place + SIZE[1]]
        frames[place][box] = square
        truth[place][box] = True
    return frames, truth


@pytest.fixture(scope="module", params=[0, 2], ids=["still", "pan"])
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, VideoRef, Any]:
    """The camera's pan, the video, and where the square is."""
    frames, truth = scene(pan=request.param)
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return request.param, VideoRef("film", encode(path, frames, options=PLAIN)), truth


def overlap(part: Part, film: tuple[int, VideoRef, Any], **options: Any) -> float:
    """Intersection over union of a mask with the square, on average."""
    _, video, truth = film
    mask = build_part(part, **options)
    found = mask(read_frames(video, indices=SAMPLED, needs=mask.needs)) > 0.5
    both, either = (found & truth[SAMPLED]).sum((1, 2)), (found | truth[SAMPLED]).sum((1, 2))
    return float((both / either).mean())


@pytest.mark.parametrize(
    ("part", "options", "least"),
    [
        (MOTION_VECTORS, {}, 0.6),
        (MOTION_VECTORS, {"camera": "similarity"}, 0.6),
        (FLOW, {}, 0.6),
        (FLOW, {"method": "ilk", "radius": 3, "gap": 1, "camera": "translation"}, 0.5),
    ],
)
def test_what_takes_the_camera_off_finds_the_square_also_in_a_pan(
    part: Part, options: dict[str, Any], least: float, film: tuple[int, VideoRef, Any]
) -> None:
    assert overlap(part, film, **options) > least


@pytest.mark.parametrize("part", [THREE_FRAME, MEDIAN_BACKGROUND], ids=lambda part: part.name)
def test_what_compares_pixels_finds_the_square_where_the_camera_stands_still(
    part: Part, film: tuple[int, VideoRef, Any]
) -> None:
    found, plain = overlap(part, film), overlap(FRAME_DIFFERENCE, film)
    if film[0]:
        assert found < 0.3
        assert plain < 0.3
    else:
        assert found > 0.6 > plain


def test_without_the_camera_taken_off_a_pan_floods_vectors(film: tuple[int, VideoRef, Any]) -> None:
    found = overlap(MOTION_VECTORS, film, camera="none")
    assert found < 0.3 if film[0] else found > 0.6


def test_frames_without_vectors_have_the_mask_that_is_asked_for(film: tuple[int, VideoRef, Any]) -> None:
    needs = Needs(motion_vectors=True)
    clip = read_frames(film[1], indices=np.array([0, 1, 9, 20]), needs=needs)
    assert [rows is None for rows in clip.motion_vectors or ()] == [True, False, False, False]
    mask = build_part(MOTION_VECTORS)
    found = mask(clip)
    assert mask.remarks(clip) == ("no-vectors", "", "", "")
    assert 0 < found[1].mean() < 1
    np.testing.assert_array_equal(found[0], found[1])
    far = replace(clip, times=np.array([8.9, 1.0, 9.0, 20.0]))
    np.testing.assert_array_equal(mask(far)[0], found[2])
    for option, level in (("whole-frame", 1), ("empty", 0)):
        other = build_part(MOTION_VECTORS, without_vectors=option)
        assert (other(clip)[0] == level).all()
        assert other.remarks(clip) == ("no-vectors", "", "", "")
        np.testing.assert_array_equal(other(clip)[1:], found[1:])


def test_a_codec_without_vectors_gives_whole_frames_and_says_so(tmp_path: Path) -> None:
    frames, _ = scene(pan=0)
    video = VideoRef("a", encode(tmp_path / "a.avi", frames[:6], codec="mjpeg", options={}))
    mask = build_part(MOTION_VECTORS)
    clip = read_frames(video, indices=np.array([0, 3]), needs=mask.needs)
    assert mask.remarks(clip) == ("no-vectors", "no-vectors")
    assert mask(clip).min() == 1
    assert build_part(MOTION_VECTORS, without_vectors="empty")(clip).max() == 0


def test_vectors_on_flat_ground_are_noise(film: tuple[int, VideoRef, Any]) -> None:
    frames = np.full((1, *SIZE, 3), 90, np.uint8)
    frames[0, 40:80, 40:80] = np.random.default_rng(0).integers(0, 256, (40, 40, 1))
    blocks = np.array([[60, 60, 16, 16, 5, 0], [150, 100, 16, 16, 5, 0], [60, 44, 16, 16, 0, 0]], np.float32)
    still = np.array([[x, y, 16, 16, 0, 0] for y in (48, 72) for x in (48, 72)], np.float32)
    clip = Clip("a", frames, np.zeros(1), motion_vectors=(np.concatenate([blocks, still]),))
    marked = build_part(MOTION_VECTORS)(clip)[0]
    assert marked[60, 60] == 1
    assert marked[100, 150] == 0
    assert build_part(MOTION_VECTORS, texture=0)(clip)[0][100, 150] == 1


def masks() -> list[tuple[str, Any]]:
    """Every built-in mask, as a recipe without options builds it, but `files`, which needs masks of the videos."""
    offers = [o for o in load_catalog().offers if o.kind == "mask" and o.component.name != "files"]
    return [(offer.component.name, build_part(offer.component)) for offer in offers]


@pytest.mark.integration
def test_no_mask_fails_on_any_file_that_can_be_read(data_dir: Path) -> None:
    built, folder, looked_at = masks(), data_dir / "videos/odd", 0
    assert len(built) >= 7
    every = tuple(sorted({gap for _, mask in built for gap in mask.needs.neighbours}))
    for row in rows(folder / "odd.tsv"):
        video = VideoRef(row["path"], folder / row["path"])
        try:
            count = len(frame_times(video))
            indices = np.unique([0, count // 2, count - 1])
            clip = read_frames(
                video, indices=indices, needs=Needs(every, motion_vectors=True, luma=True), size=(48, 64)
            )
        except VideoError:
            continue
        looked_at += 1
        for name, mask in built:
            own = replace(clip, neighbours={gap: clip.neighbours[gap] for gap in mask.needs.neighbours})
            found = mask(own)
            where = f"{name} on {row['path']}"
            assert found.shape == (len(indices), 48, 64), where
            assert np.isfinite(found).all(), where
            assert 0 <= found.min() <= found.max() <= 1, where
            if hasattr(mask, "remarks"):
                assert len(mask.remarks(own)) == len(indices), where
    assert looked_at >= 50
