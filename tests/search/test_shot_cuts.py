"""Cuts of films: found to the frame, in films of any length, and none where a scene only moves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import sample_videos
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from fdakit.plugin import VideoRef
from fdakit.random_keys import keyed_rng
from fdakit.search import shot_cuts
from fdakit.search.shot_cuts import cut_times, film_cuts
from fdakit.video import OpenVideo, read_frames


def shot(seed: int, count: int) -> NDArray[np.uint8]:
    """A camera's travel over a coloured texture: `(count, 96, 96, 3)`."""
    rng = keyed_rng(0, f"shot {seed}")
    cloth = gaussian_filter(rng.standard_normal((96, 96 + count, 3)), (8, 8, 0))
    ground = np.clip(110 + rng.uniform(-40, 40, 3) + 40 * cloth / cloth.std(), 0, 255).astype(np.uint8)
    return np.stack([ground[:, place : place + 96] for place in range(count)])


def cuts(path: Path) -> list[float]:
    with OpenVideo(VideoRef(path.name, path)) as opened:
        return cut_times(opened)


def test_cuts_are_found_to_the_frame(tmp_path: Path) -> None:
    lengths = [40, 61, 30, 87]
    film = np.concatenate([shot(seed, length) for seed, length in enumerate(lengths)])
    path = sample_videos.encode(tmp_path / "film.mp4", film, options={"qp": "14", "g": "50", "bf": "2"})
    assert cuts(path) == pytest.approx((np.cumsum(lengths)[:-1] / 25).tolist())


def test_it_does_not_matter_how_many_frames_are_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = np.concatenate([shot(seed, 40) for seed in range(4)])
    path = sample_videos.encode(tmp_path / "film.mp4", film, options={"qp": "14"})
    found = cuts(path)
    assert len(found) == 3
    for chunk in (1, 2, 3):
        monkeypatch.setattr(shot_cuts, "_CHUNK", chunk)
        assert cuts(path) == found


@pytest.mark.parametrize("count", [1, 2, 120])
def test_a_single_shot_has_none(tmp_path: Path, count: int) -> None:
    assert cuts(sample_videos.encode(tmp_path / "film.mp4", shot(0, count), options={"qp": "14"})) == []


def test_a_change_is_measured_by_those_around_it() -> None:
    calm, wild = np.full(200, 0.02), np.full(60, 0.2)
    changes = np.concatenate([calm, wild, calm])
    changes[[100, 230, 400]] = (0.3, 0.6, 0.3)
    assert np.flatnonzero(film_cuts(changes))[[0, -1]].tolist() == [100, 400]
    assert set(np.flatnonzero(film_cuts(changes))) - {100, 230, 400} <= {*range(200, 213), *range(248, 260)}
    assert film_cuts(changes)[230]


def test_natural_clips_joined_to_a_film_are_told_apart(data_dir: Path, tmp_path: Path) -> None:
    names = ("bears.mp4", "chaplin.mp4", "hitting_baseball.mp4", "talking_head_a.mpg", "yoga.mp4")
    parts = []
    for name in names:
        video = VideoRef(name, data_dir / "videos" / "natural" / name)
        parts.append(read_frames(video, indices=np.arange(0, 50, 2), size=(96, 128)).frames)
    path = sample_videos.encode(tmp_path / "film.mp4", np.concatenate(parts), options={"qp": "20"})
    assert cuts(path) == pytest.approx([1.0, 2.0, 3.0, 4.0])
