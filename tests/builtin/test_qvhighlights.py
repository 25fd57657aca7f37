"""`qvhighlights`: lines of the official form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fdakit import DatasetError
from fdakit.builtin.datasets.qvhighlights import QVHIGHLIGHTS
from fdakit.plugin import Dataset, Split
from fdakit.testing.building import build_part
from fdakit.testing.reading import check_dataset

VIDEO = "bP5KfdFJzC4_660.0_810.0"


def quiet(what: str, done: int, total: int) -> None:
    """No progress."""


def load(root: Path, split: str = "val") -> Split:
    part: Dataset = build_part(QVHIGHLIGHTS, root=str(root))
    return part.load(split, quiet)


def line(qid: int, windows: list[list[float]] | None, **other: Any) -> str:
    told = (
        {}
        if windows is None
        else {"relevant_windows": windows, "relevant_clip_ids": [0], "saliency_scores": [[4, 1, 1]]}
    )
    return json.dumps({"qid": qid, "query": f"query {qid}", "duration": 150, "vid": VIDEO, **told, **other}) + "\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "highlight_train_release.jsonl").write_text(line(1, [[0, 16]]))
    (tmp_path / "highlight_val_release.jsonl").write_text(
        line(2, [[0, 16], [20, 150]]) + line(3, [[2, 4]], vid="_6hnl_BrFvs_360.0_510.0")
    )
    (tmp_path / "highlight_test_release.jsonl").write_text(line(4, None))
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / f"{VIDEO}.mkv").write_bytes(b"")
    return tmp_path


def test_each_query_is_a_caption_with_all_its_moments(root: Path) -> None:
    found = load(root)
    assert [(each.text, each.video_id, each.moments) for each in found.captions] == [
        ("query 2", VIDEO, ((0, 16), (20, 150))),
        ("query 3", "_6hnl_BrFvs_360.0_510.0", ((2, 4),)),
    ]
    assert [video.path.name for video in found.videos] == [f"{VIDEO}.mkv", "_6hnl_BrFvs_360.0_510.0.mp4"]
    assert found.protocol == "multi-caption"
    assert found.remarks == ("val: 2 videos, published 1,519", "val: 2 captions, published 1,550")


def test_the_test_split_has_moments_only_in_the_later_file(root: Path) -> None:
    found = load(root, "test")
    assert [each.moments for each in found.captions] == [()]
    assert found.remarks[-1] == "test: queries of highlight_test_release.jsonl without moments: 1"
    (root / "highlight_test_with_gt.jsonl").write_text(line(4, [[10, 20]]))
    found = load(root, "test")
    assert [each.moments for each in found.captions] == [((10, 20),)]
    assert len(found.remarks) == 2


def test_moments_are_cut_to_the_video_or_left_out_and_counted(root: Path) -> None:
    path = root / "highlight_val_release.jsonl"
    path.write_text(line(1, [[140, 160], [5, 5]]) + line(2, [[150, 151]]) + line(3, [[0, 2]], duration=2))
    found = load(root)
    assert [(each.text, each.moments) for each in found.captions] == [
        ("query 1", ((140, 150),)),
        ("query 3", ((0, 2),)),
    ]
    assert found.remarks[2:] == (
        "val: 1 of 4 moments reach beyond their video, cut to it",
        "val: 1 of 4 moments do not end after they start, left out",
        "val: 1 of 4 moments lie outside of their video, left out",
    )


def test_what_is_wrong_or_absent_is_named(root: Path) -> None:
    path = root / "highlight_val_release.jsonl"
    path.write_text(line(1, [[0, 2]]) + line(1, [[0, 2]]))
    with pytest.raises(DatasetError, match=r"highlight_val_release\.jsonl: line 2: qid 1 is that of line 1 too"):
        load(root)
    path.unlink()
    with pytest.raises(DatasetError, match=r"highlight_val_release\.jsonl: absent.*jayleicn/moment_detr"):
        load(root)
    with pytest.raises(DatasetError, match="no split 'valid'; choose one of train, val, test"):
        load(root, "valid")


def test_it_keeps_the_laws_of_a_data_set(root: Path) -> None:
    check_dataset(QVHIGHLIGHTS, root=str(root))
