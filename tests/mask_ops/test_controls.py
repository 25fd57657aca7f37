"""Laws of the controls over drawn masks."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fdakit import DatasetError
from fdakit.choices import Control
from fdakit.mask_ops.controls import apply_control, partner_of


@st.composite
def masks(draw, *, hard=False, smallest=1):
    """Alpha `(t, h, w)`; soft ones in 64ths, which float32 subtracts exactly."""
    shape = draw(st.tuples(st.integers(1, 4), st.integers(smallest, 24), st.integers(smallest, 24)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    if hard:
        return (rng.random(shape) < draw(st.floats(0, 1))).astype(np.float32)
    return rng.integers(0, 65, shape).astype(np.float32) / 64


def controlled(alpha, control, *, seed=0, video_id="a", partner=None):
    return apply_control(alpha, control=control, seed=seed, video_id=video_id, partner=partner)


@pytest.mark.integration
@given(masks(), st.sampled_from(get_args(Control)), st.integers(0, 99), st.text(max_size=5))
@settings(deadline=None)
def test_every_control_is_a_mask_again_and_repeats(alpha, control, seed, video_id):
    before = alpha.copy()
    one, other = (controlled(alpha, control, seed=seed, video_id=video_id, partner=1 - alpha) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(alpha, before)
    assert one.shape == alpha.shape
    assert one.dtype == np.float32
    assert one.min() >= 0
    assert one.max() <= 1


def test_the_plain_ones():
    alpha = np.random.default_rng(0).random((2, 5, 6), np.float32)
    assert controlled(alpha, "none") is alpha
    assert (controlled(alpha, "whole-frame") == 1).all()
    assert (controlled(alpha, "zero") == 0.5).all()


@given(masks())
def test_inverse_twice_is_the_mask(alpha):
    np.testing.assert_array_equal(controlled(controlled(alpha, "inverse"), "inverse"), alpha)


@given(masks(smallest=2), st.integers(0, 99))
def test_rolled_keeps_the_values_of_every_mask(alpha, seed):
    rolled = controlled(alpha, "rolled", seed=seed)
    np.testing.assert_array_equal(np.sort(rolled.reshape(len(alpha), -1)), np.sort(alpha.reshape(len(alpha), -1)))


@given(st.integers(2, 60), st.integers(2, 60), st.integers(0, 999))
def test_rolled_moves_all_masks_by_one_offset_from_a_quarter_to_three_quarters(height, width, seed):
    alpha = np.zeros((3, height, width), np.float32)
    alpha[:, 0, 0] = 1
    places = np.argwhere(controlled(alpha, "rolled", seed=seed))
    assert len({(y, x) for _, y, x in places}) == 1
    _, y, x = places[0]
    assert height / 4 <= y <= 3 * height / 4
    assert width / 4 <= x <= 3 * width / 4


def test_rolled_depends_on_seed_and_video():
    alpha = np.random.default_rng(0).random((1, 200, 200), np.float32)
    drawn = [controlled(alpha, "rolled", seed=s, video_id=v) for s, v in ((0, "a"), (1, "a"), (0, "b"))]
    assert not np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_rolled_takes_a_single_pixel():
    assert controlled(np.ones((1, 1, 1), np.float32), "rolled").tolist() == [[[1]]]


@given(masks(hard=True))
def test_centre_keeps_the_coverage_of_hard_masks_exactly(alpha):
    centred = controlled(alpha, "centre")
    assert set(np.unique(centred)) <= {0.0, 1.0}
    np.testing.assert_array_equal(centred.sum((1, 2)), alpha.sum((1, 2)))


@given(masks())
def test_centre_of_soft_masks_is_within_half_a_pixel(alpha):
    assert np.abs(controlled(alpha, "centre").sum((1, 2)) - alpha.sum((1, 2))).max() <= 0.5


def test_centre_is_an_ellipse_of_the_frames_aspect():
    alpha = np.zeros((1, 100, 200), np.float32)
    alpha[0, :, :20] = 1  # a tenth of the frame
    disk = controlled(alpha, "centre")[0]
    height, width = disk.any(1).sum(), disk.any(0).sum()
    assert abs(width / height - 2) < 0.1
    assert abs(np.pi / 4 * height * width - 2000) < 60
    assert np.abs(disk - disk[::-1]).sum() <= 12  # symmetric but for the last pixels of equal distance
    y, x = np.argwhere(disk).mean(0)
    assert abs(y - 49.5) < 1
    assert abs(x - 99.5) < 1


@pytest.mark.parametrize(
    ("own", "others", "picked"), [(3, 3, [0, 1, 2]), (2, 4, [1, 3]), (4, 2, [0, 0, 1, 1]), (1, 5, [2])]
)
def test_other_videos_masks_come_from_equal_relative_positions(own, others, picked):
    partner = np.arange(others, dtype=np.float32)[:, None, None] / 8 * np.ones((1, 4, 5), np.float32)
    shown = controlled(np.zeros((own, 4, 5), np.float32), "other-video", partner=partner)
    assert (shown[:, 0, 0] * 8).astype(int).tolist() == picked


@pytest.mark.parametrize("partner", [None, np.zeros((2, 4, 4), np.float32), np.zeros((0, 4, 5), np.float32)])
def test_other_video_needs_masks_that_fit(partner):
    with pytest.raises(ValueError, match="same height and width"):
        controlled(np.zeros((2, 4, 5), np.float32), "other-video", partner=partner)


@given(st.lists(st.text(max_size=4), min_size=2, max_size=20, unique=True), st.integers(0, 99))
def test_partner_is_another_and_repeats(ids, seed):
    for video_id in ids:
        other = partner_of(video_id, ids, seed=seed)
        assert other in ids
        assert other != video_id
        assert other == partner_of(video_id, ids, seed=seed)


def test_partners_are_spread_and_depend_on_the_seed():
    ids = [f"v{i}" for i in range(50)]
    one = [partner_of(i, ids, seed=0) for i in ids]
    assert len(set(one)) > 20
    assert one != [partner_of(i, ids, seed=1) for i in ids]


@pytest.mark.parametrize("ids", [["a"], [], ["a", "a"]])
def test_the_only_video_has_no_partner(ids):
    with pytest.raises(DatasetError, match=r"other-video.*at least two videos"):
        partner_of("a", ids, seed=0)
