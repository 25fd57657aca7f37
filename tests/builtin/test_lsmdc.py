"""`lsmdc` on files of its layout and on the real ones where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from fdakit import DatasetError
from fdakit.builtin.datasets._lsmdc_annotations import read_sentences
from fdakit.builtin.datasets.lsmdc import LSMDC
from fdakit.dataset_files import locate_source
from fdakit.plugin import Dataset, PublishedCounts
from fdakit.testing.building import build_part

FILES = {
    "train": "LSMDC16_annos_training.csv",
    "val": "LSMDC16_annos_val.csv",
    "test": "LSMDC16_challenge_1000_publictect.csv",
}
TIMES = "\t".join(["00.23.23.000", "00.23.28.886"] * 2)


def quiet(what: str, done: int, total: int) -> None:
    """No progress."""


def clip(number: int, film: str = "3086_UGLY_TRUTH") -> str:
    return f"{film}_00.23.{number // 1000:02d}.{number % 1000:03d}-00.23.28.886"


def rows(*texts: tuple[str, str]) -> str:
    return "".join(f"{name}\t{TIMES}\t{text}\n" for name, text in texts)


def lsmdc(root: Path, **options: Any) -> Dataset:
    part: Dataset = build_part(LSMDC, root=str(root), **options)
    return part


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A film's folder of clips, and one clip beside it; each annotation file."""
    (tmp_path / FILES["train"]).write_text(
        rows(
            (clip(1), "SOMEONE runs."),
            (clip(2), 'A sign reads, "Stop'),
            (clip(1), "He falls."),
            (clip(1), "He falls."),
        )
        + f"{clip(3)}\t{TIMES}\n{clip(4)}\t{TIMES}\t\n"
    )
    (tmp_path / FILES["val"]).write_text(rows((clip(5), "A dog."), (clip(6), "A dog.")))
    (tmp_path / FILES["test"]).write_bytes(b"\xef\xbb\xbf" + rows((clip(7), "A cat.")).replace("\n", "\r\n").encode())
    (tmp_path / "LSMDC16_annos_test.csv").write_text(rows((clip(7), "A cat."), (clip(8), "A cow.")))
    for path in (f"3086_UGLY_TRUTH/{clip(1)}.avi", f"{clip(2)}.mp4"):
        (tmp_path / "videos" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / path).touch()
    return tmp_path


def test_rows_of_one_clip_are_captions_of_it_and_quotes_mean_nothing(root: Path) -> None:
    found = lsmdc(root).load("train", quiet)
    assert [(caption.video_id, caption.text) for caption in found.captions] == [
        (clip(1), "SOMEONE runs."),
        (clip(1), "He falls."),
        (clip(2), 'A sign reads, "Stop'),
    ]
    assert [str(video.path.relative_to(root)) for video in found.videos] == [
        f"videos/3086_UGLY_TRUTH/{clip(1)}.avi",
        f"videos/{clip(2)}.mp4",
    ]
    assert found.protocol == "multi-caption"
    assert found.remarks == (
        "train: 2 videos, published 101,079",
        "train: 3 captions, published 101,079",
        "train: rows without a sentence, left out: 2",
        "train: clips with several sentences, each a caption: 1",
        "train: rows that repeat a sentence of their clip, left out: 1",
    )


def test_the_splits_and_the_two_tests(root: Path) -> None:
    assert lsmdc(root).splits() == ("train", "val", "test")
    val, test = lsmdc(root).load("val", quiet), lsmdc(root).load("test", quiet)
    assert [(c.video_id, c.text) for c in val.captions] == [(clip(5), "A dog."), (clip(6), "A dog.")]
    assert (val.protocol, val.official) == ("single-caption", PublishedCounts(7408, 7408))
    assert [(c.video_id, c.text) for c in test.captions] == [(clip(7), "A cat.")]
    assert test.official == PublishedCounts(1000, 1000)
    full = lsmdc(root, test="full").load("test", quiet)
    assert (len(full.videos), full.official) == (2, PublishedCounts(10_053, 10_053))


