"""The batches of an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.training_pairs import pairs_of

from fdakit.errors import PartError
from fdakit.training.batching import epoch_batches, epoch_pairs

LABEL = "batcher 'odd' (strangers 1)"


class Odd:
    """Makes what it is told to."""

    repeats = False

    def __init__(self, *batches: Any) -> None:
        self.batches = batches

    def __call__(self, *asked: Any) -> Any:
        if not self.batches:
            raise ZeroDivisionError("no batch")
        return self.batches


def test_a_batcher_is_given_a_generator_keyed_by_seed_and_epoch() -> None:
    drawn = []

    class Drawing(Odd):
        def __call__(self, pairs: Any, size: int, epoch: int, rng: np.random.Generator) -> Any:
            drawn.append((size, epoch, int(rng.integers(2**40))))
            return [[0]]

    for seed, epoch in ((1, 0), (1, 0), (1, 1), (2, 0)):
        epoch_batches(Drawing(), pairs_of([1]), batch_size=7, seed=seed, epoch=epoch, label=LABEL)
    first, again, later, other = drawn
    assert first == again
    assert first[:2] == (7, 0)
    assert later[:2] == (7, 1)
    assert len({first[2], later[2], other[2]}) == 3


@pytest.mark.parametrize(
    ("batches", "fault"),
    [
        ([[0, 1], [1, 2]], "batch 2 has pair 1, which an earlier batch has; set repeats = True"),
        ([[0, 0]], "batch 1 has pair 0 twice"),
        ([[0, 9]], "batch 1 has rows from 0 to 9; there are 5 pairs"),
        ([[-1]], "batch 1 has rows from -1 to -1"),
        ([[0, 1, 2, 3]], "batch 1 is 4 rows; wanted 1 to 3"),
        ([[0], []], r"batch 2 is \[\]; wanted 1 to 3"),
        ([["a"]], r"batch 1 is \['a'\]"),
        ([3], "batch 1 is 3"),
        ([], "ZeroDivisionError: no batch"),
    ],
)
def test_what_is_no_batch_is_the_batchers_fault(batches: Any, fault: str) -> None:
    with pytest.raises(PartError, match=f"odd.* failed in epoch 3: .*{fault}"):
        epoch_batches(Odd(*batches), pairs_of([2, 3]), batch_size=3, seed=0, epoch=2, label=LABEL)


def test_a_batcher_may_repeat_pairs_between_batches_if_it_says_so() -> None:
    class Repeating(Odd):
        repeats = True

    batches = epoch_batches(Repeating([0, 1], [1, 2]), pairs_of([3]), batch_size=2, seed=0, epoch=0, label=LABEL)
    assert [list(batch) for batch in batches] == [[0, 1], [1, 2]]
    with pytest.raises(PartError, match="pair 2 twice"):
        epoch_batches(Repeating([2, 2]), pairs_of([3]), batch_size=2, seed=0, epoch=0, label=LABEL)


def test_all_captions_are_the_pairs_as_they_are() -> None:
    pairs = pairs_of([2, 3])
    assert epoch_pairs(pairs, captions="all", seed=0, epoch=4) is pairs


def test_one_caption_a_video_is_drawn_by_seed_epoch_and_video_alone() -> None:
    counts = [5, 1, 4, 9, 2]
    pairs, shuffled = pairs_of(counts), pairs_of(counts).rows(np.random.default_rng(0).permutation(21))
    drawn = {}
    for seed in range(20):
        for epoch in range(3):
            found = epoch_pairs(pairs, captions="one", seed=seed, epoch=epoch)
            assert found.videos.tolist() == list(range(5))
            assert all(pairs.texts[place] == text for place, text in zip(found.places, found.texts, strict=True))
            drawn[seed, epoch] = found.texts
            some = epoch_pairs(pairs.rows(np.arange(6, 21)), captions="one", seed=seed, epoch=epoch)
            assert some.texts == found.texts[2:]  # other videos do not matter
            mixed = epoch_pairs(shuffled, captions="one", seed=seed, epoch=epoch)
            assert mixed.videos.tolist() == list(range(5))
    assert {text for texts in drawn.values() for text in texts} == set(pairs.texts)
    assert len(set(drawn.values())) > 50
