"""`msvd` on files of its layout made here, in every form of its captions, and on the real ones where they are."""

from __future__ import annotations

import csv
import json
import pickle
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from fdakit import DatasetError
from fdakit.builtin.datasets.msvd import MSVD
from fdakit.dataset_files import locate_source
from fdakit.plugin import Dataset, PublishedCounts, Split
from fdakit.testing.building import build_part

SPLITS = {"train": ["t1", "t2", "t3"], "val": ["v1"], "test": ["x1", "x2"]}
SPLITS = {split: [f"{name}_0_10" for name in names] for split, names in SPLITS.items()}
CAPTIONS = {name: [["a", name, "moves"], [name, "again"]] for names in SPLITS.values() for name in names}
COLUMNS = ("", "VideoID", "Start", "End", "WorkerID", "Source", "AnnotationTime", "Language", "Description")


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


def write_corpus(path: Path, rows: list[tuple[str, str, str]]) -> Path:
    """The corpus csv of (clip id, language, description), an index first as pandas writes it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for number, (name, language, text) in enumerate(rows):
            table.writerow([number, *name.rsplit("_", 2), 1, "clean", 9, language, text])
    return path


def pairs(split: Split) -> list[tuple[str, str]]:
    return [(caption.video_id, caption.text) for caption in split.captions]


def test_splits_hold_their_videos_and_every_caption(root: Path) -> None:
    assert msvd(root).splits() == ("train", "val", "test")
    found = msvd(root).load("test", quiet)
    assert [video.id for video in found.videos] == ["x1_0_10", "x2_0_10"]
    assert [video.path for video in found.videos] == [root / "YouTubeClips" / f"{n}.avi" for n in SPLITS["test"]]
    assert pairs(found) == [
        ("x1_0_10", "a x1_0_10 moves"),
        ("x1_0_10", "x1_0_10 again"),
        ("x2_0_10", "a x2_0_10 moves"),
        ("x2_0_10", "x2_0_10 again"),
    ]
    assert found.protocol == "multi-caption"
    assert [len(msvd(root).load(split, quiet).captions) for split in SPLITS] == [6, 2, 4]


def test_a_local_copy_says_how_it_differs_from_the_published_one(root: Path) -> None:
    found = msvd(root).load("val", quiet)
    assert found.official == PublishedCounts(100, 4290)
    assert found.remarks == ("val: 1 videos, published 100", "val: 2 captions, published 4,290")


@pytest.mark.parametrize(("protocol", "most"), [("first-caption", 1), ("five-captions", 5), ("all-captions", 99)])
def test_a_protocol_takes_the_first_captions_of_val_and_test_and_all_of_train(
    root: Path, protocol: str, most: int
) -> None:
    many = {name: [[name, str(number)] for number in range(7)] for name in CAPTIONS}
    (root / "raw-captions.pkl").write_bytes(pickle.dumps(many))
    part = msvd(root, protocol=protocol)
    for split in ("val", "test"):
        found = part.load(split, quiet)
        wanted = [(name, f"{name} {number}") for name in SPLITS[split] for number in range(min(most, 7))]
        assert pairs(found) == wanted
        assert found.protocol == ("multi-caption" if most > 7 else protocol)
        videos = {"val": 100, "test": 670}[split]
        assert found.official is not None
        assert found.official.videos == videos
        assert most > 7 or found.official.captions == most * videos
    train = part.load("train", quiet)
    assert (len(train.captions), train.protocol) == (21, "multi-caption")


def test_a_video_with_fewer_captions_gives_those_it_has(root: Path) -> None:
    found = msvd(root, protocol="five-captions").load("test", quiet)
    assert (len(found.captions), found.protocol) == (4, "five-captions")


def test_json_captions_and_another_video_folder_are_taken_too(root: Path, tmp_path: Path) -> None:
    (root / "raw-captions.pkl").unlink()
    (root / "captions.json").write_text(json.dumps({name: [f"a {name}", " "] for name in CAPTIONS}))
    elsewhere = shutil.move(root / "YouTubeClips", tmp_path / "elsewhere")
    found = msvd(root, videos=str(elsewhere)).load("val", quiet)
    assert pairs(found) == [("v1_0_10", "a v1_0_10")]
    assert found.remarks[-1] == "val: left out 1 description without a word (v1_0_10)"
    assert found.videos[0].path == Path(elsewhere) / "v1_0_10.avi"


def test_what_is_absent_is_named_with_where_to_get_it(root: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"nowhere: msvd is absent; `fdakit data prepare msvd --root .*nowhere` says"
    ):
        msvd(tmp_path / "nowhere").load("test", quiet)
    shutil.rmtree(root / "YouTubeClips")
    with pytest.raises(DatasetError, match=r"videos: absent, and so are YouTubeClips, .*YouTubeClips\.tar"):
        msvd(root).load("test", quiet)
    (root / "val_list.txt").unlink()
    with pytest.raises(DatasetError, match=r"val_list\.txt: absent"):
        msvd(root).load("val", quiet)
    (root / "raw-captions.pkl").unlink()
    with pytest.raises(DatasetError, match=r"raw-captions\.pkl: absent, and so are captions_msvd\.json"):
        msvd(root).load("test", quiet)


def test_sources_name_what_is_read(root: Path) -> None:
    part: Any = msvd(root)
    assert part.root == root
    assert [source.path for source in part.sources() if not locate_source(root, source)] == []
    assert all(source.what and source.origin for source in part.sources())


def test_videos_without_captions_are_counted_and_named(root: Path) -> None:
    (root / "raw-captions.pkl").write_bytes(pickle.dumps({"t1_0_10": [["a"]], "t2_0_10": []}))
    with pytest.raises(DatasetError, match=r"no captions for 2 of 3 train videos \(t2_0_10, t3_0_10\); .*\.zip"):
        msvd(root).load("train", quiet)


def test_code_in_the_captions_is_refused(root: Path) -> None:
    (root / "raw-captions.pkl").write_bytes(pickle.dumps({"x1": [Path("x")]}))
    with pytest.raises(DatasetError, match="fdakit runs no code from files"):
        msvd(root).load("test", quiet)


def test_languages_of_the_corpus(root: Path) -> None:
    (root / "raw-captions.pkl").unlink()
    rows = [(name, "English", f"a {name}") for name in CAPTIONS]
    rows += [("x2_0_10", "German", "ein Hund\r\nläuft. \r\nUnd bellt"), ("x2_0_10", "Hindi", "एक आदमी")]
    write_corpus(root / "MSR Video Description Corpus.csv", rows)
    assert pairs(msvd(root).load("test", quiet)) == [("x1_0_10", "a x1_0_10"), ("x2_0_10", "a x2_0_10")]
    found = msvd(root, language="german").load("test", quiet)
    assert pairs(found) == [("x2_0_10", "ein Hund läuft. Und bellt")]
    assert found.official == PublishedCounts(670)
    assert "test: clips without captions in 'german' left out: 1" in found.remarks
    assert pairs(msvd(root, language="Hindi").load("test", quiet)) == [("x2_0_10", "एक आदमी")]
    with pytest.raises(DatasetError, match=r"no captions for 1 of 1 val videos"):
        msvd(root, language="Hindi").load("val", quiet)
    with pytest.raises(DatasetError, match=r"no rows in 'Klingon'; languages there: English, German, Hindi"):
        msvd(root, language="Klingon").load("val", quiet)
    (root / "captions.json").write_text("{}")
    with pytest.raises(
        DatasetError, match=r"captions\.json: holds only English captions; for 'German' name the corpus"
    ):
        msvd(root, language="German", captions=str(root / "captions.json")).load("val", quiet)


def test_the_lines_of_descriptions_begin_with_ids(root: Path) -> None:
    lines = ["Microsoft Research Video Description Corpus", "", *(f"{name} {name} is it." for name in CAPTIONS), ""]
    path = root / "AllVideoDescriptions.txt"
    path.write_text("\r\n".join(lines))
    found = msvd(root, captions=str(path))
    assert pairs(found.load("val", quiet)) == [("v1_0_10", "v1_0_10 is it.")]
    path.write_text("\n".join([*lines, "no id here"]))
    with pytest.raises(DatasetError, match=r"line 10: begins with 'no'; wanted a clip id as abc_5_15"):
        msvd(root, captions=str(path)).load("val", quiet)
    path.write_text("nothing of the kind\n")
    with pytest.raises(DatasetError, match=r"no line begins with a clip id"):
        msvd(root, captions=str(path)).load("val", quiet)


def as_json(folder: Path, captions: Mapping[str, list[str]]) -> Path:
    path = folder / "captions.json"
    path.write_text(json.dumps(captions))
    return path


def as_pickle(folder: Path, captions: Mapping[str, list[str]]) -> Path:
    path = folder / "raw-captions.pkl"
    path.write_bytes(pickle.dumps({name: [text.split(" ") for text in texts] for name, texts in captions.items()}))
    return path


def as_corpus(folder: Path, captions: Mapping[str, list[str]]) -> Path:
    rows = [(name, "English", text) for name, texts in captions.items() for text in texts]
    return write_corpus(folder / "corpus.csv", rows)


def as_lines(folder: Path, captions: Mapping[str, list[str]]) -> Path:
    path = folder / "descriptions.txt"
    lines = [f"{name} {text}" for name, texts in captions.items() for text in texts]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


WORD = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=6)
SENTENCE = st.lists(WORD, min_size=1, max_size=4).map(lambda words: " ".join(["a", *words]))


@pytest.mark.parametrize("write", [as_json, as_pickle, as_corpus, as_lines])
@settings(max_examples=30)
@given(captions=st.fixed_dictionaries({name: st.lists(SENTENCE, min_size=1, max_size=3) for name in SPLITS["test"]}))
def test_every_form_of_the_captions_gives_the_same_split(
    write: Callable[[Path, Mapping[str, list[str]]], Path], captions: dict[str, list[str]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "videos").mkdir()
        (folder / "test_list.txt").write_text("\n".join(SPLITS["test"]))
        path = write(folder, captions)
        found = msvd(folder, captions=str(path)).load("test", quiet)
        assert pairs(found) == [(clip, text) for clip in SPLITS["test"] for text in captions[clip]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of MSVD as published, by count: lists, pickled word lists, and half of the clips as files."""
    root = tmp_path_factory.mktemp("msvd")
    captions: dict[str, list[list[str]]] = {}
    for split, videos, total in (("train", 1200, 48_774), ("val", 100, 4290), ("test", 670, 27_763)):
        names = [f"-{split}{i:04d}_A_{i}_{i + 10}" for i in range(videos)]
        (root / f"{split}_list.txt").write_text("\n".join(names))
        for i in range(total):
            captions.setdefault(names[i % videos], []).append(["caption", str(i), "of", split])
    (root / "raw-captions.pkl").write_bytes(pickle.dumps(captions))
    (root / "YouTubeClips").mkdir()
    for name in list(captions)[::2]:
        (root / "YouTubeClips" / f"{name}.avi").touch()
    return root