def test_sources_name_what_is_read(root: Path) -> None:
    for options in ({}, {"test": "full"}):
        part: Any = lsmdc(root, **options)
        assert part.root == root
        assert [source.path for source in part.sources() if not locate_source(root, source)] == []
        assert len(part.sources()) == 4


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            f"{clip(1)}\t{TIMES}\n" * 3,
            "no sentence in any of 3 rows, as in the blind test; a time stamp is no caption",
        ),
        ("", "no sentence in any of 0 rows"),
        (rows((clip(1), "A\tB")), "line 1: 7 fields between tabs; wanted clip id, start"),
        (rows((clip(1), "A")) + f"\n{clip(2)},a,b,c,d,A dog.\n", "line 3: 1 field between tabs; wanted clip id"),
        (rows(("", "A")), "line 1: no clip id"),
        ("id\tfrom\tto\tfrom\tto\tsentence\n" + rows((clip(1), "A")), "line 1: no times in 'id\\tfrom"),
        (rows((clip(1), "caf\xe9")).encode("latin-1"), "line 1: not UTF-8"),
    ],
)
def test_what_is_no_annotation_file_is_refused(root: Path, content: str | bytes, words: str) -> None:
    path = root / FILES["test"]
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DatasetError) as caught:
        lsmdc(root).load("test", quiet)
    assert str(caught.value).startswith(f"{path}: {words}")


def test_an_absent_file_is_named_with_where_to_get_it(root: Path) -> None:
    (root / FILES["val"]).unlink()
    with pytest.raises(DatasetError, match=r"annos_val\.csv: absent, .*describingmovies.*after registration"):
        lsmdc(root).load("val", quiet)


SENTENCE = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]) | st.just(" "), min_size=1).map(
    str.strip
)


@pytest.mark.integration
@given(st.lists(st.tuples(st.integers(0, 5), SENTENCE.filter(bool)), min_size=1))
def test_no_sentence_is_lost_and_none_is_told_twice(tmp_path_factory: Any, pairs: list[tuple[int, str]]) -> None:
    path = tmp_path_factory.getbasetemp() / "law.csv"
    path.write_bytes(rows(*((clip(number), text) for number, text in pairs)).encode())
    found = read_sentences(path).captions
    assert {(name, text) for name, texts in found.items() for text in texts} == {(clip(n), text) for n, text in pairs}
    assert all(len(set(texts)) == len(texts) for texts in found.values())
    assert list(found) == list(dict.fromkeys(clip(number) for number, _ in pairs))


@pytest.mark.integration
def test_a_whole_training_file_has_the_published_count(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    texts = [(clip(i % 60_000, f"{1000 + i // 60_000}_FILM"), f"SOMEONE does {i}.") for i in range(101_079)]
    (tmp_path / FILES["train"]).write_text(rows(*texts))
    found = lsmdc(tmp_path).load("train", quiet)
    assert (len(found.videos), len(found.captions), found.remarks) == (101_079, 101_079, ())


def test_the_real_files_load_with_their_counts(data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "annotations" / "lsmdc"
    part = lsmdc(folder, videos=str(tmp_path))
    for found, count, different in (
        (part.load("val", quiet), 7408, None),
        (part.load("test", quiet), 1000, 995),
        (lsmdc(folder, videos=str(tmp_path), test="full").load("test", quiet), 10_053, None),
    ):
        assert (len(found.videos), len(found.captions), found.remarks) == (count, count, ())
        assert found.protocol == "single-caption"
        assert different is None or len({caption.text for caption in found.captions}) == different
    quoted = [c.text for c in part.load("val", quiet).captions if '"' in c.text]
    assert 'under the headline, "Child Saved by Hansel and Gretel".' in quoted
    with pytest.raises(DatasetError, match=r"annos_training\.csv: absent"):
        part.load("train", quiet)


def test_the_real_blind_test_is_refused(data_dir: Path) -> None:
    with pytest.raises(DatasetError, match="no sentence in any of 200 rows"):
        read_sentences(data_dir / "annotations" / "lsmdc" / "LSMDC16_annos_blindtest.first200.csv")


def test_an_absent_folder_is_said_once_for_all_splits(tmp_path: Path) -> None:
    part = lsmdc(tmp_path / "nowhere")
    said = []
    for split in part.splits():
        with pytest.raises(
            DatasetError, match="nowhere: lsmdc is absent; `fdakit data prepare lsmdc --root "
        ) as caught:
            part.load(split, quiet)
        said.append(str(caught.value))
    assert len(set(said)) == 1
