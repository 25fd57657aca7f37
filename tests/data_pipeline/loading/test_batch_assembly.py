"""Batches made of what was written: padding is zero, lost clips leave no gap, levels and float32 go together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fdakit.data_pipeline.alpha_levels import plain
from fdakit.data_pipeline.clip_item import ClipItem
from fdakit.data_pipeline.loading.batch_assembly import close_up
from fdakit.data_pipeline.loading.batch_memory import BatchLayout, ClipContents, Views, write_clip
from fdakit.errors import PartError
from fdakit.values import UnreadableVideo

LENGTH, SIZE = 3, 4
RNG = np.random.default_rng(0)


def pixels(count: int, *shape: int) -> NDArray[np.uint8]:
    return RNG.integers(0, 256, (count, SIZE, SIZE, *shape), np.uint8)


def clip(name: str, count: int, *, soft: bool = False, **rest: Any) -> ClipItem:
    alpha = RNG.random((count, SIZE, SIZE), np.float32) if soft else pixels(count)
    return ClipItem(name, pixels(count, 3), {"none": alpha}, np.arange(count) / 8.0, "", **rest)


def dirty(contents: ClipContents, clips: int) -> Views:
    """The arrays of a batch in memory that was used before."""
    layout = BatchLayout(contents, clips)
    return layout.views(np.full(layout.size, 9, np.uint8))


def test_a_clip_lies_in_planes_and_its_padding_is_zero() -> None:
    contents = ClipContents(LENGTH, SIZE, ("none",))
    views, item = dirty(contents, 2), clip("a", 2)
    facts = write_clip(item, contents, views, 1)
    assert (facts.id, facts.soft, facts.times.tolist()) == ("a", frozenset(), [0, 0.125])
    np.testing.assert_array_equal(views["frames"][1, :2], item.frames.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(views["levels none"][1, :2], item.masks["none"])
    assert not views["frames"][1, 2:].any()
    assert not views["levels none"][1, 2:].any()
    assert (views["frames"][0] == 9).all()


def test_what_a_mask_on_the_device_needs_comes_along_with_the_partners() -> None:
    contents = ClipContents(LENGTH, SIZE, (), neighbours=(-2,), luma=(0, -2), partner=True)
    beside = {"neighbours": {-2: pixels(3, 3)}, "luma": {0: pixels(3), -2: pixels(3)}}
    views, partner = dirty(contents, 1), clip("b", 3, **beside)
    item = clip("a", 3, **beside, partner=partner)
    facts = write_clip(item, contents, views, 0)
    assert facts.partner is not None
    assert facts.partner.id == "b"
    for whose, one in (("", item), ("partner ", partner)):
        np.testing.assert_array_equal(views[f"{whose}near -2"][0], one.neighbours[-2].transpose(0, 3, 1, 2))
        np.testing.assert_array_equal(views[f"{whose}luma -2"][0], one.luma[-2])
    np.testing.assert_array_equal(views["partner frames"][0], partner.frames.transpose(0, 3, 1, 2))


def test_frames_that_a_reader_did_not_give_are_named() -> None:
    contents = ClipContents(LENGTH, SIZE, neighbours=(-2,))
    with pytest.raises(PartError, match="video 'a': the reader gave no frames at gap -2, which the mask needs"):
        write_clip(clip("a", 3), contents, dirty(contents, 1), 0)


def test_unreadable_clips_are_closed_up() -> None:
    contents = ClipContents(LENGTH, SIZE, ("none",))
    views, lost = dirty(contents, 5), UnreadableVideo("lost", "gone")
    items = {row: clip(f"v{row}", 3) for row in (1, 2, 4)}
    written = {row: write_clip(item, contents, views, row) for row, item in items.items()}
    names = close_up(views, [written.get(row, lost) for row in range(5)], contents)
    assert names == ("frames", "levels none")
    for place, item in enumerate(items.values()):
        np.testing.assert_array_equal(views["frames"][place], item.frames.transpose(0, 3, 1, 2))
        np.testing.assert_array_equal(views["levels none"][place], item.masks["none"])
    assert (views["floats none"].view(np.uint8) == 9).all()  # never touched, so that it takes no memory


def test_levels_beside_float32_become_float32() -> None:
    contents = ClipContents(LENGTH, SIZE, ("none",))
    views, lost = dirty(contents, 4), UnreadableVideo("lost", "gone")
    items = {1: clip("hard", 2), 2: clip("soft", 3, soft=True), 3: clip("hard too", 3)}
    written = {row: write_clip(item, contents, views, row) for row, item in items.items()}
    names = close_up(views, [written.get(row, lost) for row in range(4)], contents)
    assert names == ("frames", "floats none")
    for place, item in enumerate(items.values()):
        alpha = views["floats none"][place]
        np.testing.assert_array_equal(alpha[: len(item.frames)], plain(item.masks["none"]))
        assert not alpha[len(item.frames) :].any()
