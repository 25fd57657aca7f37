"""`fdakit data prepare`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from helpers.cli_output import Tell

IDS = {"train": ("a_0_5",), "val": ("b_0_5",), "test": ("c_0_5", "d_0_5")}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `msvd` with annotations and no video; the cache folder lies beside it."""
    monkeypatch.setenv("FDAKIT_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "msvd"
    folder.mkdir()
    for split, ids in IDS.items():
        (folder / f"{split}_list.txt").write_text("".join(f"{name}\n" for name in ids))
    captions = {name: [f"{name} runs", "a dog"] for ids in IDS.values() for name in ids}
    (folder / "captions.json").write_text(json.dumps(captions))
    return folder


def test_what_to_fetch_is_told_where_nothing_is_there(tell: Tell, tmp_path: Path) -> None:
    told = tell("data", "prepare", "msvd", "--root", str(tmp_path / "new"))
    assert told.code == 0
    words = " ".join(told.out.split())
    for said in (
        f"made: {tmp_path / 'new'} made: {tmp_path / 'new' / 'videos'}",
        "train_list.txt no the clip ids of the train split",
        "videos/ 0 videos the clips",
        "to fetch from YouTubeClips.tar of www.cs.utexas.edu/users/ml/clamp/videoDescription: videos/: the clips",
        "train: waits for train_list.txt, raw-captions.pkl",
        "not ready: 4 files to fetch, 3 splits that cannot be loaded; put what is missing there and run this again",
    ):
        assert said in words, said
    assert "splits videos" not in words, "no table of splits without a split"


@pytest.mark.integration
def test_counts_findings_and_the_scan_are_told_and_known_the_second_time(tell: Tell, root: Path, clips: Path) -> None:
    (root / "videos").mkdir()
    for name in ("a_0_5.mp4", "b_0_5.avi", "c_0_5.mp4", "other.mp4"):
        shutil.copy(clips / "red-rests.mp4", root / "videos" / name)
    (root / "videos" / "d_0_5.mp4").write_bytes(b"no film")
    told = tell("data", "prepare", "msvd", "--root", str(root), "--jobs", "1")
    assert told.code == 0
    words = " ".join(told.out.split())
    for said in (
        "train_list.txt yes differs from known copies",
        "raw-captions.pkl as captions.json no copy known",
        "videos/ 5 videos the clips",
        "test 2 670 (-668) 4 27,763 (-27,759) 0 2 75.00",
        "test: texts that are captions of several videos: 1; no model can reach more than 75.00 R@1",
        "test: 2 videos, published 670",
        "train and test: equal captions for different videos: 1",
        "videos: 4 of 4 are there",
        "video files in no split: 1 (other.mp4)",
        "unreadable 1 no frame decodes",
        "d_0_5.mp4 unreadable 0 of 0",
        'ready; damaged videos, at which a training stops unless loader.damage is "skip" or "repair": 1; run it: '
        f"fdakit run fda_msvd --set dataset.root={root}",
    ):
        assert said in words, said
    again = tell("data", "prepare", "msvd", "--root", str(root))
    assert "4 of them had not changed" in again.out


def test_json_has_files_splits_videos_scan_and_ready(tell: Tell, root: Path) -> None:
    told = tell("data", "prepare", "msvd", "--root", str(root), "--json").json
    assert set(told) >= {
        "dataset",
        "root",
        "files",
        "splits",
        "overlaps",
        "unloaded",
        "videos",
        "scan",
        "ready",
        "next",
    }
    assert (told["scan"], told["ready"], told["unloaded"]) == (None, False, {})
    assert [split["missing_files"] for split in told["splits"]] == [1, 1, 2]
    shutil.rmtree(root / "videos")
    (root / "videos").symlink_to(root.parent)  # videos may lie anywhere
    assert tell("data", "prepare", "msvd", "--root", str(root), "--json", "--no-scan").json["videos"]["missing"] == 4


def test_without_a_scan_nothing_is_decoded(tell: Tell, root: Path, clips: Path, tmp_path: Path) -> None:
    (root / "videos").mkdir()
    for name in "abcd":
        (root / "videos" / f"{name}_0_5.mp4").write_bytes(b"no film")
    told = tell("data", "prepare", "msvd", "--root", str(root), "--no-scan")
    assert told.out.splitlines()[-1].startswith("ready; run it: fdakit run")
    assert not (tmp_path / "cache" / "ledger.sqlite").exists()


def test_a_reason_that_splits_share_and_files_too_deep_are_told_once(tell: Tell, root: Path) -> None:
    (root / "captions.json").write_text("{")
    (root / "set").mkdir()
    (root / "val_list.txt").rename(root / "set" / "val_list.txt")
    told = tell("data", "prepare", "msvd", "--root", str(root))
    assert f"\nval_list.txt lies too deep: move {root}/set/val_list.txt to {root}/val_list.txt\n" in told.out
    assert "to fetch from msvd_data" not in told.out
    assert f"\ntrain, test: cannot be loaded: {root}/captions.json: not readable as captions" in told.out
    assert "not ready: 1 file to move, 3 splits" in told.out


def test_a_folder_of_one_s_own_is_run_by_a_recipe_for_any_set(tell: Tell, clips: Path, tmp_path: Path) -> None:
    for name in ("train/a", "test/a", "b"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(clips / "red-rests.mp4", tmp_path / f"{name}.mp4")
        (tmp_path / f"{name}.txt").write_text("it rests")
    told = tell("data", "prepare", "folder", "--root", str(tmp_path), "--no-scan")
    assert told.out.splitlines()[-1] == (
        f"ready; run it: fdakit run manifest_zero_shot --set dataset.use=folder --set dataset.path={tmp_path}"
    )
    assert told.out.count("1 video outside train/, test/, in no split: b") == 1, "once, not for each split"


def test_ctrl_c_keeps_what_was_found(tell: Tell, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fdakit.dataset_tools import video_scan

    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    (root / "videos").mkdir()
    (root / "videos" / "a_0_5.mp4").write_bytes(b"no film")
    monkeypatch.setattr(video_scan, "run_isolated", interrupted)
    told = tell("data", "prepare", "msvd", "--root", str(root))
    assert told.code == 130
    assert "videos: 1 of 4 are there" in told.out
    assert "the same command goes on from there" in told.err


def test_mistakes_are_worded(tell: Tell, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for arguments, words in (
        (("manifest",), "names no folder and no files to prepare; those that do"),
        (("msvd", "--root", str(tmp_path / "file")), "the folder cannot be made"),
        (("msvd", "--set", "seed=3"), "only options of the data set"),
        ((), "Missing argument"),
    ):
        told = tell("data", "prepare", *arguments)
        assert (told.code, told.out) == (2, ""), arguments
        assert words in told.err


@pytest.mark.integration
def test_the_check_of_a_recipe_looks_through_its_annotations_first(tell: Tell, root: Path) -> None:
    recipe = root / "mine.toml"
    recipe.write_text(f'[dataset]\nuse = "msvd"\nroot = {str(root)!r}\n[encoder]\nuse = "tiny"\n')
    (root / "train_list.txt").write_text("b_0_5\n")
    (root / "val_list.txt").unlink()
    told = tell("data", "check", str(recipe), "--jobs", "1")
    assert told.code == 0
    words = " ".join(told.out.split())
    for said in (
        f"annotations of {recipe}",
        "test 2 670 (-668) 4 27,763 (-27,759) 2 2 75.00",
        "test: videos without a file: 2 of 2 (c_0_5, d_0_5)",
        "val: cannot be loaded: ",
        "3 of the unreadable files are absent, as told above",
    ):
        assert said in words, said
    (found,) = tell("data", "check", str(recipe), "--json", "--jobs", "1").json["annotations"]
    assert found["recipe"] == str(recipe)
    assert list(found["unloaded"]) == ["val"]
    assert [pair["same_captions"] for pair in found["overlaps"]] == [1]
    for path in root.glob("*_list.txt"):
        path.unlink()
    none = tell("data", "check", str(recipe))
    assert (none.code, none.out) == (2, "")
    assert none.err.count("_list.txt: absent") == 3
