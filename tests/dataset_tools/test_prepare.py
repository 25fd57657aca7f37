"""A data set's folder laid out, step by step, as somebody who downloads it meets it."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from helpers.sample_plugins import NoOptions, component, offering

from fdakit import FdakitError
from fdakit.catalog import Catalog, load_catalog
from fdakit.dataset_tools.prepare import PreparedDataset, choose_dataset, prepare
from fdakit.dataset_tools.prepare_report import next_step, preparation_facts, waiting_for
from fdakit.errors import PartError
from fdakit.plugin import Options, SourceFile, Split

IDS = {"train": ("a_0_5", "b_0_5"), "val": ("c_0_5",), "test": ("d_0_5", "e_0_5")}
CAPTIONS = {name: [f"{name} runs", "a dog"] for ids in IDS.values() for name in ids}
LISTS = {f"{split}_list.txt": "".join(f"{name}\n" for name in ids) for split, ids in IDS.items()}


def quiet(what: str, done: int, total: int) -> None:
    """No progress."""


@pytest.fixture
def msvd(catalog: Catalog, tmp_path: Path) -> Callable[..., PreparedDataset]:
    """`msvd("dataset.language=German")`: the folder `msvd` in `tmp_path` prepared, with such settings."""

    def call(*settings: str) -> PreparedDataset:
        recipe = choose_dataset("msvd", root=tmp_path / "msvd", settings=settings, catalog=catalog)
        return prepare(recipe, progress=quiet)

    return call


def write_annotations(root: Path) -> None:
    for name, text in LISTS.items():
        (root / name).write_text(text)
    (root / "captions.json").write_text(json.dumps(CAPTIONS))


def step(prepared: PreparedDataset, catalog: Catalog, *settings: str, damaged: int | None = None) -> str:
    recipe = choose_dataset(prepared.name, root=prepared.root, settings=settings, catalog=catalog)
    return next_step(prepared, recipe, settings, damaged=damaged)


def test_from_nothing_to_ready(
    msvd: Callable[..., PreparedDataset], catalog: Catalog, tmp_path: Path, clips: Path
) -> None:
    root = tmp_path / "msvd"
    first = msvd()
    assert first.made == (root, root / "videos")
    assert [each.source.path for each in first.to_fetch()] == [*LISTS, "raw-captions.pkl", "videos"]
    assert waiting_for(first, "val") == ("val_list.txt", "raw-captions.pkl")
    assert not first.ready
    assert step(first, catalog).startswith("not ready: 4 files to fetch, 3 splits that cannot be loaded; put")

    write_annotations(root)
    second = msvd()
    assert second.made == ()
    assert [each.source.path for each in second.to_fetch()] == ["videos"]
    assert [len(found.absent) for found in second.audit.splits] == [2, 1, 2]
    assert step(second, catalog).startswith("not ready: 5 videos missing; put")
    assert "allow_missing" not in step(second, catalog), "without any video there is nothing to go on with"

    for name in ("a_0_5", "b_0_5", "c_0_5", "d_0_5", "stranger"):
        shutil.copy(clips / "red-across.mp4", root / "videos" / f"{name}.mp4")
    third = msvd()
    assert (list(third.missing), [path.name for path in third.strangers]) == (["e_0_5"], ["stranger.mp4"])
    assert "or continue without these videos: --set dataset.allow_missing=true" in step(third, catalog)
    allowed = msvd("dataset.allow_missing=true")
    assert allowed.ready
    assert step(allowed, catalog, "dataset.allow_missing=true") == (
        "ready; missing videos, left out: 1; run it: fdakit run fda_msvd "
        f"--set dataset.root={root} --set dataset.allow_missing=true"
    )

    shutil.copy(clips / "red-across.mp4", root / "videos" / "e_0_5.avi")
    last = msvd()
    assert (last.ready, last.to_fetch()) == (True, ())
    assert sorted(path.name for path in last.present()) == [
        f"{name}_0_5.{'avi' if name == 'e' else 'mp4'}" for name in "abcde"
    ]
    assert step(last, catalog) == f"ready; run it: fdakit run fda_msvd --set dataset.root={root}"
    assert 'unless loader.damage is "skip" or "repair": 2; run it: fdakit run' in step(last, catalog, damaged=2)


def test_archives_are_unpacked_while_something_is_wanted(
    msvd: Callable[..., PreparedDataset], tmp_path: Path, clips: Path
) -> None:
    root = tmp_path / "msvd"
    root.mkdir()
    with zipfile.ZipFile(root / "msvd_data.zip", "w") as packed:
        for name, text in {**LISTS, "captions.json": json.dumps(CAPTIONS), "readme.md": "no"}.items():
            packed.writestr(f"msvd_data/{name}", text)
    with zipfile.ZipFile(root / "YouTubeClips.zip", "w") as packed:
        for name in "abcde":
            packed.write(clips / "red-across.mp4", f"YouTubeClips/{name}_0_5.avi")
        packed.writestr("YouTubeClips/../../../evil.avi", "evil")
    (root / "half.tar").write_bytes(b"half")
    before = {path.name: path.read_bytes() for path in root.iterdir()}
    done = msvd()
    assert done.ready
    told = {each.archive.name: (len(each.files), each.already, len(each.refused)) for each in done.unpacked}
    assert told == {"half.tar": (0, 0, 0), "msvd_data.zip": (4, 0, 0), "YouTubeClips.zip": (5, 0, 1)}
    assert done.unpacked[1].fault
    assert (root / "videos" / "a_0_5.avi").is_file()
    assert not list(tmp_path.rglob("evil.avi"))
    assert not list(root.rglob("readme.md"))
    assert {name: (root / name).read_bytes() for name in before} == before, "nothing is changed or deleted"
    assert msvd().unpacked == (), "nothing is wanted any more"
    (root / "videos" / "a_0_5.avi").unlink()
    again = {each.archive.name: (len(each.files), each.already) for each in msvd().unpacked}
    assert again["YouTubeClips.zip"] == (1, 4)


def test_a_split_that_cannot_be_loaded_says_why_and_others_go_on(
    msvd: Callable[..., PreparedDataset], tmp_path: Path
) -> None:
    (tmp_path / "msvd").mkdir()
    write_annotations(tmp_path / "msvd")
    (tmp_path / "msvd" / "train_list.txt").write_text("unknown_0_5\n")
    found = msvd()
    assert [split.name for split in found.loaded.splits] == ["val", "test"]
    assert "no captions for 1 of 1 train videos" in found.loaded.reasons["train"]
    assert waiting_for(found, "train") == ()
    assert not found.ready


def test_the_facts_are_json_and_tell_digests_from_known_copies(
    msvd: Callable[..., PreparedDataset], tmp_path: Path
) -> None:
    root = tmp_path / "msvd"
    root.mkdir()
    write_annotations(root)
    facts = json.loads(json.dumps(preparation_facts(msvd())))
    files = {file["path"]: file for file in facts["files"]}
    assert [(file["found"], file["sha256"], file["to_fetch"]) for file in files.values()] == [
        *((name, "differs", False) for name in LISTS),
        ("captions.json", "unknown", False),
        ("videos", None, True),
    ]
    test = facts["splits"][-1]
    assert test["videos"] == {"found": 2, "published": 670, "difference": -668}
    assert test["id_hash"] == sha256(LISTS["test_list.txt"].encode()).hexdigest()
    assert facts["videos"]["missing_ids"] == [name for ids in IDS.values() for name in ids]


def test_videos_elsewhere_and_folders_that_hide_each_other(
    msvd: Callable[..., PreparedDataset], tmp_path: Path
) -> None:
    root, other = tmp_path / "msvd", tmp_path / "other"
    other.mkdir()
    root.mkdir()
    write_annotations(root)
    (other / "a_0_5.mp4").touch()
    found = msvd(f"dataset.videos={other}")
    assert not (root / "videos").exists()
    assert len(found.missing) == 4
    assert preparation_facts(found)["files"][-1]["found"] == str(other)
    msvd()
    (root / "YouTubeClips").mkdir()
    (root / "YouTubeClips" / "a_0_5.mp4").touch()
    assert preparation_facts(msvd())["files"][-1]["hidden"] == []  # the empty videos/ hides nothing
    (root / "videos" / "notes.txt").touch()
    assert preparation_facts(msvd())["files"][-1]["hidden"] == ["YouTubeClips"]


class RootOptions(Options):
    """Where it lies."""

    root: Path = Path("data/mine")


class Odd:
    """A data set that fails where it is told to."""

    def __init__(self, options: RootOptions, *, fault: str) -> None:
        self.root, self._fault = options.root, fault

    def sources(self) -> tuple[SourceFile, ...]:
        if self._fault == "sources":
            raise KeyError("sources")
        return (SourceFile("ids.txt", "the ids", "nowhere"),)

    def splits(self) -> tuple[str, ...]:
        return ("test",) if self._fault == "load" else ()

    def load(self, split: str, progress: object) -> Split:
        raise KeyError("load")


@pytest.mark.parametrize(("fault", "where"), [("sources", "naming its files"), ("load", "loading split 'test'")])
def test_a_fault_of_a_part_names_it(fault: str, where: str, tmp_path: Path) -> None:
    part = component("odd", lambda options, shapes: Odd(options, fault=fault), RootOptions)
    catalog = load_catalog(extra=[offering("dataset", part)])
    recipe = choose_dataset("odd", root=tmp_path, settings=(), catalog=catalog)
    with pytest.raises(PartError, match=f"dataset 'odd' .* failed while {where}: KeyError"):
        prepare(recipe, progress=quiet)


def test_sources_that_are_none_are_a_fault_of_the_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Odd, "sources", lambda self: ("ids.txt",))
    part = component("odd", lambda options, shapes: Odd(options, fault=""), RootOptions)
    catalog = load_catalog(extra=[offering("dataset", part)])
    recipe = choose_dataset("odd", root=tmp_path, settings=(), catalog=catalog)
    with pytest.raises(PartError, match=r"dataset 'odd' .*: sources\(\) gave 'ids.txt'; wanted SourceFile alone"):
        prepare(recipe, progress=quiet)


def test_files_a_folder_too_deep_are_told_and_not_to_be_fetched(
    msvd: Callable[..., PreparedDataset], catalog: Catalog, tmp_path: Path
) -> None:
    deep = tmp_path / "msvd" / "msvd_data"
    deep.mkdir(parents=True)
    write_annotations(deep)
    found = msvd()
    files = {file["path"]: file for file in preparation_facts(found)["files"]}
    assert files["raw-captions.pkl"]["lies_at"] == "msvd_data/captions.json"
    assert [file["belongs_at"] for file in files.values()] == [*LISTS, "captions.json", None]
    assert step(found, catalog).startswith("not ready: 4 files to move, 3 splits")


def test_a_data_set_of_a_plugin_is_prepared_too(tmp_path: Path) -> None:
    part = component("odd", lambda options, shapes: Odd(options, fault=""), RootOptions)
    catalog = load_catalog(extra=[offering("dataset", part)])
    recipe = choose_dataset("odd", root=tmp_path / "new", settings=(), catalog=catalog)
    done = prepare(recipe, progress=quiet)
    assert (done.made, done.ready) == ((tmp_path / "new",), False)
    assert next_step(done, recipe, (), damaged=None).startswith("not ready: no split; put")


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("msvdd", (), "unknown dataset 'msvdd'; did you mean 'msvd'"),
        ("manifest", (), "'manifest': names no folder and no files to prepare; those that do: activitynet, charades"),
        ("plain", (), "'plain': names no folder and no files"),
        ("folder", (), "data prepare folder: no folder is named; name it with --root"),
        ("msvd", ("mask.use=flow",), "--set mask.use=flow: only options of the data set"),
        ("msvd", ("dataset.use=vatex",), "--set dataset.use=vatex: only options of the data set"),
        ("msvd", ("dataset.rot=x",), "dataset.rot: unknown option of 'msvd'"),
    ],
)
def test_what_cannot_be_prepared_is_worded(name: str, settings: tuple[str, ...], said: str) -> None:
    catalog = load_catalog(extra=[offering("dataset", component("plain", options=NoOptions))])
    with pytest.raises(FdakitError, match=said):
        choose_dataset(name, root=None, settings=settings, catalog=catalog)


def test_the_folder_of_a_collection_is_its_own_root(catalog: Catalog, clips: Path, tmp_path: Path) -> None:
    recipe = choose_dataset("folder", root=tmp_path / "mine", settings=(), catalog=catalog)
    with zipfile.ZipFile(tmp_path / "shard.zip", "w") as packed:
        packed.write(clips / "red-across.mp4", "0.mp4")
        packed.writestr("0.txt", "a red square")
    assert not prepare(recipe, progress=quiet).ready
    shutil.move(tmp_path / "shard.zip", tmp_path / "mine" / "shard.zip")
    done: Any = prepare(recipe, progress=quiet)
    assert done.ready
    assert [video.id for video in done.loaded.splits[0].videos] == ["shard/0"]
