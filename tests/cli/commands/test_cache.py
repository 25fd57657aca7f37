"""`fdakit cache info` and `clear` on the command line: all is told, and only what can be made again is removed."""

from __future__ import annotations

import os
import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cli_output import Tell

from fdakit import FdakitError
from fdakit.catalog import load_catalog
from fdakit.data_pipeline.cache_contents import KINDS, clear
from fdakit.data_pipeline.cache_use import cached_clips_in_use
from fdakit.data_pipeline.frame_store import FrameStore, record_key
from fdakit.experiment.checkpoint_evaluation import report_weights
from fdakit.experiment.run import run_recipe
from fdakit.plugin import Split, VideoRef
from fdakit.recipe.validation import validate

DAY = 86_400


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two recipes' frames, the second unused for ten days, an old set of rendered clips, and a ledger."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("FDAKIT_CACHE", str(folder))
    for name, clips in (("one", 3), ("two", 1)):
        before = set((folder / "frames").glob("*"))
        write(folder / "frames", name, clips)
        if name == "two":
            age(10, *set((folder / "frames").glob("*")) - before)
    rendered = folder / "moving-shapes" / "abc" / "train"
    rendered.mkdir(parents=True)
    (rendered / "00000.mp4").write_bytes(b"film")
    age(5, rendered / "00000.mp4", rendered, rendered.parent)
    (folder / "ledger.sqlite").write_bytes(b"findings")
    return folder


def write(folder: Path, recipe: str, clips: int) -> None:
    store = FrameStore(folder, limit_mb=10, about={"recipe": recipe, "dataset": "shapes"})
    for number in range(clips):
        assert store.put(record_key(recipe, number), {"frames": np.zeros((1, 50, 50, 3), np.uint8)})
        assert store.put_mask(record_key(recipe, number, "mask"), np.zeros((1, 50, 50), np.float32))


def age(days: float, *paths: Path) -> None:
    for path in paths:
        os.utime(path, (time.time() - days * DAY,) * 2)


def held(folder: Path) -> set[str]:
    """What recipes still have frames, and what else is there."""
    from fdakit.data_pipeline.cache_contents import list_contents

    found = list_contents(folder)
    kinds = {kind for kind in KINDS if kind != "frames" and found[kind]["files"]}
    return {row["recipe"] for row in found["frames"]["by"]} | kinds | set(found["other"])


def test_info_tells_all_that_is_there(tell: Tell, cache: Path) -> None:
    told = tell("cache", "info", "--json").json
    assert told["folder"] == str(cache)
    sizes = {path: path.stat().st_size for path in cache.rglob("*") if path.is_file()}
    assert told["bytes"] == sum(sizes.values())
    assert told["frames"]["bytes"] == sum(size for path, size in sizes.items() if path.parent.name == "frames")
    rows = [(row["recipe"], row["dataset"], row["clips"], row["masks"]) for row in told["frames"]["by"]]
    assert rows == [("one", "shapes", 3, 3), ("two", "shapes", 1, 1)]
    assert told["frames"]["clips"] == 4
    assert told["moving-shapes"] == {"folder": str(cache / "moving-shapes"), "files": 1, "bytes": 4}
    assert told["other"] == {"ledger.sqlite": 8}
    text = tell("cache", "info")
    assert text.code == 0
    for word in (str(cache), "rendered clips of the data set moving-shapes", "ledger.sqlite", "one", "two"):
        assert word in text.out


def test_info_of_nothing_is_no_error(tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FDAKIT_CACHE", str(tmp_path / "none"))
    assert tell("cache", "info", "--json").json["bytes"] == 0
    assert tell("cache", "info").code == 0
    told = tell("cache", "clear")
    assert (told.code, told.out) == (0, "nothing there, nothing removed\n")
    assert not (tmp_path / "none").exists()


def test_clear_removes_what_can_be_made_again_and_nothing_else(tell: Tell, cache: Path) -> None:
    told = tell("cache", "clear")
    assert told.code == 0
    assert told.out.startswith("removed decoded frames and masks: ")
    assert "moving-shapes: 4 bytes" in told.out
    assert held(cache) == {"ledger.sqlite"}
    assert tell("cache", "clear").out == "nothing there, nothing removed\n"


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["--older-than", "7"], {"one", "moving-shapes"}),
        (["--older-than", "4"], {"one"}),
        (["--older-than", "11"], {"one", "two", "moving-shapes"}),
        (["--only", "frames"], {"moving-shapes"}),
        (["--only", "moving-shapes"], {"one", "two"}),
        (["--only", "frames", "--older-than", "4"], {"one", "moving-shapes"}),
    ],
)
def test_clear_takes_only_what_is_asked_for(tell: Tell, cache: Path, arguments: list[str], left: set[str]) -> None:
    assert tell("cache", "clear", *arguments, "--json").json["failed"] == []
    assert held(cache) == left | {"ledger.sqlite"}


