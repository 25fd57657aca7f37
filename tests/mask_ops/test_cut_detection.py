"""Cuts: found between scenes, dark or bright, and not within them; measured on pairs of real clips.

The full measurement: `python -m pytest -m proof tests/masking/test_scene_cuts.py -s`.
"""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from fdakit.mask_ops import (
    get_backend,
    histogram_cuts,
    joined_cuts,
    neighbour_cuts,
    outside_longest_scene,
    sampled_cuts,
)
from fdakit.mask_ops.cut_detection import cuts_among, scene_changes
from fdakit.plugin import VideoRef, keyed_rng
from fdakit.video import frame_times, read_frames

Frames = NDArray[np.uint8]

# Clips of several scenes, by eye.
SEVERAL = {"arm_wrestling", "bikes", "making_cake", "video7500", "video9770", "video9771"}
BRIGHT, DARK = 1.0, 0.12


def scene(seed: str, *, deep: float = 40.0, level: float = 110.0) -> NDArray[np.float64]:
    """A smooth coloured texture `(200, 200, 3)`."""
    rng = keyed_rng(0, seed)
    cloth = gaussian_filter(rng.standard_normal((200, 200, 3)), (9, 9, 0))
    return level + rng.uniform(-30, 30, 3) + deep * cloth / cloth.std()


