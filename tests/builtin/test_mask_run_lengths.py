"""COCO's run lengths: what pycocotools 2.0.11 encoded, and every mask that an encoder of the test writes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from fdakit.builtin.masks._run_lengths import decode_run_lengths, decompress_counts

NOISE = """
00110000100
10111011001
00110101001
10101101111
01101000101
01010011110
10111111000
"""


def runs(mask: NDArray[np.bool_]) -> list[int]:
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff([0, *edges, flat.size]).tolist()
    return [0, *lengths] if flat[0] else lengths


def compressed(counts: list[int]) -> str:
    """As `rleToString` of COCO's maskApi.c."""
    text = ""
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        while True:
            code = value & 31
            value >>= 5
            more = value != -1 if code & 16 else value != 0
            text += chr(48 + (code | 32 * more))
            if not more:
                break
    return text


def test_what_pycocotools_encoded_is_decoded() -> None:
    wanted = np.array([[int(c) for c in row] for row in NOISE.split()], bool)
    found = decode_run_lengths({"size": [7, 11], "counts": "11101021M30O1NOO010O110OO021N100102NM0130"})
    np.testing.assert_array_equal(found, wanted)
    y, x = np.ogrid[:40, :30]
    disc = {"size": [40, 30], "counts": "n79n02N2N2N2O0000000000000001N2N2N2N[8"}
    np.testing.assert_array_equal(decode_run_lengths(disc), (y - 18) ** 2 + (x - 14) ** 2 < 81)
    assert decode_run_lengths({"size": [3, 2], "counts": "06"}).all()
    assert not decode_run_lengths({"size": [5, 4], "counts": "d0"}).any()


@given(arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_every_mask_comes_back_from_counts_and_from_compressed_text(mask: NDArray[np.bool_]) -> None:
    counts, size = runs(mask), list(mask.shape)
    assert decompress_counts(compressed(counts)) == counts
    for form in (counts, compressed(counts)):
        np.testing.assert_array_equal(decode_run_lengths({"size": size, "counts": form}), mask)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ("06", "wanted {"),
        ({"size": [3, 2]}, "wanted {"),
        ({"size": [3], "counts": [6]}, r"size is \[3\]; wanted \[height, width\]"),
        ({"size": [0, 2], "counts": []}, r"size is \[0, 2\]"),
        ({"size": [True, 2], "counts": [2]}, r"size is \[True, 2\]"),
        ({"size": [1 << 20, 1 << 20], "counts": [1 << 40]}, "larger than any picture"),
        ({"size": [3, 2], "counts": [2, 3]}, r"add up to 5 pixels; size \[3, 2\] has 6"),
        ({"size": [3, 2], "counts": [7, -1]}, "whole numbers from 0"),
        ({"size": [3, 2], "counts": [6.0]}, "whole numbers from 0"),
        ({"size": [3, 2], "counts": None}, "whole numbers from 0"),
        ({"size": [3, 2], "counts": "0 6"}, "counts have ' ' at 1"),
        ({"size": [3, 2], "counts": "0" + "o" * 20}, "counts have 'o'"),
        ({"size": [3, 2], "counts": "0X"}, "end inside a number"),
        ({"size": [3, 2], "counts": "@"}, "whole numbers from 0"),
    ],
)
def test_a_record_that_is_no_mask_is_refused(record: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        decode_run_lengths(record)


@given(st.text(max_size=30))
def test_any_text_is_decoded_or_refused_with_a_reason(text: str) -> None:
    try:
        found = decode_run_lengths({"size": [3, 4], "counts": text})
    except ValueError as error:
        assert str(error)
    else:
        assert found.shape == (3, 4)
