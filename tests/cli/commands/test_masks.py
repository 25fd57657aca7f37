"""`fdakit masks` and `fdakit data masks`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from helpers.cli_output import Tell

SMALL = ("--frames", "2", "--size", "48", "--video-frames", "3")


@pytest.fixture
def films(clips: Path, tmp_path: Path) -> Path:
    """A folder with two films and one that is none."""
    folder = tmp_path / "films"
    (folder / "more").mkdir(parents=True)
    shutil.copy(clips / "red-across.mp4", folder / "a.mp4")
    shutil.copy(clips / "blue-down.mp4", folder / "more" / "a.mp4")
    (folder / "bad.mp4").write_bytes(b"no film")
    return folder


@pytest.fixture
def recipe(clips: Path, tmp_path: Path) -> Path:
    """Six clips to train on, one to test, and a small tower."""
    names = ("red-across", "green-across", "blue-across", "blue-down", "yellow-down", "white-across")
    rows = [f"{clips / name}.mp4,a square,train" for name in names]
    table = tmp_path / "clips.csv"
    table.write_text("\n".join(["path,caption,split", *rows, f"{clips / 'pink-down.mp4'},a square,test"]))
    path = tmp_path / "small.toml"
    path.write_text(
        f'name = "small"\ndataset = {{ use = "manifest", path = "{table}" }}\nencoder = {{ use = "tiny" }}\n'
        'sampler = { use = "uniform", train_frames = 2, eval_frames = 3 }\nloader = { workers = 0 }\n'
        'mask = { use = "frame-difference" }\n'
    )
    return path


def test_a_folder_for_each_video_and_a_table(tell: Tell, films: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = tell("masks", str(films / "a.mp4"), str(films / "more"), "--out", str(out), *SMALL)
    assert told.code == 0
    assert sorted(path.name for path in out.iterdir()) == ["a", "a-2"]
    for folder in out.iterdir():
        assert sorted(path.name for path in folder.iterdir()) == [
            "frame-difference",
            "masks.json",
            "overlay.mp4",
            "sheet.png",
        ]
    assert told.out.count("a.mp4 frame-difference") == 0  # columns
    assert " ".join(told.out.split()).count("a.mp4 frame-difference ") == 2
    assert f"written: {out / 'a-2'}" in told.out
    assert told.err.splitlines() == ["drawing masks: 0/2", "drawing masks: 2/2"]


def test_a_broken_video_is_named_and_the_others_go_on(tell: Tell, films: Path, tmp_path: Path) -> None:
    told = tell("masks", str(films), "--out", str(tmp_path / "out"), "--no-video", *SMALL, "--json")
    assert told.code == 1
    assert "bad.mp4: cannot be opened as a video" in told.err
    assert [Path(video["video"]).name for video in told.json["videos"]] == ["a.mp4", "a.mp4"]
    ((failed),) = told.json["failed"]
    assert failed["video"] == str(films / "bad.mp4")
    for video in told.json["videos"]:
        folder = Path(video.pop("folder"))
        assert json.loads((folder / "masks.json").read_text()) == video
        assert not (folder / "overlay.mp4").exists()


def test_masks_side_by_side_with_options_and_from_a_recipe(
    tell: Tell, films: Path, recipe: Path, tmp_path: Path
) -> None:
    asked: Any = (str(films / "a.mp4"), "--out", str(tmp_path / "out"), "--no-video", "--json")
    compared = tell("masks", *asked, *SMALL, "--compare", "whole-frame, frame-difference").json["videos"][0]
    assert [mask["name"] for mask in compared["masks"]] == ["whole-frame", "frame-difference"]
    assert [len(mask["frames"]) for mask in compared["masks"]] == [2, 2]
    named = tell("masks", *asked, *SMALL, "--mask", "frame-difference threshold=9", "--set", "mask.dilation=3")
    (mask,) = named.json["videos"][0]["masks"]
    assert (mask["options"]["threshold"], mask["options"]["dilation"]) == (9, 3)
    given = tell("masks", *asked, "--recipe", str(recipe), "--compare", "whole-frame").json["videos"][0]
    assert [mask["name"] for mask in given["masks"]] == ["frame-difference", "whole-frame"]
    assert (given["width"], given["height"], len(given["masks"][0]["frames"])) == (64, 64, 3)


def test_ctrl_c_leaves_whole_folders(
    tell: Tell, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fdakit.mask_inspection import export

    write = export.write_masks
    written: list[str] = []

    def once(*arguments: Any, **options: Any) -> Any:
        if written:
            raise KeyboardInterrupt
        facts = write(*arguments, **options)
        written.append(facts["folder"])
        return facts

    monkeypatch.setattr(export, "write_masks", once)
    told = tell("masks", str(films / "a.mp4"), str(films / "more"), "--out", str(tmp_path / "out"), *SMALL)
    assert told.code == 130
    assert "stopped: 1 of 2 videos are drawn" in told.err
    assert f"written: {written[0]}" in told.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("gone.mp4", "--out", "out"), "no such file or folder"),
        (("a.mp4", "--out", "out", "--mask", "frame-diference"), "did you mean 'frame-difference'"),
        (("a.mp4", "--out", "out", "--set", "mask.thresold=1"), "did you mean 'threshold'"),
        (("a.mp4", "--out", "bad.mp4"), "is a file"),
        (("a.mp4", "--out", "bad.mp4/out"), "cannot be written (Not a directory)"),
        (("a.mp4",), "Missing option '--out'"),
        (("a.mp4", "--out", "out", "--size", "2"), "--size"),
    ],
)
def test_bad_arguments_are_worded(
    tell: Tell, films: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(films)
    told = tell("masks", *arguments)
    assert (told.code, told.out) == (2, "")
    assert words in told.err
    assert not (films / "out").exists()


def test_a_split_is_counted_in_words(tell: Tell, recipe: Path) -> None:
    told = tell("data", "masks", str(recipe))
    assert told.code == 0
    said = " ".join(told.out.split())
    for words in (
        "small, train: what fdakit:frame-difference marks",
        "12 frames of 6 clips",
        "0 to 5%",
        "95 to 100%",
        "marked: mean ",
        "empty (under 0.2%): ",
        "seconds a clip: median 0.",
    ):
        assert words in said, words
    assert "█" in told.out
    assert told.err.splitlines()[-1] == "counting train masks: 6/6"


@pytest.mark.integration
def test_a_split_is_counted_as_json_and_files(tell: Tell, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "census"
    told = tell("data", "masks", str(recipe), "--split", "test", "--out", str(out), "--json")
    assert told.code == 0
    assert told.json == json.loads((out / "masks.json").read_text())
    assert (told.json["split"], told.json["frames"], told.json["videos"]["counted"]) == ("test", 3, 1)
    drawn = ["coverage.svg"] if find_spec("matplotlib") else []
    assert sorted(path.name for path in out.iterdir()) == [*drawn, "masks.json", "oddest.png"]
    assert bool(drawn) != (
        'coverage.svg is not drawn: matplotlib is not installed; pip install "fdakit[plot]"' in told.err
    )
    untrained = tell("data", "masks", str(recipe), "--set", "train.epochs=0", "--json").json
    assert untrained["split"] == "test"
    few = tell("data", "masks", str(recipe), "--limit", "2", "--set", "mask.control=zero", "--jobs", "0")
    assert "4 frames of 2 clips" in few.out
    assert "counted before mask.control = 'zero' acts" in few.out


@pytest.mark.integration
def test_the_split_there_is_is_counted(tell: Tell, recipe: Path, clips: Path, tmp_path: Path) -> None:
    def counted(*splits: str) -> str:
        names = ("red-across", "green-across", "blue-across")
        rows = [f"{clips / name}.mp4,a square,{split}" for name, split in zip(names, splits, strict=False)]
        header = "path,caption,split"
        if not splits:
            rows, header = [f"{clips / 'red-across'}.mp4,a square"], "path,caption"
        (tmp_path / "clips.csv").write_text("\n".join([header, *rows]))
        told = tell("data", "masks", str(recipe), "--json", "--out", str(tmp_path / "deep" / "out"))
        return str(told.json["split"]) if told.code == 0 else told.err

    assert counted() == "test"
    assert counted("dev") == "dev"
    assert counted("test", "dev") == "test"
    assert counted("test", "dev", "train") == "train"
    shutil.rmtree(tmp_path / "deep")
    assert "split 'train': the data set has none; it has: dev, more" in counted("dev", "more")
    assert not (tmp_path / "deep").exists()


def test_no_empty_folder_is_left_and_nothing_else_is_taken(tell: Tell, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    failing = ("data", "masks", str(recipe), "--split", "none", "--out", str(out))
    assert tell(*failing).code == 2
    assert not out.parent.exists()
    out.parent.mkdir()
    assert tell(*failing).code == 2
    assert (out.exists(), out.parent.exists()) == (False, True)
    out.mkdir()
    assert tell(*failing).code == 2
    assert out.exists()


@pytest.mark.integration
def test_ctrl_c_tells_what_was_counted(
    tell: Tell, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fdakit.mask_inspection import statistics, statistics_files

    def press(*arguments: Any, **options: Any) -> Any:
        raise KeyboardInterrupt

    count = statistics._counted

    def stopping(*arguments: Any, **options: Any) -> Any:
        for number, found in enumerate(count(*arguments, **options)):
            if number == 3:
                raise KeyboardInterrupt
            yield found

    monkeypatch.setattr(statistics, "_counted", stopping)
    told = tell("data", "masks", str(recipe), "--out", str(tmp_path / "out"))
    assert told.code == 130
    assert "stopped after 3 of 6 videos" in told.err
    assert json.loads((tmp_path / "out" / "masks.json").read_text())["stopped"] is True
    monkeypatch.setattr(statistics, "_counted", count)
    monkeypatch.setattr(statistics_files, "outlier_sheet", press)
    told = tell("data", "masks", str(recipe), "--out", str(tmp_path / "again"))
    assert told.code == 130
    assert "the numbers are written" in told.err
    assert "12 frames of 6 clips" in told.out
    monkeypatch.setattr(statistics, "_counted", press)
    assert tell("data", "masks", str(recipe)).code == 130


def test_what_cannot_be_counted_is_worded(tell: Tell, recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for arguments, words in (
        ((str(recipe), "--split", "dev"), "split 'dev': the data set has none"),
        ((str(recipe), "--out", str(tmp_path / "file" / "out")), "cannot be made"),
        ((str(tmp_path / "gone.toml"),), "no such recipe"),
    ):
        told = tell("data", "masks", *arguments)
        assert (told.code, told.out) == (2, ""), arguments
        assert words in told.err


@pytest.mark.integration
def test_help_and_wrong_words_load_nothing_heavy() -> None:
    script = (
        "import sys\nfrom fdakit.cli.main import execute\n"
        "assert execute(['masks', '--help']) == execute(['data', 'masks', '--help']) == 0\n"
        "assert not {'torch', 'av', 'skimage', 'open_clip', 'timm', 'PIL'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