def shot(seed: str, count: int, *, step: int = 2, **look: float) -> Frames:
    """A camera's travel over a scene: `(count, 96, 96, 3)`."""
    ground = scene(seed, **look)
    frames = [ground[:96, step * place : step * place + 96] for place in range(count)]
    return np.clip(np.rint(frames), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("light", [BRIGHT, DARK])
def test_another_scene_is_a_cut_and_a_moving_camera_is_none(light: float) -> None:
    film = np.concatenate([shot("one", 6, step=6), shot("two", 6, step=6)])
    film = (film * light).astype(np.uint8)
    assert sampled_cuts(film).tolist() == [place == 6 for place in range(12)]
    assert not sampled_cuts(film[:6]).any()


@settings(max_examples=25)
@given(st.integers(0, 60), st.floats(0.5, 1.0), st.integers(0, 40))
def test_light_and_contrast_make_no_cut(seed: int, gain: float, bias: int) -> None:
    frames = shot(f"scene-{seed}", 4)
    lit = np.stack([*frames[:2], *np.rint(frames[2:] * gain + bias).clip(0, 255).astype(np.uint8)])
    assert not sampled_cuts(lit).any()


@pytest.mark.parametrize("light", [BRIGHT, DARK])
def test_grain_on_even_ground_makes_no_cut(light: float) -> None:
    grain = 90 * light + keyed_rng(0, "grain").normal(0, 6 * light, (8, 96, 96, 3))
    assert not sampled_cuts(np.clip(np.rint(grain), 0, 255).astype(np.uint8)).any()


def test_few_frames_have_cuts_too() -> None:
    one, other = shot("one", 1), shot("two", 1, level=60.0)
    assert sampled_cuts(one).tolist() == [False]
    assert sampled_cuts(np.concatenate([one, other])).tolist() == [False, True]
    assert neighbour_cuts(one, other).tolist() == [True]
    assert neighbour_cuts(one, one).tolist() == [False]
    assert scene_changes(one, one).tolist() == [0.0]


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("alike", [0.0, 0.5, 0.9])
def test_a_change_is_the_product_of_two_distances(count: int, alike: float) -> None:
    rng = keyed_rng(count, "cells")
    one = rng.integers(0, 256, (count, 28, 28, 3), np.uint8)
    other = rng.integers(0, 256, (count, 28, 28, 3), np.uint8) // np.array([4, 1, 2], np.uint8)
    other = np.where(rng.random((count, 28, 28, 1)) < alike, one, other)
    found = scene_changes(*(cells.repeat(2, axis=1).repeat(2, axis=2) for cells in (one, other)))
    x, y = (cells.reshape(count, -1, 3).astype(float) for cells in (one, other))
    edges = [np.quantile(np.concatenate([x, y])[..., c], np.arange(1, 16) / 16) for c in range(3)]
    for place in range(count):
        grey = [levels[place] @ (0.299, 0.587, 0.114) for levels in (x, y)]
        uncorrelated = 1 - max(0.0, np.corrcoef(*grey)[0, 1])
        recoloured = []
        for c in range(3):
            bins = [(levels[place, :, c, None] > edges[c]).sum(axis=1) for levels in (x, y)]
            left, right = (np.bincount(of, minlength=16) for of in bins)
            recoloured.append(np.maximum(left - right, 0).sum() / (28 * 28))
        assert found[place] == pytest.approx(uncorrelated * max(recoloured), abs=1e-9)


@pytest.mark.parametrize(("level", "told"), [(1, 0.0), (2, 1.0)])
def test_frames_that_differ_by_less_than_two_levels_tell_of_no_other_scene(level: int, told: float) -> None:
    even = np.full((1, 56, 56, 3), 90, np.uint8)
    assert scene_changes(even, even + np.uint8(level)).tolist() == [told]


@given(st.lists(st.floats(0, 1), max_size=12))
def test_a_cut_is_four_times_the_usual_change_within_limits(changes: list[float]) -> None:
    found = cuts_among(np.array(changes))
    usual = sorted(changes)[(len(changes) - 1) // 2] if changes else 0.0
    limit = min(max(4 * usual, 0.15), 0.4)
    assert found.tolist() == [change > limit for change in changes]


def test_sides_are_joined_and_one_that_is_the_frame_itself_has_no_say() -> None:
    one, other = shot("one", 4), shot("two", 4, level=60.0)
    cut, none, itself = other, shot("one", 5)[1:], one
    for sides, both, either in (
        ((cut, none), False, True),
        ((cut, cut), True, True),
        ((cut, itself), True, True),
        ((itself, itself), False, False),
    ):
        assert joined_cuts(one, sides, both=True).tolist() == [both] * 4
        assert joined_cuts(one, sides, both=False).tolist() == [either] * 4


def test_the_longest_scene_is_the_background() -> None:
    def joined(*places: int) -> NDArray[np.bool_]:
        return np.isin(np.arange(8), places)

    assert not outside_longest_scene(joined()).any()
    assert outside_longest_scene(joined(6)).tolist() == [False] * 6 + [True] * 2
    assert outside_longest_scene(joined(1)).tolist() == [True] + [False] * 7
    assert outside_longest_scene(joined(4)).all()


def sampled(path: Path, count: int) -> Frames:
    """Uniform frames of a video, 96 px on the shorter side."""
    video = VideoRef(path.stem, path)
    length = len(frame_times(video))
    chosen = ((np.arange(count) + 0.5) * length / count).astype(np.int64)
    return read_frames(video, indices=chosen, size=lambda shape: _shorter(shape, 96)).frames


def _shorter(shape: tuple[int, int], side: int) -> tuple[int, int]:
    height, width = (max(side, round(length * side / min(shape))) for length in shape)
    return height, width


def measured(clips: list[Frames], light: float) -> dict[str, float]:
    """Recall over all ordered pairs spliced in the middle, and false alarms over the clips as they are."""
    half = len(clips[0]) // 2
    lit = [(_square(clip) * light).astype(np.uint8) for clip in clips]
    films = [np.concatenate([one[:half], other[half:]]) for one, other in permutations(lit, 2)]
    hits = [bool(sampled_cuts(film)[half]) for film in films]
    level = [_by_level(film[half - 1], film[half]) for film in films]
    alarms = [cut for clip in lit for cut in sampled_cuts(clip)[1:].tolist()]
    return {
        "pairs": len(hits),
        "recall": float(np.mean(hits)),
        "recall by level": float(np.mean(level)),
        "steps": len(alarms),
        "alarms": int(sum(alarms)),
    }


def _by_level(before: Frames, after: Frames) -> bool:
    """The cut rule `level` at the 45 of frame-difference."""
    backend = get_backend("numpy")
    one, other = backend.grey(np.stack([before, after]))
    return bool(histogram_cuts(backend.counts(backend.difference(one, other)[None]), 45)[0])


def _square(clip: Frames) -> Frames:
    height, width = clip.shape[1:3]
    top, left = (height - 96) // 2, (width - 96) // 2
    return clip[:, top : top + 96, left : left + 96]


def natural(data_dir: Path, count: int, *, most_bytes: int = 10**9) -> list[Frames]:
    """The real clips of one scene, sampled."""
    paths = sorted(path for path in (data_dir / "videos" / "natural").iterdir() if path.suffix != ".tsv")
    single = [path for path in paths if path.stem not in SEVERAL and path.stat().st_size < most_bytes]
    return [sampled(path, count) for path in single]


@pytest.mark.integration
def test_spliced_pairs_of_real_clips_are_cut_where_they_were_joined(data_dir: Path) -> None:
    clips = natural(data_dir, 12, most_bytes=450_000)
    for light in (BRIGHT, DARK):
        found = measured(clips, light)
        assert found["recall"] > 0.98
        assert found["alarms"] < 0.03 * found["steps"]


@pytest.mark.proof
def test_recall_and_false_alarms_on_all_pairs(data_dir: Path) -> None:
    for count in (6, 12, 24):
        clips = natural(data_dir, count)
        for name, light in (("bright", BRIGHT), ("dark", DARK)):
            found = measured(clips, light)
            print(
                f"{count:2d} frames, {name:6s}: {found['pairs']} pairs, recall {found['recall']:.1%} "
                f"({found['recall by level']:.1%} by level); "
                f"{found['steps']} steps within scenes, {found['alarms']} false alarms"
            )
            assert found["recall"] > 0.95
            assert found["alarms"] < 0.03 * found["steps"]
