"""`msvd` on a layout made here, and on the real lists where they are."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest

from fdakit import Dataset, DatasetError
from fdakit.builtin.datasets.msvd import MSVD
from fdakit.testing import build_part

SPLITS = {"train": ["t1", "t2", "t3"], "val": ["v1"], "test": ["x1", "x2"]}
CAPTIONS = {name: [["a", name, "moves"], [name, "again"]] for names in SPLITS.values() for name in names}


def quiet(what: str, done: int, total: int) -> None:
    """No progress."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """MSVD's layout with six clips; captions as CLIP4Clip ships them."""
    for split, names in SPLITS.items():
        (tmp_path / f"{split}_list.txt").write_text("\n".join(names))
    (tmp_path / "raw-captions.pkl").write_bytes(pickle.dumps({**CAPTIONS, "stranger": [["not", "listed"]]}))
    (tmp_path / "YouTubeClips").mkdir()
    for name in CAPTIONS:
        (tmp_path / "YouTubeClips" / f"{name}.avi").write_bytes(b"")
    return tmp_path


def msvd(root: Path, **options: Any) -> Dataset:
    part: Dataset = build_part(MSVD, root=str(root), **options)
    return part


def test_splits_hold_their_videos_and_every_caption(root: Path) -> None:
    assert msvd(root).splits() == ("train", "val", "test")
    found = msvd(root).load("test", quiet)
    assert [video.id for video in found.videos] == ["x1", "x2"]
    assert [video.path for video in found.videos] == [root / "YouTubeClips" / f"{n}.avi" for n in ("x1", "x2")]
    assert [(c.video_id, c.text) for c in found.captions] == [
        ("x1", "a x1 moves"),
        ("x1", "x1 again"),
        ("x2", "a x2 moves"),
        ("x2", "x2 again"),
    ]
    assert found.protocol == "multi-caption"
    assert [len(msvd(root).load(split, quiet).captions) for split in SPLITS] == [6, 2, 4]


def test_json_captions_and_another_video_folder_are_taken_too(root: Path, tmp_path: Path) -> None:
    (root / "raw-captions.pkl").unlink()
    (root / "captions.json").write_text(json.dumps({name: [f"a {name}"] for name in CAPTIONS}))
    elsewhere = shutil.move(root / "YouTubeClips", tmp_path / "elsewhere")
    found = msvd(root, videos=str(elsewhere)).load("val", quiet)
    assert [c.text for c in found.captions] == ["a v1"]
    assert found.videos[0].path == Path(elsewhere) / "v1.avi"


def test_what_is_absent_is_named_with_where_to_get_it(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nowhere: MSVD is absent; lay it out as .*YouTubeClips\.tar"):
        msvd(tmp_path / "nowhere").load("test", quiet)
    shutil.rmtree(root / "YouTubeClips")
    with pytest.raises(DatasetError, match="videos: no such folder"):
        msvd(root).load("test", quiet)
    (root / "val_list.txt").unlink()
    with pytest.raises(DatasetError, match=r"val_list\.txt: cannot be read"):
        msvd(root).load("val", quiet)
    (root / "raw-captions.pkl").unlink()
    with pytest.raises(DatasetError, match=r"holds none of .*raw-captions\.pkl"):
        msvd(root).load("test", quiet)


def test_videos_without_captions_are_counted_and_named(root: Path) -> None:
    (root / "raw-captions.pkl").write_bytes(pickle.dumps({"t1": [["a"]], "t2": []}))
    with pytest.raises(DatasetError, match="no captions for 2 of 3 train videos, such as t2"):
        msvd(root).load("train", quiet)


def test_code_in_the_captions_is_refused(root: Path) -> None:
    (root / "raw-captions.pkl").write_bytes(pickle.dumps({"x1": [Path("x")]}))
    with pytest.raises(DatasetError, match="fdakit runs no code from files"):
        msvd(root).load("test", quiet)


def test_the_real_lists_load_with_their_counts(data_dir: Path, tmp_path: Path) -> None:
    found = msvd(data_dir / "annotations" / "msvd", videos=str(tmp_path))
    test, val = found.load("test", quiet), found.load("val", quiet)
    assert (len(test.videos), len(test.captions)) == (670, 27763)
    assert (len(val.videos), len(val.captions)) == (100, 4290)
    with pytest.raises(DatasetError, match="no captions for 1200 of 1200 train videos"):
        found.load("train", quiet)
