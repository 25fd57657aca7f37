"""`check_batcher`: each assertion rejects a batcher that breaks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from helpers.sample_plugins import component

from fdakit.testing import check_batcher, example_pairs


class Plain:
    """Pairs in order of a draw, in full batches."""

    repeats = False

    def __call__(self, pairs: Any, size: int, epoch: int, rng: np.random.Generator) -> Any:
        order = rng.permutation(len(pairs)).tolist()
        return [order[start : start + size] for start in range(0, len(order), size)]


class Remembering(Plain):
    calls = 0

    def __call__(self, pairs: Any, size: int, epoch: int, rng: np.random.Generator) -> Any:
        self.calls += 1
        return super().__call__(pairs, size, epoch, rng)[:: 1 if self.calls % 2 else -1]


class Large(Plain):
    def __call__(self, pairs: Any, size: int, epoch: int, rng: np.random.Generator) -> Any:
        return super().__call__(pairs, size + 1, epoch, rng)


class Again(Plain):
    def __call__(self, pairs: Any, size: int, epoch: int, rng: np.random.Generator) -> Any:
        return 2 * super().__call__(pairs, size, epoch, rng)


class OfAll(Plain):
    """Takes it that the pairs are always those of the first call."""

    count = 0

    def __call__(self, pairs: Any, size: int, epoch: int, rng: np.random.Generator) -> Any:
        self.count = max(self.count, len(pairs))
        order = rng.permutation(self.count).tolist()
        return [order[start : start + size] for start in range(0, len(order), size)]


class Nothing(Plain):
    def __call__(self, pairs: Any, size: int, epoch: int, rng: np.random.Generator) -> Any:
        return []


class Knowing(Plain):
    def extra(self, pairs: Any) -> Mapping[str, Any]:
        return {"place": pairs.places, "words": [text.split() for text in pairs.texts]}


class Short(Knowing):
    def extra(self, pairs: Any) -> Mapping[str, Any]:
        return {"place": pairs.places[:-1]}


class Centred(Knowing):
    def extra(self, pairs: Any) -> Mapping[str, Any]:
        return {"place": pairs.places - pairs.places.mean()}


@pytest.mark.parametrize("good", [Plain, Knowing, type("Repeating", (Again,), {"repeats": True})])
def test_a_good_batcher_passes(good: type[Plain]) -> None:
    check_batcher(component("good", lambda options, shapes: good()))


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (Remembering, "equal arguments gave other batches"),
        (Large, "wanted 1 to"),
        (Again, "which an earlier batch has"),
        (OfAll, "there are 36 pairs"),
        (Nothing, "no batch of 1 was made"),
        (Short, "'place' has 71 rows for 72 pairs"),
        (Centred, "'place' of a pair depends on the other pairs"),
        (type("Undecided", (), {"__call__": Plain.__call__}), "lacks repeats"),
        (type("Unsure", (Plain,), {"repeats": "no"}), "repeats is 'no'; wanted True or False"),
    ],
)
def test_a_batcher_that_breaks_a_law_is_rejected(broken: type[Plain], fault: str) -> None:
    with pytest.raises(AssertionError, match=fault):
        check_batcher(component("broken", lambda options, shapes: broken()))


def test_the_example_has_twins_and_captions_in_no_order() -> None:
    pairs = example_pairs()
    assert len(pairs) == len(set(pairs.texts)) == 72
    assert len(set(pairs.ids)) == 24
    assert len(set(pairs.contents.tolist())) == 22
    assert pairs.videos.tolist() != sorted(pairs.videos.tolist())
