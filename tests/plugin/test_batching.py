"""Pairs as batchers and objectives are given them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.training_pairs import pairs_of

from fdakit.plugin import TrainingPairs
from fdakit.plugin.batching import extra_rows


def test_rows_are_whole_pairs_in_the_order_asked_for() -> None:
    some = pairs_of([2, 1, 3], contents=[0, 1, 0]).rows([5, 0, 2])
    assert some.places.tolist() == [5, 0, 2]
    assert some.videos.tolist() == [2, 0, 1]
    assert some.contents.tolist() == [0, 0, 1]
    assert some.ids == ("v2", "v0", "v1")
    assert some.texts == ("2/2", "0/0", "1/0")
    assert some.rows([1]).texts == ("0/0",)
    assert len(some.rows([])) == 0


def test_pairs_cannot_be_written_to() -> None:
    pairs = pairs_of([2, 1])
    for column in (pairs.places, pairs.videos, pairs.rows([0]).contents):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 9


def test_columns_of_different_lengths_are_no_pairs() -> None:
    one, two = np.zeros(1, np.int64), np.zeros(2, np.int64)
    with pytest.raises(ValueError, match=r"columns of \[1, 2\] pairs"):
        TrainingPairs(two, two, one, ("a", "b"), ("x", "y"))


def test_extra_rows_are_tensors_where_values_are_arrays_and_tuples_elsewhere() -> None:
    kept = torch.ones(2)
    found = extra_rows({"array": np.arange(2.0), "tensor": kept, "words": ["a", "b"]})
    assert found["array"].tolist() == [0.0, 1.0]
    assert found["tensor"] is kept
    assert found["words"] == ("a", "b")
