"""What decides a clip is in the keys of the frame store: each such thing, changed alone, makes another key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fdakit.data_pipeline import cache_keys
from fdakit.data_pipeline.cache_keys import CacheKeys, make_cache_keys, part_key
from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_item import ClipItem
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.plugin import BuildContext, Preprocess, VideoRef
from fdakit.recipe.recipe import Recipe
from fdakit.video.transform import FrameTransform

MakeRecipe = Callable[..., Recipe]
TOWER = Preprocess(size=32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
VIEW = {"flip": 0.5, "crop_scale": [0.5, 1.0]}


def facts(recipe: Recipe, *, tower: Preprocess = TOWER, shapes: BuildContext | None = None, **also: Any) -> CacheKeys:
    parts = {name: recipe.parts[name] for name in also.pop("names", ("sampler", "reader", "mask"))}
    given = {"training": True, "seed": recipe.seed, **also}
    found = make_cache_keys(parts, shapes or BuildContext(image_size=32), FrameTransform(recipe.view, tower), **given)
    assert found is not None
    return found


@pytest.mark.integration
@pytest.mark.parametrize(
    ("view", "frames", "drawn"),
    [
        ({"crop_scale": [0.4, 1.0]}, False, True),
        ({"crop_scale": [0.5, 0.9]}, False, True),
        ({"crop_scale": None}, None, True),
        ({"flip": 0.25}, False, True),
        ({"flip": 0.0}, False, True),
        ({"pixel_aspect": True}, True, False),
        ({"resize": "squash"}, True, False),
        ({"interpolation": "bilinear"}, True, False),
        ({"scaler": "pillow"}, None, False),  # a crop is cut out of what neither has scaled
        ({"mean": [0.1, 0.1, 0.1]}, False, False),
        ({"std": [0.1, 0.1, 0.1]}, False, False),
    ],
    ids=str,
)
def test_each_setting_of_the_view_counts_where_it_decides(
    make_recipe: MakeRecipe, view: Mapping[str, Any], frames: bool | None, drawn: bool
) -> None:
    before, after = facts(make_recipe(view=VIEW)), facts(make_recipe(view={**VIEW, **view}))
    assert frames is None or (before.frames != after.frames) is frames
    assert (before.drawn_view != after.drawn_view) is drawn
    assert before.mask == after.mask


def test_size_training_and_parts_count(make_recipe: MakeRecipe) -> None:
    base = facts(make_recipe())
    assert facts(make_recipe()) == base
    assert facts(make_recipe(), tower=replace(TOWER, size=16)).frames != base.frames
    assert facts(make_recipe(), training=False).frames != base.frames
    for tables in ({"sampler": {"train_frames": 5}}, {"reader": {"use": "pyav", "sparse": False}}):
        changed = facts(make_recipe(**tables))
        assert (changed.frames != base.frames, changed.mask == base.mask) == (True, True)
    changed = facts(make_recipe(mask={"threshold": 9}))
    assert (changed.frames == base.frames, changed.mask != base.mask) == (True, True)
    assert facts(make_recipe(), names=("sampler", "reader")) == replace(base, mask="")  # which the device makes


def test_a_seed_is_a_fact_of_an_outside_sampler_and_reader_but_not_of_a_mask(make_recipe: MakeRecipe) -> None:
    shapes = [BuildContext(image_size=32, seed=seed) for seed in (1, 2)]
    own, sampler, reader, mask = (
        [facts(make_recipe(**tables), shapes=each) for each in shapes]
        for tables in ({}, {"sampler": {"use": "wild"}}, {"reader": {"use": "counting"}}, {"mask": {"use": "soft"}})
    )
    assert [one.frames == other.frames for one, other in (own, sampler, reader, mask)] == [True, False, False, True]
    assert all(one.mask == other.mask for one, other in (own, sampler, reader, mask))


def test_the_providers_name_and_version_and_its_code_count(
    make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = make_recipe(mask={"use": "soft"}).parts["mask"]

    def seen(**provider: str) -> Any:
        offer = replace(part.offer, provider=replace(part.offer.provider, **provider))
        return part_key(replace(part, offer=offer), BuildContext())

    assert seen() == part_key(part, BuildContext())
    assert seen(version="9.9") != seen()
    assert seen(name="another") != seen()
    assert part_key(replace(part, options=part.options.model_copy(update={"scale": 0.5})), BuildContext()) != seen()
    before = seen()
    monkeypatch.setattr(cache_keys, "code_digest", lambda module, provider: "another digest")
    assert seen() != before


def installed(folder: Path, name: str, version: str, *requires: str) -> None:
    info = folder / f"{name}.dist-info"
    info.mkdir(exist_ok=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    (info / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {r}" for r in requires)]) + "\n")


def test_what_a_plugin_requires_counts_by_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    libraries = cache_keys.libraries.__wrapped__
    installed(
        tmp_path, "drifting", "1.0", "flowing>=2; python_version > '3'", "sinking[fast] ; extra == 'fast'", "gone"
    )
    installed(tmp_path, "flowing", "2.1")
    installed(tmp_path, "sinking", "0.3")
    first = libraries("drifting")
    assert (first["flowing"], first["sinking"], "gone" in first) == ("2.1", "0.3", False)
    assert {"av", "numpy", "pillow"} <= first.keys()
    installed(tmp_path, "flowing", "2.2")
    assert libraries("drifting")["flowing"] == "2.2"
    assert "flowing" not in libraries("fdakit")
    assert {"av", "numpy", "pillow"} <= libraries("no such distribution").keys()


@pytest.fixture
def seen_clip(make_recipe: MakeRecipe, clips: Path, tmp_path: Path) -> Callable[..., ClipItem]:
    """`seen_clip(0.2, 0.8, flip=...)`: the clip of a segment under a view, out of one store for all, or of none."""

    def make(start: float | None, end: float | None, store: bool, **tables: Any) -> ClipItem:
        sampler = {"use": "uniform", "train_pick": "centre", "train_frames": 3}
        kept = {"folder": str(tmp_path / "frames"), "enabled": store, "draws": 2}
        recipe = make_recipe(sampler=sampler, frame_store=kept, **tables)
        video = VideoRef("v", clips / "pink-down.mp4", start, end)
        found = ClipDataset(ClipSettings.of(recipe), [video], training=True, preprocess=TOWER, shapes=BuildContext())[
            ClipRequest(0, 1)
        ]
        assert isinstance(found, ClipItem), found
        return found

    return make


def test_segments_and_drawn_views_never_answer_for_each_other(seen_clip: Callable[..., ClipItem]) -> None:
    segments = [(None, None), (0.5, None), (0.5, 0.9), (None, 0.9), (None, 0.5)]
    views = [{}, {"crop_scale": [0.2, 0.4]}, {"crop_scale": [0.2, 0.5]}, {"flip": 1.0}]
    found = []
    for view in views:
        for start, end in segments:
            kept, fresh = (seen_clip(start, end, store, view=view) for store in (True, False))
            np.testing.assert_array_equal(kept.frames, fresh.frames)
            np.testing.assert_array_equal(kept.times, fresh.times)
            found.append(kept.frames.tobytes() + kept.times.tobytes())
    assert len(set(found)) > len(segments) * 3  # small crops of different spans may show the same ground
