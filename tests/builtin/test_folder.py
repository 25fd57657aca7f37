"""`folder`: videos with their captions beside them, and every way that can be wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from fdakit import DatasetError
from fdakit.builtin.datasets.folder import FOLDER
from fdakit.dataset_files import VIDEO_ENDINGS
from fdakit.plugin import Dataset, Split
from fdakit.testing.building import build_part
from fdakit.testing.reading import check_dataset

Files = dict[str, str]


def quiet(what: str, done: int, total: int) -> None:
    """No progress."""


def folder(path: Path, **options: Any) -> Dataset:
    part: Dataset = build_part(FOLDER, path=str(path), **options)
    return part


def load(path: Path, split: str = "test", **options: Any) -> Split:
    return folder(path, **options).load(split, quiet)


def put(root: Path, files: Files) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
    return root


def pairs(split: Split) -> list[tuple[str, str]]:
    return [(caption.video_id, caption.text) for caption in split.captions]


def test_each_video_has_its_caption_beside_it(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "a.mp4": "",
            "a.txt": "\ufeffa dog\nruns  far\n",
            "00000/000000001.webm": "",
            "00000/000000001.json": json.dumps({"key": "000000001", "caption": "a cat sleeps", "url": "x"}),
            "00000/000000001.txt": "a cat sleeps",
            "00000/name.with.dots.MKV": "",
            "00000/name.with.dots.txt": "dots",
            ".hidden.mp4": "",
            ".cache/b.mp4": "",
            "00000_stats.json": "{}",
        },
    )
    assert folder(tmp_path).splits() == ("test",)
    found = load(tmp_path)
    assert pairs(found) == [
        ("00000/000000001", "a cat sleeps"),
        ("00000/name.with.dots", "dots"),
        ("a", "a dog runs far"),
    ]
    assert [video.path for video in found.videos] == [
        tmp_path / name for name in ("00000/000000001.webm", "00000/name.with.dots.MKV", "a.mp4")
    ]
    assert (found.protocol, found.remarks, found.official) == ("single-caption", (), None)


def test_a_json_file_may_hold_several_captions(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "a.mp4": "",
            "a.txt": "one",
            "a.json": '{"caption": ["two", "one", " "]}',
            "b.mp4": "",
            "b.json": '{"caption": null, "text": "three"}',
        },
    )
    found = load(tmp_path)
    assert pairs(found) == [("a", "one"), ("a", "two"), ("b", "three")]
    assert found.protocol == "multi-caption"


def test_the_key_of_the_captions_is_a_choice(tmp_path: Path) -> None:
    put(tmp_path, {"a.mp4": "", "a.json": '{"caption": "short", "dense": ["long", "longer"]}'})
    assert pairs(load(tmp_path)) == [("a", "short")]
    assert pairs(load(tmp_path, caption_key="dense")) == [("a", "long"), ("a", "longer")]
    with pytest.raises(DatasetError, match=r"with the key 'denze', not 'caption', 'dense' alone \(caption_key names"):
        load(tmp_path, caption_key="denze")


def test_folders_named_after_splits_are_splits(tmp_path: Path) -> None:
    put(tmp_path, {f"{split}/deep/{split}.mp4": "" for split in ("test", "train")})
    put(tmp_path, {f"{split}/deep/{split}.txt": split for split in ("test", "train")})
    put(tmp_path, {"extra/x.mp4": "", "train/lone.txt": "no video", "valid.txt": "not of train"})
    assert folder(tmp_path).splits() == ("train", "test")
    train, test = load(tmp_path, "train"), load(tmp_path, "test")
    assert pairs(train) == [("train/deep/train", "train")]
    assert pairs(test) == [("test/deep/test", "test")]
    outside = "1 video outside train/, test/, in no split: extra/x"
    assert train.remarks == ("train: 1 .txt file without a video: train/lone", outside)
    assert test.remarks == (outside,)
    with pytest.raises(DatasetError, match="no split 'val'; it has: train, test"):
        load(tmp_path, "val")
    (tmp_path / "val").mkdir()
    with pytest.raises(DatasetError, match="split 'val' holds no video"):
        load(tmp_path, "val")


def test_videos_without_a_caption_are_named_or_left_out(tmp_path: Path) -> None:
    put(tmp_path, {"a.mp4": "", "a.txt": " \n", "b.mp4": "", "c.mp4": "", "c.txt": "three"})
    with pytest.raises(DatasetError, match=r"2 of 3 videos have no caption: a, b; put a \.txt file beside each, or"):
        load(tmp_path)
    found = load(tmp_path, skip_uncaptioned=True)
    assert pairs(found) == [("c", "three")]
    assert found.remarks == ("test: 2 videos without a caption, left out: a, b",)
    (tmp_path / "c.txt").unlink()
    with pytest.raises(DatasetError, match="3 of 3 videos have no caption"):
        load(tmp_path, skip_uncaptioned=True)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a.json": "{"}, r"a\.json: not readable as caption"),
        ({"a.json": "[1]"}, r"a\.json: found '\[1\]'; wanted an object with a caption"),
        ({"a.json": '{"caption": 7}'}, r"a\.json: caption is '7'; wanted text or a list of text"),
        ({"a.json": '{"text": ["x", null]}'}, r"a\.json: text is .*; wanted text or a list of text"),
        ({"a.txt": "x", "a.webm": ""}, r"a\.webm: a\.mp4 is next to it and would share its caption; keep one"),
    ],
)
def test_what_cannot_be_used_is_refused(
    tmp_path: Path, files: Files, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, {"a.mp4": "", **files})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError, match=f"^{re.escape(str(tmp_path))}/{said}"):
        load(Path())


def test_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    put(tmp_path, {"a.mp4": ""})
    (tmp_path / "a.txt").write_bytes("café".encode("latin-1"))
    with pytest.raises(DatasetError, match=r"a\.txt: line 1: not UTF-8"):
        load(tmp_path)


def test_a_folder_without_videos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere: no such folder; name the folder of your videos with path"):
        load(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="holds no video; name the folder"):
        load(put(tmp_path, {"a.txt": "x"}))
    with pytest.raises(DatasetError, match=r"holds no video; unpack its \.tar files"):
        load(put(tmp_path, {"00000.tar": ""}))


def test_linked_folders_count_and_circles_end(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", {"a.mp4": "", "a.txt": "x"})
    root = tmp_path / "root"
    root.mkdir()
    try:
        (root / "train").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        (tmp_path / "elsewhere" / "up").symlink_to(tmp_path, target_is_directory=True)
    except OSError:
        pytest.skip("this system lets nobody make links")
    assert pairs(load(root, "train")) == [("train/a", "x")]


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.from_regex(r"[a-c]{1,2}(/[a-c][a-c.]{0,2})?", fullmatch=True),
        st.tuples(st.sampled_from(VIDEO_ENDINGS), st.sampled_from([".txt", ".json"]), st.text("xy \n", min_size=1)),
        min_size=1,
        max_size=5,
    )
)
def test_law_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, told: dict[str, Any]) -> None:
    root = tmp_path_factory.mktemp("law")
    wanted = {name: " ".join(text.split()) for name, (_, _, text) in told.items()}
    for name, (ending, beside, text) in told.items():
        put(
            root, {f"{name}{ending}": "", f"{name}{beside}": text if beside == ".txt" else json.dumps({"text": text})}
        )
    kept = {name: text for name, text in wanted.items() if text}
    if not kept:
        with pytest.raises(DatasetError, match="have no caption"):
            load(root, skip_uncaptioned=True)
        return
    assert dict(pairs(load(root, skip_uncaptioned=True))) == kept


def test_it_keeps_the_laws_of_a_data_set(tmp_path: Path, clips: Path) -> None:
    for name in ("red-across", "red-rests"):
        shutil.copy(clips / f"{name}.mp4", tmp_path)
        put(tmp_path, {f"{name}.txt": f"a square, {name}"})
    check_dataset(FOLDER, path=str(tmp_path))
    assert all(os.access(video.path, os.R_OK) for video in load(tmp_path).videos)
