"""Clips on their way into batches: padding, lost videos, the store, controls, and workers that change nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fdakit import FdakitError
from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_item import ClipItem
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.data_pipeline.loading.clip_loader import batches
from fdakit.errors import PartError
from fdakit.mask_ops.controls import partner_of
from fdakit.plugin import Batch, BuildContext, Preprocess, VideoRef
from fdakit.recipe.recipe import Recipe
from fdakit.values import UnreadableVideo

pytestmark = pytest.mark.integration

MakeRecipe = Callable[..., Recipe]
NAMES = ("red-across", "green-across", "blue-down", "pink-down", "red-rests")
TOWER = Preprocess(size=32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


@pytest.fixture
def make_source(make_recipe: MakeRecipe, clips: Path) -> Callable[..., ClipDataset]:
    """`make_source(training=False, controls=(), names=NAMES, **tables)`"""

    def make(
        training: bool = False, controls: Sequence[Any] = (), names: Sequence[str] = NAMES, **tables: Any
    ) -> ClipDataset:
        videos = [VideoRef(name, clips / f"{name}.mp4") for name in names]
        return ClipDataset(
            ClipSettings.of(make_recipe(**tables)),
            videos,
            training=training,
            preprocess=TOWER,
            shapes=BuildContext(),
            controls=controls,
        )

    return make


def item(source: ClipDataset, name: str, epoch: int = 0) -> ClipItem:
    place = [video.id for video in source.videos].index(name)
    found = source[ClipRequest(place, epoch)]
    assert isinstance(found, ClipItem), found
    return found


def test_what_counts_as_unreadable_is_not_looked_at(make_recipe: MakeRecipe, clips: Path, tmp_path: Path) -> None:
    recipe = make_recipe(reader={"use": "counting", "file": str(tmp_path / "reads")})
    videos, known = [VideoRef(name, clips / f"{name}.mp4") for name in NAMES], {"blue-down": "known to be damaged"}
    source = ClipDataset(
        ClipSettings.of(recipe), videos, training=True, preprocess=TOWER, shapes=BuildContext(), left_out=known
    )
    found = [source[ClipRequest(place)] for place in range(len(NAMES))]
    lost = [one for one in found if isinstance(one, UnreadableVideo)]
    assert lost == [UnreadableVideo("blue-down", "known to be damaged")]
    names = (tmp_path / "reads").read_text().split()
    assert sorted(names) == sorted(f"{name}.mp4" for name in NAMES if name != "blue-down")


def read(source: ClipDataset, plan: Sequence[Sequence[ClipRequest]], workers: int = 0) -> list[Batch]:
    return list(batches(source, plan, workers=workers, prefetch=2))


def equal(one: Batch, other: Batch) -> None:
    assert (one.ids, one.texts, one.lost) == (other.ids, other.texts, other.lost)
    assert list(one.alphas) == list(other.alphas)
    pairs = [(getattr(one, n), getattr(other, n)) for n in ("frames", "valid", "times")]
    for left, right in [*pairs, *((one.alphas[c], other.alphas[c]) for c in one.alphas)]:
        assert left.dtype == right.dtype
        assert torch.equal(left, right)


def test_a_clip_is_viewed_masked_and_timed(make_source: Callable[..., ClipDataset]) -> None:
    found = item(make_source(controls=["none", "whole-frame", "inverse"]), "red-across")
    assert found.frames.shape == (3, 32, 32, 3)
    assert found.times.tolist() == [2 / 8, 6 / 8, 10 / 8]
    assert list(found.alphas) == ["none", "whole-frame", "inverse"]
    assert 0 < found.alphas["none"].mean() < 0.5
    assert (found.alphas["whole-frame"] == 1).all()
    np.testing.assert_array_equal(found.alphas["inverse"], 1 - found.alphas["none"])


@pytest.mark.parametrize("workers", [0, 2])
def test_clips_of_a_mask_on_the_device_bring_what_it_is_made_of(
    make_source: Callable[..., ClipDataset], workers: int
) -> None:
    mask = {"use": "frame-difference", "backend": "torch", "reference": "native", "gap": 2, "grey": "decoder-luma"}
    source = make_source(mask=mask, controls=["none", "other-video"])
    for _ in range(2):  # as they are read, then from the frame store
        (batch,) = batches(source, [[ClipRequest(0), ClipRequest(4)]], workers=workers, prefetch=2)
        assert (batch.alphas, batch.controls, batch.seed) == ({}, ("none", "other-video"), 3)
        assert batch.neighbours[-2].shape == batch.frames.shape == (2, 3, 3, 32, 32)
        assert {gap: grey.shape for gap, grey in batch.luma.items()} == {0: (2, 3, 32, 32), -2: (2, 3, 32, 32)}
        assert all(pixels.dtype == torch.uint8 for pixels in (*batch.neighbours.values(), *batch.luma.values()))
        assert not torch.equal(batch.neighbours[-2][0], batch.frames[0])
        assert batch.partners is not None
        assert batch.partners.ids == tuple(partner_of(name, NAMES, seed=3) for name in batch.ids)
        assert batch.partners.neighbours[-2].shape == batch.frames.shape


@pytest.mark.parametrize("training", [False, True])
def test_frames_of_a_mask_on_the_device_are_stored_and_equal_those_that_are_read(
    make_source: Callable[..., ClipDataset], tmp_path: Path, training: bool
) -> None:
    tables: dict[str, Any] = {"reader": {"use": "counting", "file": str(tmp_path / "reads")}}
    if training:  # frames are stored as they are read, and flipped each time
        tables |= {"view": {"flip": 0.5}, "sampler": {"train_pick": "centre"}}
    for needs in ({"reference": "native"}, {"grey": "decoder-luma"}, {}):
        mask = {"use": "frame-difference", "backend": "torch", **needs}
        first, again = (item(make_source(training, mask=mask, **tables), "red-across", 3) for _ in range(2))
        assert (len(first.neighbours), 0 in first.luma) == ("reference" in needs, "grey" in needs)
        np.testing.assert_array_equal(first.frames, again.frames)
        assert (set(first.neighbours), set(first.luma)) == (set(again.neighbours), set(again.luma))
        for one, other in ((first.neighbours, again.neighbours), (first.luma, again.luma)):
            assert all(np.array_equal(one[gap], other[gap]) for gap in one)
    assert len(reads(tmp_path / "reads")) == 3


def test_short_clips_are_padded_with_frames_that_do_not_count(make_source: Callable[..., ClipDataset]) -> None:
    source = make_source()
    (batch,) = read(source, [[ClipRequest(0, text="one"), ClipRequest(4, text="two")]])
    assert batch.ids == ("red-across", "red-rests")
    assert batch.texts == ("one", "two")
    assert batch.frames.shape == (2, 3, 3, 32, 32)
    assert batch.frames.dtype == torch.uint8
    assert batch.frames.is_contiguous()
    assert batch.alphas["none"].shape == (2, 3, 1, 32, 32)
    assert batch.valid.tolist() == [[True, True, True], [True, False, False]]
    assert (batch.frames[1, 1:] == 0).all()
    own = item(source, "red-across")
    np.testing.assert_array_equal(batch.frames[0].permute(0, 2, 3, 1), own.frames)
    np.testing.assert_array_equal(batch.alphas["none"][0, :, 0], own.alphas["none"])


def test_the_other_videos_mask_comes_from_the_keyed_partner(make_source: Callable[..., ClipDataset]) -> None:
    source = make_source(controls=["other-video"])
    for name in NAMES:
        partner = partner_of(name, NAMES, seed=3)
        own = item(make_source(), partner).alphas["none"]
        found = item(source, name).alphas["other-video"]
        places = ((np.arange(len(found)) + 0.5) * len(own) / len(found)).astype(int)
        np.testing.assert_array_equal(found, own[places])


def test_a_damaged_partner_does_not_take_its_video_along(
    make_source: Callable[..., ClipDataset], tmp_path: Path
) -> None:
    partner = partner_of("red-across", NAMES, seed=3)
    source = make_source(controls=["none", "other-video"])
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(b"no film")
    source.videos = tuple(VideoRef(v.id, damaged if v.id == partner else v.path) for v in source.videos)
    found = item(source, "red-across")
    others = [n for n in NAMES if n not in (partner, "red-across")]
    masks = [item(make_source(), name).alphas["none"] for name in others]
    assert any(np.array_equal(found.alphas["other-video"], mask) for mask in masks if len(mask) == 3)


def reads(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.parametrize(
    ("training", "tables", "times"),
    [
        (False, {}, 1),
        (True, {}, 3),  # random frames
        (True, {"sampler": {"use": "uniform", "train_pick": "centre"}}, 1),
        (True, {"sampler": {"use": "uniform", "train_pick": "centre"}, "view": {"flip": 0.5}}, 1),
        (False, {"view": {"flip": 0.5}}, 1),
        (False, {"frame_store": {"enabled": False}}, 3),
        (False, {"frame_store": {"limit_mb": 0}}, 3),
    ],
)
def test_a_clip_is_decoded_once_where_nothing_in_it_is_drawn(
    make_source: Callable[..., ClipDataset], tmp_path: Path, training: bool, tables: dict[str, Any], times: int
) -> None:
    log = tmp_path / "reads"
    source = make_source(training, reader={"use": "counting", "file": str(log)}, **tables)
    plain = make_source(
        training, frame_store={"enabled": False}, **{k: v for k, v in tables.items() if k != "frame_store"}
    )
    for epoch in range(3):
        (kept,), (fresh,) = (read(s, [[ClipRequest(0, epoch), ClipRequest(4, epoch)]]) for s in (source, plain))
        equal(kept, fresh)
    assert reads(log) == ["red-across.mp4", "red-rests.mp4"] * times


@pytest.mark.parametrize(
    "tables",
    [
        {"sampler": {"use": "uniform", "train_frames": 4}},
        {"sampler": {"use": "uniform", "train_pick": "centre"}, "view": {"crop_scale": [0.3, 1.0]}},
    ],
    ids=["frames", "view"],
)
def test_draws_are_keyed_by_seed_epoch_and_video(
    make_source: Callable[..., ClipDataset], tables: dict[str, Any]
) -> None:
    source = make_source(training=True, **tables)
    first = [item(source, "pink-down", epoch).frames for epoch in range(4)]
    again = [item(make_source(training=True, **tables), "pink-down", epoch).frames for epoch in (3, 2, 1, 0)]
    for epoch in range(4):
        np.testing.assert_array_equal(first[epoch], again[3 - epoch])
    assert not any(np.array_equal(first[a], first[b]) for a in range(4) for b in range(a))
    assert not np.array_equal(item(make_source(training=True, seed=4, **tables), "pink-down").frames, first[0])
    source.videos = (replace(source.videos[3], id="the same footage"),)
    twin = [item(source, "the same footage", epoch).frames for epoch in range(4)]
    assert not all(np.array_equal(one, other) for one, other in zip(first, twin, strict=True))


def test_a_mask_draws_by_seed_and_video_alone(make_source: Callable[..., ClipDataset]) -> None:
    def alpha(name: str, seed: int, epoch: int) -> np.ndarray:
        return item(make_source(mask={"use": "soft"}, seed=seed), name, epoch).alphas["none"]

    np.testing.assert_array_equal(alpha("red-across", 1, 0), alpha("red-across", 1, 5))
    assert not np.array_equal(alpha("red-across", 1, 0), alpha("red-across", 2, 0))
    assert not np.array_equal(alpha("red-across", 1, 0), alpha("blue-down", 1, 0))


def test_lost_videos_are_listed_and_the_rest_goes_on(
    make_source: Callable[..., ClipDataset], clips: Path, tmp_path: Path
) -> None:
    source = make_source()
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(b"no film")
    source.videos = (source.videos[0], VideoRef("gone", clips / "gone.mp4"), VideoRef("damaged", damaged))
    mixed, empty = read(source, [[ClipRequest(0), ClipRequest(1), ClipRequest(2)], [ClipRequest(1)]])
    assert mixed.ids == ("red-across",)
    assert mixed.frames.shape[0] == 1
    assert [video.id for video in mixed.lost] == ["gone", "damaged"]
    assert "gone.mp4" in mixed.lost[0].reason
    assert empty.ids == ()
    assert [video.id for video in empty.lost] == ["gone"]


def test_workers_give_the_same_batches_bit_for_bit_and_leave_torchs_draws_alone(
    make_source: Callable[..., ClipDataset], clips: Path
) -> None:
    plan = [
        [ClipRequest(0, 1, "a"), ClipRequest(4, 1, "b")],
        [ClipRequest(3, 2, "c")],
        [ClipRequest(5, 2, "d"), ClipRequest(1, 2, "e")],
    ]
    found, drawn = [], []
    for workers in (0, 2):
        source = make_source(
            training=True,
            controls=["none", "rolled", "other-video"],
            mask={"use": "soft"},
            view={"flip": 0.5, "crop_scale": [0.5, 1.0]},
        )
        source.videos = (*source.videos, VideoRef("gone", clips / "gone.mp4"))
        torch.manual_seed(1)
        found.append(read(source, plan, workers=workers))
        drawn.append(torch.rand(3))
    assert [batch.ids for batch in found[0]] == [("red-across", "red-rests"), ("pink-down",), ("green-across",)]
    for one, other in zip(*found, strict=True):
        equal(one, other)
    assert torch.equal(*drawn)


@pytest.mark.parametrize(("workers", "worded"), [(0, True), (0, False), (1, False)])
def test_an_error_arrives_as_itself(make_source: Callable[..., ClipDataset], workers: int, worded: bool) -> None:
    source = make_source(mask={"use": "failing", "video": "green-across", "worded": worded})
    found = batches(source, [[ClipRequest(0)], [ClipRequest(1)], [ClipRequest(2)]], workers=workers, prefetch=2)
    assert next(found).ids == ("red-across",)
    with pytest.raises(FdakitError) as caught:
        next(found)
    blamed = "mask 'failing' (helpers.example_parts local) failed on video 'green-across': KeyError: 'no such colour'"
    assert str(caught.value) == ("not this one" if worded else blamed)
    assert type(caught.value) is (FdakitError if worded else PartError)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dtype": "float64"}, r"returned float64\(3, 32, 32\); wanted float32\(3, 32, 32\)"),
        ({"scale": 1.5}, r"values from 0\.\d+ to 1\.\d+; wanted 0 to 1"),
        ({"scale": -1.0}, r"values from -0\.\d+ to -?0\.\d+; wanted 0 to 1"),
    ],
)
def test_what_is_no_alpha_is_the_masks_fault(
    make_source: Callable[..., ClipDataset], options: dict[str, Any], words: str
) -> None:
    source = make_source(mask={"use": "soft", **options})
    with pytest.raises(
        PartError, match=r"mask 'soft' \(helpers.example_parts local\) failed on video 'red-across': " + words
    ):
        read(source, [[ClipRequest(0)]])


@pytest.mark.parametrize("indices", [[12], [-1], [1, 1], [2, 1], [], [0, 1, 2, 3]])
def test_impossible_indices_are_the_samplers_fault(
    make_source: Callable[..., ClipDataset], indices: list[int]
) -> None:
    source = make_source(sampler={"use": "wild", "indices": indices})
    with pytest.raises(
        PartError, match=r"sampler 'wild' \(helpers.example_parts local\) failed on video 'red-across'"
    ):
        read(source, [[ClipRequest(0)]])


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("step", [0, 2])
def test_a_mask_that_draws_from_elsewhere_than_the_clips_generator_is_named(
    make_source: Callable[..., ClipDataset], step: int, keep: bool
) -> None:
    source = make_source(mask={"use": "moody", "step": step}, frame_store={"enabled": keep})
    with pytest.raises(
        PartError,
        match=r"^mask 'moody' \(helpers.example_parts local\) failed on .*: two calls .*; draw from clip\.rng\(\)",
    ):
        read(source, [[ClipRequest(0)]])
    assert item(make_source(mask={"use": "soft"}), "red-across").alphas["none"].std() > 0.1


def test_a_mask_that_writes_into_its_clip_is_named(make_source: Callable[..., ClipDataset]) -> None:
    with pytest.raises(
        PartError, match=r"^mask 'scribbling' .* on video 'red-across': changed the frames it was given"
    ):
        read(make_source(mask={"use": "scribbling"}), [[ClipRequest(0)]])


def test_a_sampler_that_draws_from_elsewhere_than_its_generator_is_named(
    make_source: Callable[..., ClipDataset],
) -> None:
    with pytest.raises(PartError, match=r"^sampler 'drawing' .*'pink-down': chose \[.*by the same generator"):
        read(make_source(sampler={"use": "drawing"}, names=["pink-down"]), [[ClipRequest(0)]])


def test_a_part_that_cannot_travel_to_a_worker_is_named_before_any_starts(
    make_source: Callable[..., ClipDataset],
) -> None:
    source = make_source()
    mask = source._plan.parts["mask"]
    local = replace(mask.offer.component, build=lambda options, shapes: mask.offer.component.build(options, shapes))
    swapped = {**source._plan.parts, "mask": replace(mask, offer=replace(mask.offer, component=local))}
    source._plan = replace(source._plan, parts=swapped)
    with pytest.raises(PartError, match=r"mask 'frame-difference' .* cannot be sent to a .*workers = 0"):
        read(source, [[ClipRequest(0)]], workers=1)
    assert read(source, [[ClipRequest(0)]])[0].ids == (NAMES[0],)
