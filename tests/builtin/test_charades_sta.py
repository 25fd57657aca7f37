"""`charades-sta`: lines of the official form."""

from __future__ import annotations

from pathlib import Path

import pytest

from fdakit import DatasetError
from fdakit.builtin.datasets.charades_sta import CHARADES_STA
from fdakit.plugin import Dataset, Split
from fdakit.testing.building import build_part
from fdakit.testing.reading import check_dataset

LINES = (
    "AO8RW 0.0 6.9##a person is putting a book on a shelf.",
    "Y6R7T 20.8 30.0##person begins to play on a phone.",
    "Y6R7T 7.3 17.3##person pouring it into a glass ## of water.",
)


def quiet(what: str, done: int, total: int) -> None:
    """No progress."""


def load(root: Path, split: str = "train") -> Split:
    part: Dataset = build_part(CHARADES_STA, root=str(root))
    return part.load(split, quiet)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "charades_sta_train.txt").write_text("\n".join(LINES) + "\n")
    (tmp_path / "charades_sta_test.txt").write_text("3MSZA 24.3 30.4##person turn a light on.\r\n\r\n")
    (tmp_path / "Charades_v1_480").mkdir()
    (tmp_path / "Charades_v1_480" / "AO8RW.mp4").write_bytes(b"")
    return tmp_path


def test_each_line_is_a_caption_with_one_moment(root: Path) -> None:
    found = load(root)
    assert [(each.video_id, each.text, each.moments) for each in found.captions] == [
        ("AO8RW", "a person is putting a book on a shelf.", ((0.0, 6.9),)),
        ("Y6R7T", "person begins to play on a phone.", ((20.8, 30.0),)),
        ("Y6R7T", "person pouring it into a glass ## of water.", ((7.3, 17.3),)),
    ]
    assert [video.path.name for video in found.videos] == ["AO8RW.mp4", "Y6R7T.mp4"]
    assert {(video.start, video.end) for video in found.videos} == {(None, None)}
    assert found.protocol == "multi-caption"
    assert found.remarks == ("train: 2 videos, published 5,338", "train: 3 captions, published 12,408")
    assert [each.text for each in load(root, "test").captions] == ["person turn a light on."]


def test_a_moment_that_does_not_end_after_it_starts_is_left_out_and_counted(root: Path) -> None:
    with (root / "charades_sta_train.txt").open("a") as file:
        file.write("AO8RW 9 9##person sits.\nQQQQQ 5.5 2##person runs.\n")
    found = load(root)
    assert (len(found.captions), len(found.videos)) == (3, 2)
    assert found.remarks[-1] == "train: 2 of 5 moments do not end after they start, left out"


@pytest.mark.parametrize(
    "line",
    ["AO8RW 0.0 6.9#one mark", "AO8RW 0.0##x", "AO8RW a 6.9##x", "AO8RW 0.0 nan##x", "AO8RW 0 1##  ", "a b 0 1##x"],
)
def test_what_has_another_form_is_refused_with_its_line(root: Path, line: str) -> None:
    (root / "charades_sta_test.txt").write_text(f"{LINES[0]}\n\n{line}\n")
    with pytest.raises(
        DatasetError, match=r"charades_sta_test\.txt: line 3: found .*; wanted ID START END##SENTENCE"
    ):
        load(root, "test")


def test_what_is_absent_or_empty_is_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no split 'val'; choose one of train, test"):
        load(root, "val")
    (root / "charades_sta_test.txt").write_text("\n")
    with pytest.raises(DatasetError, match="holds no line"):
        load(root, "test")
    (root / "charades_sta_test.txt").unlink()
    with pytest.raises(DatasetError, match=r"charades_sta_test\.txt: absent.*jiyanggao/TALL"):
        load(root, "test")


def test_it_keeps_the_laws_of_a_data_set(root: Path) -> None:
    check_dataset(CHARADES_STA, root=str(root))
