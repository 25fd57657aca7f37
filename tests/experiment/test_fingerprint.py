"""What changed since a run was started is told one by one, and refused unless its kind is allowed."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fdakit import RecipeError
from fdakit.analysis.recipe_diff import without_effect
from fdakit.experiment.fingerprint import (
    KINDS,
    Fingerprint,
    SplitFingerprint,
    changes_since,
    refuse_changes,
    take_fingerprint,
)
from fdakit.experiment.run import run_recipe
from fdakit.plugin import Caption, Split
from fdakit.recipe.default_options import default_options
from fdakit.recipe.recipe import Recipe

MakeRecipe = Callable[..., Recipe]
PAIRS = (("red-across", "a red square"), ("blue-down", "a blue one"), ("pink-down", "a pink one"))


@pytest.fixture
def train(split: Callable[..., Split], clips: Path, tmp_path: Path) -> Split:
    """Three videos in a folder of their own."""
    found = split(*PAIRS, name="train")
    videos = tuple(replace(v, path=Path(shutil.copy(v.path, tmp_path))) for v in found.videos)
    return replace(found, videos=videos)


def told(one: Any, other: Any) -> list[str]:
    return [f"{change.kind}: {change.text}" for change in changes_since(one, other)]


def test_nothing_changed_is_nothing_told_and_the_fingerprint_is_plain(make_recipe: MakeRecipe, train: Split) -> None:
    recipe = make_recipe()
    first = take_fingerprint(recipe, {"train": train})
    assert told(first, take_fingerprint(recipe, {"train": train})) == []
    assert Fingerprint.from_json(first.to_json()) == first
    assert b"fdakit" not in pickle.dumps(first.to_json())
    ways = make_recipe(
        loader={"workers": 1},
        eval={"controls": ["zero"]},
        observer=[{"use": "jsonl"}],
        name="other",
        train={"shard": "fsdp2", "checkpoint_minutes": 2.0},
    )
    assert told(first, take_fingerprint(ways, {"train": train})) == []


def test_every_option_of_a_recipe_is_compared_or_known_to_have_no_effect(make_recipe: MakeRecipe) -> None:
    """So also those that are added later; paths of the data set are compared by what lies there."""
    recipe = make_recipe(objective=[{"use": "symmetric-contrastive"}])

    def keys(value: Any, key: str = "") -> Iterator[str]:
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = dict(enumerate(value))
        if isinstance(value, dict):
            for name, inner in value.items():
                yield from keys(inner, f"{key}.{name}" if key else str(name))
        else:
            yield key

    known = take_fingerprint(recipe, {}).recipe
    found = [key for key in keys(recipe.document()) if not key.startswith("dataset.") and not without_effect(key)]
    assert [key for key in found if key not in known] == []
    assert "train.checkpoint_minutes" not in known
    assert {"train.precision", "train.micro_batch", "view.flip", "objective.0.weight"} <= set(known)


def test_every_kind_is_told(make_recipe: MakeRecipe, train: Split) -> None:
    recipe = make_recipe()
    before = take_fingerprint(recipe, {"train": train})
    fewer = replace(train, videos=train.videos[:2], captions=train.captions[:2])
    assert told(before, take_fingerprint(recipe, {"train": fewer})) == [
        "videos: train has 2 videos, had 3 (gone: 'pink-down')",
        "captions: train has 2 captions, had 3",
    ]
    other = replace(train, captions=(Caption("else", "red-across"), *train.captions[1:]))
    assert told(before, take_fingerprint(recipe, {"train": other})) == [
        "captions: train has other texts, or another order"
    ]
    changed = make_recipe(train={"batch_size": 5}, mask={"threshold": 30}, seed=4)
    assert told(before, take_fingerprint(changed, {"train": train})) == [
        "recipe: seed is 4, was 3",
        "recipe: mask.threshold is 30.0, was 25",
        "recipe: train.batch_size is 5, was 4",
    ]
    train.videos[0].path.write_bytes(train.videos[0].path.read_bytes() + b"0")
    os.utime(train.videos[1].path, ns=(0, 0))
    assert told(before, take_fingerprint(recipe, {"train": train})) == [
        "files: train: 2 of 3 were written anew: 'red-across', 'blue-down'"
    ]


def test_changed_files_of_masks_are_told(make_recipe: MakeRecipe, train: Split, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    recipe = make_recipe(mask={"use": "files", "folder": str(masks), "missing": "empty"})
    first, second = (masks / f"{name}.json" for name in ("red-across", "blue-down"))
    first.write_text('{"frames": []}')
    before = take_fingerprint(recipe, {"train": train})
    assert Fingerprint.from_json(before.to_json()) == before
    os.utime(first, ns=(0, 0))
    assert told(before, take_fingerprint(recipe, {"train": train})) == []
    first.write_text('{"frames": [ ]}')
    second.write_text('{"frames": []}')
    now = take_fingerprint(recipe, {"train": train})
    assert told(before, now) == ["masks: train: 2 of 3 videos have other files: 'red-across', 'blue-down'"]
    large = [one.model_copy(update={"splits": {"train": unlisted(one.splits["train"])}}) for one in (before, now)]
    assert told(*large) == ["masks: train: some videos have other files"]
    older = take_fingerprint(make_recipe(), {"train": train})  # an older fdakit did not record them
    assert [text for text in told(older, now) if text.startswith("masks")] == []
    with pytest.raises(RecipeError, match=r"--allow-changed masks$"):
        refuse_changes(tmp_path, changes_since(before, now), ())


def unlisted(split: SplitFingerprint) -> SplitFingerprint:
    return SplitFingerprint.from_json({key: value for key, value in split.to_json().items() if key != "mask_files"})


def test_a_file_that_an_option_names_is_compared_by_its_contents(
    make_recipe: MakeRecipe, train: Split, tmp_path: Path
) -> None:
    path, copy = tmp_path / "notes.txt", tmp_path / "copies" / "notes.txt"
    path.write_text("one")
    copy.parent.mkdir()
    shutil.copy(path, copy)
    recipe, moved = (make_recipe(objective=[{"use": "constant", "file": str(one)}]) for one in (path, copy))
    before = take_fingerprint(recipe, {"train": train})
    assert told(before, take_fingerprint(moved, {"train": train})) == []
    path.write_text("two")
    assert told(before, take_fingerprint(recipe, {"train": train})) == [
        "files: objective.0.file: the file has other contents"
    ]


def test_options_of_a_later_version_are_no_change_at_their_defaults(make_recipe: MakeRecipe, train: Split) -> None:
    recipe, odd = make_recipe(), make_recipe(matcher={"use": "dot"}, train={"warmup": 0.5})
    keys = ("matcher.use", "train.warmup")
    now = take_fingerprint(recipe, {"train": train})
    older = now.model_copy(update={"recipe": {k: v for k, v in now.recipe.items() if k not in keys}})
    assert changes_since(older, now, defaults=default_options(recipe)) == []
    found = changes_since(older, take_fingerprint(odd, {"train": train}), defaults=default_options(odd))
    assert [change.text for change in found] == ["matcher.use is 'dot', was None", "train.warmup is 0.5, was None"]


def test_a_copy_elsewhere_is_the_same_unless_sizes_differ(
    make_recipe: MakeRecipe, train: Split, tmp_path: Path
) -> None:
    before = take_fingerprint(make_recipe(), {"train": train})
    (tmp_path / "moved").mkdir()
    videos = tuple(replace(v, path=Path(shutil.copy(v.path, tmp_path / "moved"))) for v in train.videos)
    for video in videos:
        os.utime(video.path, ns=(5, 5))
    moved = replace(train, videos=videos)
    assert told(before, take_fingerprint(make_recipe(), {"train": moved})) == []
    videos[2].path.write_bytes(b"short")
    assert told(before, take_fingerprint(make_recipe(), {"train": moved})) == [
        "files: train: 1 of 3 were written anew: 'pink-down'"
    ]


def test_clips_rendered_anew_into_the_cache_are_the_same(
    make_recipe: MakeRecipe, train: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FDAKIT_CACHE", str(tmp_path))
    before = take_fingerprint(make_recipe(), {"train": train})
    os.utime(train.videos[0].path, ns=(5, 5))
    assert told(before, take_fingerprint(make_recipe(), {"train": train})) == []


def test_what_is_not_allowed_is_refused_with_the_words_that_allow_it(
    make_recipe: MakeRecipe, train: Split, tmp_path: Path
) -> None:
    before = take_fingerprint(make_recipe(), {"train": train})
    fewer = replace(train, videos=train.videos[:2], captions=train.captions[:2])
    changes = changes_since(before, take_fingerprint(make_recipe(train={"epochs": 9}), {"train": fewer}))
    with pytest.raises(RecipeError, match=r"(?s)recipe: train.epochs is 9.*--allow-changed recipe,videos,captions$"):
        refuse_changes(tmp_path, changes, ())
    with pytest.raises(RecipeError, match=r"--allow-changed videos$") as caught:
        refuse_changes(tmp_path, changes, ("recipe", "captions"))
    assert "train.epochs" not in str(caught.value)
    refuse_changes(tmp_path, changes, KINDS)


@pytest.mark.integration
def test_a_run_is_not_taken_up_on_other_annotations_unless_it_is_allowed(
    make_recipe: MakeRecipe, clips: Path, manifest: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(manifest.read_text())
    stop = {"observer": [{"use": "watching", "step": 2}]}
    dataset = {"use": "manifest", "path": str(path), "root": str(clips)}
    with pytest.raises(KeyboardInterrupt):
        run_recipe(make_recipe(dataset=dataset, **stop), out=tmp_path / "run")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *lines[3:]]) + "\n")  # the first training video is gone
    with pytest.raises(
        RecipeError, match=r"(?s)run: what this run was last trained on has changed:.*gone: 'red-across.mp4'"
    ):
        run_recipe(make_recipe(dataset=dataset), resume=tmp_path / "run")
    report = run_recipe(make_recipe(dataset=dataset), resume=tmp_path / "run", allowed=("videos", "captions")).report
    remarks = report.videos.training.remarks
    assert [remark.partition(" changed:")[0] for remark in remarks] == [
        "resumed after step 2 with videos",
        "resumed after step 2 with captions",
    ]
    again = run_recipe(make_recipe(dataset=dataset), resume=tmp_path / "run").report  # that is what it stands on now
    assert again.videos.training.remarks == remarks


@pytest.mark.integration
def test_a_run_is_not_taken_up_on_other_masks_unless_it_is_allowed(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    mask = {"use": "files", "folder": str(tmp_path / "masks"), "missing": "full"}
    with pytest.raises(KeyboardInterrupt):
        run_recipe(make_recipe(mask=mask, observer=[{"use": "watching", "step": 2}]), out=tmp_path / "run")
    (tmp_path / "masks" / "red-across.mp4.json").write_text('{"frames": []}')
    with pytest.raises(RecipeError, match=r"(?s)train: 1 of 7 videos .*'red-across\.mp4'.*--allow-changed masks$"):
        run_recipe(make_recipe(mask=mask), resume=tmp_path / "run")
    report = run_recipe(make_recipe(mask=mask), resume=tmp_path / "run", allowed=("masks",)).report
    said = [remark.partition(" have")[0] for remark in report.videos.training.remarks]
    counts = (("train", 7), ("val", 3), ("test", 6))
    assert said == [f"resumed after step 2 with masks changed: {name}: 1 of {of} videos" for name, of in counts]
