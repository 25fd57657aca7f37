"""What a training draws its batches from, and what parts know of its pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import torch

from fdakit.data_pipeline.clip_dataset import ClipDataset
from fdakit.data_pipeline.loaded_batch import LoadedBatch, rows_of
from fdakit.errors import DatasetError, PartError
from fdakit.plugin import Caption, Split, TrainingPairs, VideoRef
from fdakit.system.ranks import Ranks
from fdakit.testing.thread_ranks import on_ranks
from fdakit.training.shares import SharedBatch, Shares, share
from fdakit.training.training_data import TrainingData

NO_CLIPS = cast(ClipDataset, None)  # plans read none


def split_of(counts: Mapping[str, int], folder: Any) -> Split:
    """A split of files that differ, with so many captions each."""
    for name in counts:
        (folder / name).write_text(name, encoding="utf-8")
    captions = [Caption(f"{name} {place}", name) for name, count in counts.items() for place in range(count)]
    return Split("train", tuple(VideoRef(name, folder / name) for name in counts), tuple(captions))


class InOrder:
    """Batches of the pairs in their order, the incomplete one too."""

    repeats = False

    def __call__(self, pairs: TrainingPairs, size: int, epoch: int, rng: np.random.Generator) -> list[list[int]]:
        return [list(range(len(pairs))[start : start + size]) for start in range(0, len(pairs), size)]


class Knows(InOrder):
    """Gives values of its own for each pair."""

    def __init__(self, **values: Any) -> None:
        self.values = values

    def extra(self, pairs: TrainingPairs) -> Mapping[str, Any]:
        return {name: value(pairs) for name, value in self.values.items()}


def data_of(split: Split, batcher: Any = None, others: Sequence[Any] = (), **settings: Any) -> TrainingData:
    named = [(f"part {number}", part) for number, part in enumerate(others)]
    settings = {"batch_size": 4, "seed": 1, **settings}
    return TrainingData(NO_CLIPS, split, batcher=batcher or InOrder(), label="the batcher", others=named, **settings)


def loaded(*pairs: tuple[str, str]) -> LoadedBatch:
    """A batch that a loader might give of some pairs."""
    empty, ids = torch.zeros(len(pairs), 1), tuple(name for name, _ in pairs)
    return LoadedBatch(ids, empty, {}, empty.bool(), empty, tuple(text for _, text in pairs))


def test_requests_are_videos_and_captions_that_belong_together(tmp_path: Any) -> None:
    plan = data_of(split_of({"a": 2, "b": 0, "c": 3}, tmp_path)).plan(3)
    assert [[(draw.video, draw.epoch, draw.text) for draw in batch] for batch in plan] == [
        [(0, 3, "a 0"), (0, 3, "a 1"), (2, 3, "c 0"), (2, 3, "c 1")],
        [(2, 3, "c 2")],
    ]


def test_with_one_caption_a_video_steps_and_plans_follow(tmp_path: Any) -> None:
    split = split_of({"a": 2, "b": 5, "c": 3, "d": 4, "e": 1}, tmp_path)
    all_of_them, one = data_of(split), data_of(split, captions="one")
    assert all_of_them.steps(3, limit=None) == 3 * 4
    assert one.steps(3, limit=None) == 3 * 2
    assert one.steps(3, limit=5) == 5
    drawn = [[draw for batch in one.plan(epoch) for draw in batch] for epoch in range(40)]
    assert all([draw.video for draw in found] == [0, 1, 2, 3, 4] for found in drawn)
    assert {draw.text for found in drawn for draw in found} == {caption.text for caption in split.captions}
    assert one.plan(7) == one.plan(7)


def test_what_a_batcher_gave_is_told_where_it_is_no_batch(tmp_path: Any) -> None:
    class Nothing(InOrder):
        def __call__(self, *given: Any) -> list[list[int]]:
            return []

    with pytest.raises(DatasetError, match=r"the batcher gave \[\], no batch, of its 3 pairs, where each may hold"):
        data_of(split_of({"a": 3}, tmp_path), batcher=Nothing()).plan(0)


def test_a_batcher_that_keeps_something_between_calls_is_refused(tmp_path: Any) -> None:
    class Counting(InOrder):
        calls = 0

        def __call__(self, *asked: Any) -> list[list[int]]:
            self.calls += 1
            return super().__call__(*asked)[: self.calls]

    with pytest.raises(PartError, match="the batcher failed in epoch 1: made other batches when it was called again"):
        data_of(split_of({"a": 9}, tmp_path), Counting()).plan(0)


def test_parts_may_refuse_pairs_before_anything_is_trained(tmp_path: Any) -> None:
    class Picky(InOrder):
        seen: tuple[str, ...] = ()

        def check_pairs(self, pairs: TrainingPairs) -> None:
            self.seen = pairs.ids
            if "b" in pairs.ids:
                raise DatasetError("nothing of video 'b'")

    class Failing(InOrder):
        def check_pairs(self, pairs: TrainingPairs) -> None:
            raise KeyError("b")

    picky = Picky()
    data_of(split_of({"a": 2, "c": 1}, tmp_path), picky)
    assert picky.seen == ("a", "a", "c")
    split = split_of({"a": 1, "b": 1}, tmp_path)
    with pytest.raises(DatasetError, match="nothing of video 'b'"):
        data_of(split, others=[object(), picky])
    with pytest.raises(PartError, match="part 0 failed in check_pairs: KeyError"):
        data_of(split, others=[Failing()])


def test_extra_values_are_rows_of_the_clips_that_are_left_in_their_order(tmp_path: Any) -> None:
    split = split_of({"a": 2, "b": 2, "c": 2}, tmp_path)
    knows = Knows(place=lambda pairs: pairs.places, text=lambda pairs: list(pairs.texts))
    teacher = Knows(teacher=lambda pairs: torch.arange(6.0)[pairs.places.copy(), None])
    batch = data_of(split, knows, [object(), teacher]).completed(loaded(("c", "c 1"), ("a", "a 0"), ("b", "b 1")))
    assert batch.extra["place"].tolist() == [5, 0, 3]
    assert batch.extra["text"] == ("c 1", "a 0", "b 1")
    assert batch.extra["teacher"].tolist() == [[5.0], [0.0], [3.0]]
    some = rows_of(batch, slice(1, 3))
    assert (some.extra["place"].tolist(), some.extra["text"]) == ([0, 3], ("a 0", "b 1"))


def test_equal_captions_of_one_video_have_the_values_of_the_first(tmp_path: Any) -> None:
    split = split_of({"a": 2, "b": 1}, tmp_path)
    doubled = replace(split, captions=(*split.captions, split.captions[0], replace(split.captions[2], video_id="a")))
    made = data_of(doubled, Knows(place=lambda pairs: pairs.places))
    batch = made.completed(loaded(("a", "a 0"), ("b", "b 0"), ("a", "b 0"), ("a", "a 0")))
    assert batch.extra["place"].tolist() == [0, 2, 4, 0]


def test_every_rank_has_the_extra_values_of_all_pairs_and_its_chunks_their_own(tmp_path: Any) -> None:
    split = split_of({"a": 2, "b": 2, "c": 2}, tmp_path)
    made = data_of(split, Knows(place=lambda pairs: pairs.places, text=lambda pairs: list(pairs.texts)))
    pairs = [("c", "c 1"), ("a", "a 0"), ("b", "b 1"), ("a", "a 1"), ("b", "b 0")]
    shares = Shares.of(5, micro_batch=2, ranks=2)

    def shared(ranks: Ranks) -> SharedBatch:
        found = share(made.completed(loaded(*pairs[shares.places(ranks.rank)])), shares, ranks)
        return replace(found, whole=made.completed(found.whole))

    for found in on_ranks(2, shared):
        assert found.whole.extra["place"].tolist() == [5, 0, 3, 1, 2]
        assert found.whole.extra["text"] == tuple(text for _, text in pairs)
        for chunk in found.chunks:
            assert chunk.batch.extra["place"].tolist() == [5, 0, 3, 1, 2][chunk.rows]


def test_a_batch_without_clips_or_without_parts_that_know_more_stays_as_it_is(tmp_path: Any) -> None:
    split = split_of({"a": 2}, tmp_path)
    full, empty = loaded(("a", "a 0")), loaded()
    assert data_of(split).completed(full) is full
    assert data_of(split, Knows(place=lambda pairs: pairs.places)).completed(empty) is empty


@pytest.mark.parametrize(
    ("others", "fault"),
    [
        ([Knows(place=lambda pairs: pairs.places[1:])], "part 0 failed in extra: 'place' has 1 rows for 2 pairs"),
        (2 * [Knows(place=lambda pairs: pairs.places)], "part 1 failed in extra: 'place' is given by another part"),
        ([Knows(place=lambda pairs: pairs.nothing)], "part 0 failed in extra: AttributeError"),
    ],
)
def test_what_is_wrong_with_extra_values_is_the_parts_fault(tmp_path: Any, others: list[Any], fault: str) -> None:
    made = data_of(split_of({"a": 2}, tmp_path), others=others)
    with pytest.raises(PartError, match=fault):
        made.completed(loaded(("a", "a 0"), ("a", "a 1")))
