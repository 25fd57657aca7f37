"""A codec's vectors follow their picture: scaled, moved and mirrored as its pixels are."""

from __future__ import annotations

import numpy as np

from fdakit.video.motion_vectors import _turned, mirrored, scaled, shifted

ROWS = np.array([[8, 4, 16, 8, 3, -2], [30, 12, 4, 16, -1, 5]], np.float32)  # of a picture of 40 x 20 px


def test_a_block_and_its_motion_become_as_wide_and_as_high_as_the_picture() -> None:
    wanted = [[16, 12, 32, 24, 6, -6], [60, 36, 8, 48, -2, 15]]
    np.testing.assert_array_equal(scaled(ROWS, x=2, y=3), wanted)


def test_a_block_moves_with_the_content_and_its_motion_stays() -> None:
    np.testing.assert_array_equal(shifted(ROWS, x=5, y=-3), [[13, 1, 16, 8, 3, -2], [35, 9, 4, 16, -1, 5]])


def test_a_mirrored_block_goes_the_other_way() -> None:
    np.testing.assert_array_equal(mirrored(ROWS, width=40), [[32, 4, 16, 8, -3, -2], [10, 12, 4, 16, 1, 5]])


def test_a_quarter_turn_is_that_of_the_pixels_and_four_are_none() -> None:
    for row in ROWS:
        picture = np.zeros((20, 40), bool)
        x, y, wide, high = row[:4]
        picture[int(y - high / 2) : int(y + high / 2), int(x - wide / 2) : int(x + wide / 2)] = True
        ((x, y, wide, high, right, down),) = _turned(row[None], width=40)
        turned = np.zeros((40, 20), bool)
        turned[int(y - high / 2) : int(y + high / 2), int(x - wide / 2) : int(x + wide / 2)] = True
        np.testing.assert_array_equal(turned, np.rot90(picture))
        assert (right, down) == (row[5], -row[4])
    found = ROWS
    for width in (40, 20, 40, 20):
        found = _turned(found, width=width)
    np.testing.assert_array_equal(found, ROWS)
