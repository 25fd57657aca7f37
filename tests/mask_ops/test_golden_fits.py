"""The fits of brightness and camera hold their values: a limit or a round that changes is noticed.

Pictures are sines, so that no generator's numbers are in them. Values are those of the code as it was measured in
docs/reference/benchmarks.md; a change that means to change them measures anew.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fdakit.mask_ops.camera_motion import estimate_similarity, estimate_translation
from fdakit.mask_ops.compensation import brightness_between
from fdakit.mask_ops.phase_correlation import phase_shift

Picture = NDArray[np.float32]


def ground(y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Grey levels of an endless ground."""
    waves = 22 * np.sin(y / 7.3 + np.sin(x / 11)) + 18 * np.cos(x / 5.1 - y / 17) + 9 * np.sin((x + 2 * y) / 3.7)
    return np.asarray(120 + waves)


def grain(shape: tuple[int, int], deep: float) -> NDArray[np.float64]:
    """Noise without a generator: even in [-deep, deep]."""
    y, x = np.indices(shape, np.float64)
    return np.asarray(deep * (2 * np.modf(np.abs(np.sin(12.9898 * y + 78.233 * x) * 43758.5453))[0] - 1))


def filmed(
    shape: tuple[int, int],
    *,
    shift: tuple[float, float] = (0, 0),
    turn: float = 0.0,
    zoom: float = 1.0,
    thing: tuple[int, int] = (10, 10),
) -> Picture:
    """The ground from a moved camera, with a bright thing, a ninth of the picture, at a place of its own."""
    y, x = np.indices(shape, np.float64)
    y, x = y - (shape[0] - 1) / 2, x - (shape[1] - 1) / 2
    picture = ground(
        zoom * (np.cos(turn) * y + np.sin(turn) * x) + (shape[0] - 1) / 2 + shift[0],
        zoom * (np.cos(turn) * x - np.sin(turn) * y) + (shape[1] - 1) / 2 + shift[1],
    )
    rows, columns = (slice(begin, begin + side // 3) for begin, side in zip(thing, shape, strict=True))
    own = np.indices((shape[0] // 3, shape[1] // 3), np.float64)
    picture[rows, columns] = ground(3 * own[0], 2 * own[1] + 9) + 45
    return picture.astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "shift", "found"),
    [
        ((60, 80), (1.6, -2.3), (1.48967, -2.20920)),
        ((60, 80), (-7.4, 5.2), (-7.06322, 4.75838)),
        ((100, 140), (1.6, -2.3), (1.58729, -2.30202)),
        ((100, 140), (-7.4, 5.2), (-7.31600, 5.06909)),
        ((150, 200), (1.6, -2.3), (1.59600, -2.29665)),
        ((240, 320), (-7.4, 5.2), (-7.40157, 5.20060)),
    ],
    ids=str,
)
def test_shifts_keep_their_values(
    shape: tuple[int, int], shift: tuple[float, float], found: tuple[float, float]
) -> None:
    after = filmed(shape, shift=shift, thing=(14, 20)) + 7 + grain(shape, 3)
    camera = estimate_translation(filmed(shape), after.astype(np.float32))
    np.testing.assert_allclose(camera.shift, found, atol=2e-4)


@pytest.mark.parametrize(
    ("shape", "row", "shift"),
    [
        ((100, 140), (1.014925, 0.009576), (1.61516, -2.29252)),
        ((240, 320), (1.014957, 0.010143), (1.59705, -2.29715)),
    ],
    ids=str,
)
def test_turns_and_zooms_keep_their_values(
    shape: tuple[int, int], row: tuple[float, float], shift: tuple[float, float]
) -> None:
    after = filmed(shape, shift=(1.6, -2.3), zoom=1.015, turn=0.01, thing=(14, 20)) + grain(shape, 3)
    camera = estimate_similarity(filmed(shape), after.astype(np.float32))
    np.testing.assert_allclose(camera.matrix, [row, (-row[1], row[0])], atol=5e-6)
    np.testing.assert_allclose(camera.shift, shift, atol=5e-4)


@pytest.mark.parametrize(
    ("shape", "found"),
    [((100, 140), (3.92815, -0.42804)), ((240, 320), (4.17394, -6.52517))],
    ids=str,
)
def test_phase_correlation_keeps_its_values(shape: tuple[int, int], found: tuple[float, float]) -> None:
    """That of the thing, here, which the steps that follow put right."""
    after = filmed(shape, shift=(-7.4, 5.2), thing=(14, 20)) + 7 + grain(shape, 3)
    np.testing.assert_allclose(phase_shift(filmed(shape), after.astype(np.float32)), found, atol=1e-3)


@pytest.mark.parametrize(
    ("shape", "light", "fitted", "bias_alone"),
    [
        ((60, 64), (1.0, 12, 0.1, 3), (0.99761, 12.41420), 12.11005),
        ((60, 64), (1.3, -20, 0.25, 3), (1.28598, -18.28761), 17.11196),
        ((60, 64), (0.8, 5, 0.4, 3), (1.00657, -14.86924), -14.22959),
        ((60, 64), (3.0, 0, 0.0, 0), (2.0, 126.98558), 253.97116),
        ((60, 64), (0.3, 0, 0.0, 0), (0.5, -25.39921), -88.89725),
        ((60, 64), (1.2, 4, 0.3, 0.2), (1.19594, 4.46982), 27.66939),
        ((150, 200), (1.3, -20, 0.25, 3), (1.28816, -18.50055), 16.96933),
        ((150, 200), (0.8, 5, 0.4, 3), (0.88496, -3.11907), -15.37754),
        ((150, 200), (1.2, 4, 0.3, 0.2), (1.19807, 4.22736), 28.17769),
    ],
    ids=str,
)
def test_gain_and_bias_keep_their_values(
    shape: tuple[int, int],
    light: tuple[float, float, float, float],
    fitted: tuple[float, float],
    bias_alone: float,
) -> None:
    """Of `gain * before + bias` with noise, a share of the rows showing something else, five rows unknown."""
    gain, bias, share, noise = light
    before = filmed(shape)
    after = gain * before + bias + grain(shape, noise)
    other = int(share * shape[0])
    after[:other] = before[:other, ::-1] * 0.5 + 90
    after[-5:] = 0
    known = np.ones(shape, np.bool_)
    known[-5:] = False
    pair = before, after.astype(np.float32), known
    np.testing.assert_allclose(brightness_between(*pair), fitted, atol=2e-4)
    np.testing.assert_allclose(brightness_between(*pair, gain=False), (1, bias_alone), atol=2e-4)


@pytest.mark.parametrize(("deep", "gain"), [(1.9, 1.0), (2.1, 1.2)])
def test_a_gain_is_told_by_pictures_that_deviate_by_two_levels(deep: float, gain: float) -> None:
    before = (100 + deep * 2**0.5 * np.sin(np.indices((60, 60))[1] / 3)).astype(np.float32)
    slope, _ = brightness_between(before, 1.2 * before, np.ones((60, 60), np.bool_))
    assert slope == pytest.approx(gain, abs=1e-5)


def test_what_is_off_by_more_than_three_levels_has_no_say_where_there_is_no_noise() -> None:
    before = ground(*np.indices((60, 64), np.float64)).astype(np.float32)
    after = before + 10
    after[::3] += 4 * np.sign(before[::3] - 120)  # as a larger gain would have it
    slope, bias = brightness_between(before, after, np.ones(before.shape, np.bool_))
    assert (slope, bias) == pytest.approx((1, 10), abs=1e-4)
