"""What is kept of clips, when it is used again, and what people are told of it."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fdakit.data_pipeline import shards as shards_module
from fdakit.data_pipeline.cache_contents import list_contents
from fdakit.data_pipeline.clip_cache import format_bytes
from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_item import ClipItem
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.data_pipeline.code_digests import code_digest
from fdakit.data_pipeline.frame_store import FrameStore, file_fingerprint, record_key
from fdakit.data_pipeline.loading.clip_loader import batches
from fdakit.data_pipeline.shard_files import DATA, INDEX, Shard, read_entries
from fdakit.data_pipeline.stored_frames import stored_frames
from fdakit.experiment.run import run_recipe
from fdakit.plugin import BuildContext, Preprocess, VideoRef
from fdakit.recipe.recipe import Recipe

pytestmark = pytest.mark.integration

NAMES = ("red-across", "green-across", "blue-down", "pink-down", "red-rests")
TOWER = Preprocess(size=32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
CENTRE = {"use": "uniform", "train_pick": "centre", "train_frames": 3}
MakeSource = Callable[..., ClipDataset]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "frames"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "reads"


@pytest.fixture
def make_source(make_recipe: Callable[..., Recipe], clips: Path, store: Path, log: Path) -> MakeSource:
    """`make_source(training=True, tower=TOWER, folder=clips, frame_store={}, **tables)`, its reads counted."""

    def make(
        training: bool = True,
        tower: Preprocess = TOWER,
        folder: Path = clips,
        frame_store: dict[str, Any] | None = None,
        **tables: Any,
    ) -> ClipDataset:
        recipe = make_recipe(
            **{"sampler": CENTRE, "reader": {"use": "counting", "file": str(log)}, **tables},
            frame_store={"folder": str(store), **(frame_store or {})},
        )
        videos = [VideoRef(name, folder / f"{name}.mp4") for name in NAMES]
        return ClipDataset(
            ClipSettings.of(recipe), videos, training=training, preprocess=tower, shapes=BuildContext()
        )

    return make


def reads(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def clip(source: ClipDataset, number: int = 0, epoch: int = 0) -> ClipItem:
    found = source[ClipRequest(number, epoch)]
    assert isinstance(found, ClipItem), found
    return found


def equal(one: ClipItem, other: ClipItem) -> None:
    assert one.id == other.id
    pairs = [(one.frames, other.frames), (one.times, other.times)]
    pairs += zip(one.alphas.values(), other.alphas.values(), strict=True)
    for left, right in pairs:
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)


def epoch_of(source: ClipDataset, epoch: int, workers: int = 0) -> None:
    plan = [[ClipRequest(number, epoch)] for number in range(len(source))]
    assert len(list(batches(source, plan, workers=workers, prefetch=2))) == len(NAMES)


def test_epochs_after_the_first_decode_nothing_nor_do_later_runs(make_source: MakeSource, log: Path) -> None:
    for _ in range(2):
        source = make_source()
        for epoch in range(3):
            epoch_of(source, epoch)
    assert reads(log) == len(NAMES)


def test_frames_that_were_stored_before_planes_were_are_found_and_used(
    make_source: MakeSource, log: Path, tmp_path: Path
) -> None:
    made, former = make_source(training=False), tmp_path / "former"
    wanted = [clip(made, number, 0) for number in range(len(NAMES))]
    keeper = made.built._keeper
    assert keeper is not None
    old = FrameStore(former, limit_mb=100)
    for video in made.videos:
        found = keeper.store.get(keeper._key(video, 0) or b"")
        assert found is not None
        view = ["viewed", keeper.facts.drawn_view]
        key = record_key(file_fingerprint(video), keeper.facts.frames, view, None)
        old.put(key, {"frames": stored_frames(found), "times": found["times"], "pixel_aspect": found["pixel_aspect"]})
    before = reads(log)
    again = make_source(training=False, frame_store={"folder": str(former)})
    for _ in range(2):
        for number, one in enumerate(wanted):
            other = clip(again, number, 0)
            np.testing.assert_array_equal(other.frames, one.frames)
            np.testing.assert_array_equal(other.alphas["none"], one.alphas["none"])
    assert reads(log) == before


@pytest.mark.integration
def test_loader_workers_gain_from_it_too(make_source: MakeSource, log: Path) -> None:
    source = make_source()
    for epoch in range(2):
        epoch_of(source, epoch, workers=2)
    assert reads(log) == len(NAMES)


VIEWS = ({}, {"flip": 0.5}, {"crop_scale": [0.3, 1.0]}, {"flip": 0.5, "crop_scale": [0.5, 1.0]})


@pytest.mark.parametrize("view", VIEWS, ids=str)
@pytest.mark.parametrize("mask", ["frame-difference", "soft", "neighbouring"])
def test_what_is_kept_gives_the_clip_bit_for_bit(
    make_source: MakeSource, log: Path, view: dict[str, Any], mask: str
) -> None:
    tables: dict[str, Any] = {"view": view, "mask": {"use": mask}}
    plain = make_source(frame_store={"enabled": False}, **tables)
    fresh = [clip(plain, number, epoch) for epoch in range(3) for number in range(len(NAMES))]
    before = reads(log)
    for _ in range(2):
        source = make_source(**tables)
        for epoch in range(3):
            for number in range(len(NAMES)):
                equal(clip(source, number, epoch), fresh[epoch * len(NAMES) + number])
    assert reads(log) - before == len(NAMES)


@pytest.mark.parametrize("scaler", ["swscale", "pillow"])
def test_views_that_are_drawn_differently_do_not_mix_their_frames(make_source: MakeSource, scaler: str) -> None:
    for view in VIEWS * 2:
        tables = {"view": {**view, "scaler": scaler}}
        plain = make_source(frame_store={"enabled": False}, **tables)
        equal(clip(make_source(**tables), 3, 1), clip(plain, 3, 1))


def test_another_mask_or_seed_starts_from_the_frames_that_are_kept(make_source: MakeSource, log: Path) -> None:
    first = clip(make_source())
    others = [
        clip(make_source(**tables)) for tables in ({"mask": {"use": "soft"}}, {"mask": {"use": "soft"}, "seed": 9})
    ]
    assert reads(log) == 1
    masks = [found.alphas["none"] for found in (first, *others)]
    assert not any(np.array_equal(masks[a], masks[b]) for a in range(3) for b in range(a))
    equal(others[1], clip(make_source(mask={"use": "soft"}, seed=9, frame_store={"enabled": False})))


def kept_masks(store: Path) -> int:
    return int(sum(row["masks"] for row in list_contents(store.parent, frames=store)["frames"]["by"]))


@pytest.mark.parametrize(
    ("mask", "count"), [("frame-difference", 1), ("whole-frame", 1), ("neighbouring", 1), ("soft", 3)]
)
def test_a_mask_that_draws_nothing_is_kept_once_for_all_seeds(
    make_source: MakeSource, store: Path, log: Path, mask: str, count: int
) -> None:
    for seed in (3, 8, 9):
        made = clip(make_source(mask={"use": mask}, seed=seed))
        equal(made, clip(make_source(mask={"use": mask}, seed=seed, frame_store={"enabled": False})))
    assert kept_masks(store) == count


WAYS = ("build", "first", "shapes", "name", "replace", "copy", "fields", "rng", "pickle")


@pytest.mark.parametrize("way", WAYS)
def test_a_mask_that_looks_at_its_seed_is_kept_by_it_however_it_does(
    make_source: MakeSource, store: Path, way: str
) -> None:
    mask = {"use": "by-seed", "file": way}
    for seed in (3, 8):
        for number in (0, 2):
            source, plain = (make_source(mask=mask, seed=seed, frame_store=f) for f in ({}, {"enabled": False}))
            equal(clip(source, number), clip(plain, number))
    assert kept_masks(store) == 4


def test_a_mask_that_needs_more_than_frames_reads_once_for_itself(make_source: MakeSource, log: Path) -> None:
    clip(make_source())
    mask = {"use": "neighbouring", "gap": -2}
    found = [clip(make_source(mask=mask)) for _ in range(2)]
    assert reads(log) == 2
    for one in found:
        equal(one, clip(make_source(mask=mask, frame_store={"enabled": False})))


@pytest.mark.parametrize(
    "changed",
    [
        {"sampler": {**CENTRE, "train_frames": 2}},
        {"sampler": {**CENTRE, "by": "index"}},
        {"reader": {"use": "counting", "scale": 2.0}},
        {"reader": {"use": "pyav"}},
        {"view": {"resize": "squash"}},
        {"view": {"interpolation": "bilinear"}},
        {"tower": replace(TOWER, size=16)},
        {"training": False},
        {"view": {"pixel_aspect": True}},
    ],
    ids=str,
)
def test_whatever_changes_the_pixels_makes_another_record(
    make_source: MakeSource, store: Path, changed: dict[str, Any]
) -> None:
    clip(make_source())
    before = len(list(store.glob(f"*{INDEX}")))
    equal(clip(make_source(**changed)), clip(make_source(**changed, frame_store={"enabled": False})))
    assert len(list(store.glob(f"*{INDEX}"))) == before + 1


def test_mean_and_deviation_change_no_pixel(make_source: MakeSource, log: Path) -> None:
    clip(make_source())
    clip(make_source(tower=replace(TOWER, mean=(0.1, 0.1, 0.1)), view={"std": [0.2, 0.2, 0.2]}))
    assert reads(log) == 1


def test_a_file_that_was_replaced_is_read_again(
    make_source: MakeSource, clips: Path, tmp_path: Path, log: Path
) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    for name in NAMES:
        shutil.copy(clips / f"{name}.mp4", folder)
    first = clip(make_source(folder=folder))
    shutil.copy(clips / "pink-down.mp4", folder / "red-across.mp4")
    source = make_source(folder=folder)
    second = clip(source)
    assert reads(log) == 2
    assert not np.array_equal(first.frames, second.frames)
    (folder / "red-across.mp4").unlink()
    assert "red-across.mp4" in getattr(
        source[ClipRequest(0)], "reason", ""
    )  # a kept clip of a file that is gone is not shown


@pytest.mark.parametrize(
    "drawn", [{"sampler": {"use": "uniform", "train_frames": 3}}, {"view": {"flip": 0.5, "crop_scale": [0.3, 1.0]}}]
)
def test_n_draws_are_kept_and_used_in_turn(make_source: MakeSource, log: Path, drawn: dict[str, Any]) -> None:
    plain = make_source(frame_store={"enabled": False}, **drawn)
    fresh = [clip(plain, 3, epoch) for epoch in range(2)]
    before = reads(log)
    for _ in range(2):
        source = make_source(frame_store={"draws": 2}, **drawn)
        for epoch in range(5):
            equal(clip(source, 3, epoch), fresh[epoch % 2])
    assert reads(log) - before == 2
    assert not np.array_equal(fresh[0].frames, fresh[1].frames)
    other = make_source(frame_store={"draws": 2}, seed=8, **drawn)
    assert not np.array_equal(clip(other, 3, 0).frames, fresh[0].frames)


def test_draws_stay_in_turn_where_nothing_more_fits_and_never_touch_evaluation(make_source: MakeSource) -> None:
    random_frames = {"sampler": {"use": "uniform", "train_frames": 3, "eval_frames": 3}}
    source = make_source(frame_store={"draws": 2, "limit_mb": 0}, **random_frames)
    equal(clip(source, 3, 5), clip(source, 3, 1))
    for training, same in ((True, False), (False, True)):
        with_draws = clip(make_source(training, frame_store={"draws": 1}, **random_frames), 3, 4)
        without = clip(make_source(training, frame_store={"enabled": False}, **random_frames), 3, 4)
        assert np.array_equal(with_draws.frames, without.frames) is same


def test_random_frames_are_not_kept_by_default(make_source: MakeSource, store: Path, log: Path) -> None:
    source = make_source(sampler={"use": "uniform"})
    for epoch in range(2):
        clip(source, 3, epoch)
    assert reads(log) == 2
    assert not store.exists()


@pytest.mark.integration
def test_a_run_is_the_same_with_and_without_the_store_and_the_second_decodes_nothing(
    make_recipe: Callable[..., Recipe], store: Path, log: Path, tmp_path: Path
) -> None:
    def run(name: str, **frame_store: Any) -> tuple[dict[str, Any], bytes]:
        recipe = make_recipe(
            sampler={**CENTRE, "eval_frames": 3},
            reader={"use": "counting", "file": str(log)},
            frame_store={"folder": str(store), **frame_store},
        )
        report = run_recipe(recipe, out=tmp_path / name).report.to_json()
        return report, (tmp_path / name / "similarity.npy").read_bytes()

    plain = run("plain", enabled=False)
    assert run("cold") == plain
    before = reads(log)
    assert run("warm") == plain
    assert reads(log) == before


@pytest.mark.integration
def test_the_report_names_draws_that_were_kept(
    make_recipe: Callable[..., Recipe], store: Path, tmp_path: Path
) -> None:
    reports = [
        run_recipe(make_recipe(frame_store={"folder": str(store), "draws": n}), out=tmp_path / str(n)).report
        for n in (0, 2)
    ]
    assert [report.protocol.frame_store_draws for report in reports] == [None, 2]


def said(work: Callable[[], object]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        work()
    return [str(warning.message) for warning in caught if "frame store" in str(warning.message)]


def test_what_does_not_fit_is_foretold_and_said_once(
    make_source: MakeSource, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards_module, "_free", lambda folder: 50_000)
    source = make_source()

    def train() -> None:
        for epoch in range(3):
            epoch_of(source, epoch)

    (note,) = said(train)
    assert "frame store: about 48.0 kB for 5 clips at 3 frames, and room for 25.0 kB in " in note
    assert note.endswith("raise frame_store.limit_mb, or make room with `fdakit cache clear`")
    assert len(NAMES) < reads(log) < 3 * len(NAMES)


def test_it_is_foretold_within_the_first_epoch(make_source: MakeSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards_module, "_free", lambda folder: 50_000)
    source = make_source()
    (note,) = said(lambda: epoch_of(source, 0))
    assert "frame store: about 48.0 kB for 5 clips at 3 frames, and room for " in note


def test_a_large_store_is_announced_and_a_small_or_full_one_is_not(make_source: MakeSource, clips: Path) -> None:
    source = make_source(tower=replace(TOWER, size=224))
    videos = [VideoRef(str(number), clips / "pink-down.mp4") for number in range(3000)]
    forecast = source.built.forecast(videos, 0)
    assert forecast is not None
    (note,) = forecast.says
    assert note.startswith("frame store: about 1.4 GB for 3,000 clips at 3 frames, kept in ")
    assert source.built.forecast(videos[:100], 0) == type(forecast)()
    clip(source, 3)
    assert source.built.forecast(videos, 0) == type(forecast)()  # all of it is there
    assert said(lambda: epoch_of(source, 0)) == []


def test_frames_of_their_own_size_are_foretold_by_the_first_that_are_kept(
    make_source: MakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards_module, "_free", lambda folder: 60_000)
    source = make_source(view={"crop_scale": [0.5, 1.0]})
    assert source.built.forecast(source.videos, 0) is None
    (note,) = said(lambda: epoch_of(source, 0))
    assert "for 4 clips at 3 frames, and room for " in note  # the first one lies there already


@pytest.mark.integration
def test_damage_found_by_a_worker_is_said_by_the_run_and_mended(
    make_source: MakeSource, store: Path, log: Path
) -> None:
    source = make_source()
    epoch_of(source, 0)
    (data,) = store.glob(f"*{DATA}")
    data.write_bytes(bytes(data.stat().st_size))
    plain = make_source(frame_store={"enabled": False})
    expected = [clip(plain, number) for number in range(len(NAMES))]
    before = reads(log)
    (note,) = said(lambda: epoch_of(make_source(), 0, workers=2))
    assert "was damaged and is removed; its 10 records are made again" in note
    assert reads(log) == before + len(NAMES)
    for number, fresh in enumerate(expected):
        equal(clip(make_source(), number), fresh)


def test_a_part_whose_code_changed_is_another_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "some_mask"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text("x = 1\n")
    monkeypatch.setitem(sys.modules, "some_mask", __import__("some_mask"))
    digest = lambda module: code_digest.__wrapped__(module, "some-mask")  # noqa: E731
    seen = [digest("some_mask.inner")]
    (package / "inner.py").write_text("x = 2\n")
    seen.append(digest("some_mask.inner"))
    (package / "data.txt").write_text("no code")
    assert digest("some_mask.inner") == seen[1] != seen[0]
    assert digest("made_in_memory") is None


def test_a_part_that_is_in_no_file_is_used_but_nothing_is_kept(
    make_source: MakeSource, store: Path, log: Path
) -> None:
    source = make_source()
    mask = source._plan.parts["mask"]
    build = lambda options, shapes: mask.offer.component.build(options, shapes)  # noqa: E731 - what a notebook makes
    build.__module__ = "made_in_memory"
    offer = replace(mask.offer, component=replace(mask.offer.component, build=build))
    source._plan = replace(source._plan, parts={**source._plan.parts, "mask": replace(mask, offer=offer)})
    for _ in range(2):
        clip(source)
    assert reads(log) == 2
    assert not store.exists()


def test_encoding_videos_for_somebody_keeps_nothing_on_disk(
    make_recipe: Callable[..., Recipe], clips: Path, store: Path
) -> None:
    recipe = make_recipe(frame_store={"folder": str(store)})
    videos: Sequence[VideoRef] = [VideoRef("v", clips / "red-across.mp4")]
    source = ClipDataset(
        ClipSettings.of(recipe), videos, training=False, preprocess=TOWER, shapes=BuildContext(), keep=False
    )
    clip(source)
    assert not store.exists()


@given(st.integers(0, 10**13))
def test_sizes_are_spoken_with_a_unit(count: int) -> None:
    number, unit = format_bytes(count).split()
    assert float(number) * {"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}[unit] == pytest.approx(count, rel=0.051)


def test_units_change_at_the_thousand() -> None:
    counts = (0, 999, 1000, 999_000, 10**6, 99 * 10**6, 10**9, 12 * 10**10)
    wanted = ("0 bytes", "999 bytes", "1.0 kB", "999.0 kB", "1.0 MB", "99.0 MB", "1.0 GB", "120.0 GB")
    assert tuple(map(format_bytes, counts)) == wanted


def test_a_shard_says_which_recipe_and_data_set_wrote_it(make_source: MakeSource, store: Path) -> None:
    clip(make_source())
    (index,) = store.glob(f"*{INDEX}")
    shard = Shard(index)
    assert list(read_entries(shard))
    assert shard.about == {"recipe": "small", "dataset": "manifest"}


def test_the_folder_may_be_read_only(make_source: MakeSource, store: Path, log: Path) -> None:
    if not hasattr(os, "geteuid") or os.geteuid() == 0:
        pytest.skip("the superuser may write anywhere")
    clip(make_source())
    store.chmod(0o500)
    try:
        source = make_source()
        clip(source)
        clip(source, 1)
    finally:
        store.chmod(0o700)
    assert reads(log) == 2