@pytest.mark.integration
@pytest.mark.parametrize(
    ("split", "videos", "captions"), [("train", 1200, 48_774), ("val", 100, 4290), ("test", 670, 27_763)]
)
def test_a_whole_copy_has_the_published_counts_and_nothing_to_remark(
    whole: Path, split: str, videos: int, captions: int
) -> None:
    found = msvd(whole).load(split, quiet)
    assert (len(found.videos), len(found.captions), found.remarks) == (videos, captions, ())
    assert sum(video.path.is_file() for video in found.videos) == videos // 2


def test_the_real_lists_load_with_their_counts(data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "annotations" / "msvd"
    found = msvd(folder, videos=str(tmp_path))
    test, val = found.load("test", quiet), found.load("val", quiet)
    assert (len(test.videos), len(test.captions), test.remarks) == (670, 27763, ())
    assert (len(val.videos), len(val.captions), val.remarks) == (100, 4290, ())
    with pytest.raises(DatasetError, match=r"no captions for 1,200 of 1,200 train videos \(-4wsuPCjDBc_5_15, "):
        found.load("train", quiet)


def test_the_real_corpus_rows_give_the_published_queries(data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "annotations" / "msvd"
    corpus = folder / "video_corpus_val.csv"
    found = msvd(folder, videos=str(tmp_path), captions=str(corpus)).load("val", quiet)
    published = msvd(folder, videos=str(tmp_path)).load("val", quiet)
    with corpus.open(encoding="utf-8", newline="") as file:
        assert sum(1 for _ in csv.DictReader(file)) == 4291
    reason = "1 description with a second paragraph, as published lists leave them out (bqMmyY1ImkI_0_14)"
    assert found.remarks == (f"val: left out {reason}",)

    def letters(split: Split) -> list[tuple[str, str]]:
        return [
            (name, "".join(c for c in text.lower() if c.isascii() and c.isalnum())) for name, text in pairs(split)
        ]

    assert letters(found) == letters(published)


def test_the_real_awkward_rows_are_read_whole(data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "annotations" / "msvd"
    rows = folder / "video_corpus_awkward_rows.csv"
    ids = {line for split in ("val", "test") for line in (folder / f"{split}_list.txt").read_text().split()}
    with rows.open(encoding="utf-8", newline="") as file:
        clips = ["_".join((row["VideoID"], row["Start"], row["End"])) for row in csv.DictReader(file)]
    assert len(clips) == 24
    assert set(clips) <= ids
    kept = ("bqMmyY1ImkI_0_14", "pUPKsHTDZTo_70_85", "xxHx6s_DbUo_49_56", "shPymuahrsc_5_12", "x_8RiVI6rH8_41_54")
    (tmp_path / "test_list.txt").write_text("\n".join(sorted(set(clips) - set(kept))))
    found = msvd(tmp_path, videos=str(tmp_path), captions=str(rows)).load("test", quiet)
    assert len(found.captions) == 18
    assert not [text for _, text in pairs(found) if "\ufeff" in text or "\n" in text]
    assert tuple(n for n, t in pairs(found) if t.endswith("practicing hitting a volley ball.")) == (
        "bmxIurBrW5s_51_70",
    )
    assert found.remarks[2:] == (
        "test: left out 1 description with a second paragraph, as published lists leave them out "
        "(q7pOFn8s4zc_263_273)",
    )
