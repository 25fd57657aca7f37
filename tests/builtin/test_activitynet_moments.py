"""`activitynet` with `protocol = "moments"`: each sentence a caption with its time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fdakit import DatasetError
from fdakit.builtin.datasets.activitynet import ACTIVITYNET, COUNTS, SENTENCES
from fdakit.plugin import Dataset, Split
from fdakit.testing.building import build_part
from fdakit.testing.reading import check_dataset

DOGS, CATS = "v_dogs-3xxQ_8", "v_cats4xxQ-90"
TOLD = {
    DOGS: {"duration": 9.5, "timestamps": [[0, 4.5], [4, 9.51]], "sentences": ["A dog runs.", " It sits  down.\n"]},
    CATS[2:]: {"duration": 61, "timestamps": [[3.5, 12]], "sentences": ["  A cat sleeps."]},
}


def quiet(what: str, done: int, total: int) -> None:
    """No progress."""


def load(root: Path, split: str = "test", **options: Any) -> Split:
    part: Dataset = build_part(ACTIVITYNET, root=str(root), protocol="moments", **options)
    return part.load(split, quiet)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "val_1.json").write_text(json.dumps(TOLD))
    train = {f"v_train{i:06d}": {**TOLD[DOGS], "timestamps": [[0, i], [1, 2]]} for i in range(4)}
    (tmp_path / "train.json").write_text(json.dumps(train))
    (tmp_path / "videos").mkdir()
    return tmp_path


def test_each_sentence_is_a_caption_with_its_moment(root: Path) -> None:
    found = load(root)
    assert [(each.video_id, each.text, each.moments) for each in found.captions] == [
        (DOGS, "A dog runs.", ((0, 4.5),)),
        (DOGS, "It sits down.", ((4, 9.5),)),
        (CATS, "A cat sleeps.", ((3.5, 12),)),
    ]
    assert found.protocol == "multi-caption"
    assert found.remarks == (
        "test: 1 of 3 moments reach beyond their video, cut to it",
        "test: 2 videos, published 4,917",
        "test: 3 captions, published 17,505",
    )


def test_a_sentence_without_a_moment_is_left_out(root: Path) -> None:
    found = load(root, "train")
    assert (len(found.videos), len(found.captions)) == (4, 7)
    assert found.remarks[0] == "train: 1 of 8 moments do not end after they start, left out"
    assert found.remarks[-1] == "train: 7 captions, published 37,417"


def test_lists_and_held_out_videos_are_as_for_paragraphs(root: Path) -> None:
    (root / "val_ids.json").write_text(json.dumps([DOGS]))
    assert [video.id for video in load(root, ids="listed").videos] == [DOGS]
    parts = [load(root, split, hold_out=0.5) for split in ("train", "val")]
    assert [len(part.videos) for part in parts] == [2, 2]
    assert sum(len(part.captions) for part in parts) == 7


@pytest.mark.parametrize(
    "change", [{"timestamps": [[0, 1]]}, {"timestamps": [[0], [1, 2]]}, {"duration": "9"}, {"duration": 0}]
)
def test_sentences_without_times_are_refused(root: Path, change: dict[str, Any]) -> None:
    (root / "val_1.json").write_text(json.dumps({**TOLD, DOGS: {**TOLD[DOGS], **change}}))
    with pytest.raises(DatasetError, match=rf"val_1\.json: {DOGS}: found .* beside 2 sentences; wanted duration"):
        load(root)


def test_lists_of_paragraphs_have_no_times(root: Path) -> None:
    (root / "val_1.json").write_text(json.dumps([{"video": f"{DOGS}.mp4", "caption": "A dog runs."}]))
    with pytest.raises(DatasetError, match=f"{DOGS}: found .* wanted duration in seconds and timestamps"):
        load(root)


def test_it_keeps_the_laws_of_a_data_set(root: Path) -> None:
    check_dataset(ACTIVITYNET, root=str(root), protocol="moments", hold_out=0.5)


@pytest.mark.integration
@pytest.mark.parametrize("split", ["train", "test"])
def test_the_real_files_have_the_published_number_of_moments(data_dir: Path, tmp_path: Path, split: str) -> None:
    """37,421 sentences are in train.json; four have a moment that does not end after it starts."""
    found = load(data_dir / "annotations" / "activitynet", split, videos=str(tmp_path))
    assert (len(found.videos), len(found.captions)) == (COUNTS[split], SENTENCES[split])
    assert all(len(caption.moments) == 1 for caption in found.captions)
    cut, left_out = {"train": (261, 4), "test": (134, 0)}[split]
    said = " ".join(found.remarks)
    assert f"{cut} of" in said
    assert (f"{left_out} of 37,421 moments do not end after they start, left out" in said) == (split == "train")