def test_frames_that_were_read_lately_count_as_used(tell: Tell, cache: Path) -> None:
    assert FrameStore(cache / "frames", limit_mb=10).get(record_key("two", 0)) is not None
    tell("cache", "clear", "--older-than", "7")
    assert "two" in held(cache)


def test_a_store_of_its_own_is_found_by_folder(tell: Tell, cache: Path, tmp_path: Path) -> None:
    write(tmp_path / "own", "three", 2)
    told = tell("cache", "info", "--folder", str(tmp_path / "own"), "--json").json
    assert [row["recipe"] for row in told["frames"]["by"]] == ["three"]
    (tmp_path / "own" / "mine.txt").write_text("not fdakit's")
    tell("cache", "clear", "--folder", str(tmp_path / "own"))
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["mine.txt"]
    assert held(cache) == {"one", "two", "ledger.sqlite"}


def test_data_that_no_index_leads_to_are_cleared_but_not_those_just_begun(tell: Tell, cache: Path) -> None:
    old, fresh = cache / "frames" / "old.frames", cache / "frames" / "fresh.frames"
    for path in (old, fresh):
        path.write_bytes(b"half a record")
    age(1, old)
    tell("cache", "clear")
    assert [path.name for path in (cache / "frames").iterdir()] == ["fresh.frames"]


def test_what_cannot_be_removed_is_named(tell: Tell, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    told = tell("cache", "clear", "--only", "frames")
    assert told.code == 2
    assert told.err.count("could not be removed (Permission denied)") == 4
    assert told.out == ""


def test_an_unknown_kind_or_age_is_refused(tell: Tell, cache: Path) -> None:
    assert tell("cache", "clear", "--only", "runs").code == 2
    assert tell("cache", "clear", "--older-than", "-1").code == 2
    assert {"one", "two"} <= held(cache)


def test_clips_that_a_run_is_reading_are_left_and_told(
    tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FDAKIT_CACHE", str(tmp_path))
    for name in ("read", "idle"):
        clip = tmp_path / "moving-shapes" / name / "train" / "00001.mp4"
        clip.parent.mkdir(parents=True)
        clip.write_bytes(b"film")
    read = tmp_path / "moving-shapes" / "read"
    split = Split("train", (VideoRef("1", read / "train" / "00001.mp4"),), ())
    with cached_clips_in_use([split]):
        told = tell("cache", "clear")
        assert told.code == 0
        assert f"left, as a run is reading it: {read}; clear it when that has ended" in told.out
        assert [path.name for path in (tmp_path / "moving-shapes").iterdir()] == ["read"]
        assert tell("cache", "clear", "--json").json["in_use"] == [str(read)]
        assert (read / "train" / "00001.mp4").is_file()
    assert tell("cache", "clear").code == 0
    assert list((tmp_path / "moving-shapes").iterdir()) == []


@pytest.mark.integration
def test_a_run_keeps_its_rendered_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FDAKIT_CACHE", str(tmp_path / "cache"))
    document = {
        "dataset": {"use": "moving-shapes", "clips": 4, "frames": 2, "size": 32},
        "encoder": {"use": "tiny", "image_size": 32, "width": 64, "layers": 1},
        "train": {"epochs": 0, "device": "cpu"},
        "loader": {"workers": 0},
        "sampler": {"use": "uniform", "eval_frames": 1},
        "frame_store": {"enabled": False},
        "observer": [],
        "eval": {"bootstrap": 0},
    }
    left = []
    make = partial(validate, where="x.toml", catalog=load_catalog())

    def clear_first(*arguments: Any, **options: Any) -> Any:
        left.extend(clear(tmp_path / "cache").in_use)
        return report_weights(*arguments, **options)

    monkeypatch.setattr("fdakit.experiment.run.report_weights", clear_first)
    assert run_recipe(make(document), out=tmp_path / "run").report.to_json()["videos"]["damaged"] == 0
    assert len(left) == 1

    def remove_first(*arguments: Any, **options: Any) -> Any:
        shutil.rmtree(tmp_path / "cache")  # as nobody should
        return report_weights(*arguments, **options)

    monkeypatch.setattr("fdakit.experiment.run.report_weights", remove_first)
    with pytest.raises(FdakitError, match=r"mp4: gone from the cache folder .* rendered anew$"):
        run_recipe(make(document), out=tmp_path / "other")
