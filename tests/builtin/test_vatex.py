"""`vatex` on lists made here and real ones; captions are made in the official layout."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from fdakit import DatasetError
from fdakit.builtin.datasets.vatex import COUNTS, VATEX
from fdakit.dataset_files import read_id_list
from fdakit.plugin import Dataset, Split
from fdakit.testing.building import build_part
from fdakit.testing.reading import check_dataset

TRAIN = ("train_________000000_000010",)
VAL = ("val1__________000000_000010", "val2__________000001_000011")
TEST = ("-test1________000000_000010", "-test2________000002_000012")
SECOND = (TEST[1], VAL[0])


def quiet(what: str, done: int, total: int) -> None:
    """No progress."""


def vatex(root: Path, **options: Any) -> Dataset:
    part: Dataset = build_part(VATEX, root=str(root), **options)
    return part


def load(root: Path, split: str = "test", **options: Any) -> Split:
    return vatex(root, **options).load(split, quiet)


def write_captions(path: Path, ids: Iterable[str], *, count: int = 10, chinese: bool = True) -> None:
    """As published: ten captions in English and ten in Chinese for each video."""
    entries = []
    for name in ids:
        entry: dict[str, Any] = {"videoID": name, "enCap": [f"{name} does {i}." for i in range(count)]}
        if chinese:
            entry["chCap"] = [f"{name} 做 {i}。" for i in range(count)]
        entries.append(entry)
    path.write_text(json.dumps(entries))


def write_lists(root: Path, lists: Mapping[str, Sequence[str]]) -> None:
    for name, ids in lists.items():
        (root / name).write_text("".join(f"{i}\n" for i in ids))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """VATEX's layout with five videos."""
    lists = {"train_list.txt": TRAIN, "val_list.txt": VAL, "test_list.txt": TEST, "test1k5_sec_list.txt": SECOND}
    write_lists(tmp_path, lists)
    write_captions(tmp_path / "vatex_training_v1.0.json", TRAIN)
    write_captions(tmp_path / "vatex_validation_v1.0.json", (*VAL, *TEST))
    (tmp_path / "videos").mkdir()
    return tmp_path


def test_every_caption_of_a_listed_video_counts(root: Path) -> None:
    assert vatex(root).splits() == ("train", "val", "test")
    found = load(root)
    assert [video.id for video in found.videos] == list(TEST)
    assert [caption.text for caption in found.captions[:2]] == [f"{TEST[0]} does 0.", f"{TEST[0]} does 1."]
    assert (len(found.captions), found.protocol) == (20, "multi-caption")
    assert found.remarks == (
        "test: captions in English, 10 a video",
        "test: 2 videos, published 1,500",
        "test: 20 captions, published 15,000",
    )
    assert [len(load(root, split).captions) for split in ("train", "val")] == [10, 20]


def test_the_language_is_chosen_and_said(root: Path) -> None:
    found = load(root, language="chinese")
    assert found.captions[0].text == f"{TEST[0]} 做 0。"
    assert found.remarks[0] == "test: captions in Chinese, 10 a video"
    write_captions(root / "vatex_validation_v1.0.json", (*VAL, *TEST), chinese=False)
    with pytest.raises(
        DatasetError, match=r"v1\.0\.json: no captions for 2 of 2 test videos \(-test1.*those in Chinese"
    ):
        load(root, language="chinese")


def test_the_second_test_list_leaves_the_other_half_to_val(root: Path) -> None:
    test, val = (load(root, split, test_list="clip2video") for split in ("test", "val"))
    assert [video.id for video in test.videos] == list(SECOND)
    assert {video.id for video in val.videos} == {*VAL, *TEST} - {*SECOND}
    assert "test: the list of CLIP2Video, test1k5_sec_list.txt" in test.remarks
    assert "val: the videos of val_list.txt and test_list.txt not in test1k5_sec_list.txt" in val.remarks
    assert load(root, "train", test_list="clip2video") == load(root, "train")


def test_captions_as_one_map_give_the_same_split(root: Path) -> None:
    wanted = [load(root, split) for split in COUNTS]
    told: dict[str, list[str]] = {}
    for caption in (caption for split in wanted for caption in split.captions):
        told.setdefault(caption.video_id, []).append(caption.text)
    for path in root.glob("vatex_*.json"):
        path.unlink()
    (root / "ref_captions.json").write_text(json.dumps(told))
    assert [load(root, split) for split in COUNTS] == wanted
    with pytest.raises(DatasetError, match=r"ref_captions\.json: no captions for 2 of 2 test .*those in Chinese"):
        load(root, language="chinese")


def test_lists_of_ones_own_may_name_videos_of_the_public_test_set(root: Path) -> None:
    write_lists(root, {"test_list.txt": (*TEST, "public________000000_000010")})
    with pytest.raises(
        DatasetError, match=r"for 1 of 3 test videos \(public________000000_000010\); wanted those in English"
    ):
        load(root)
    write_captions(root / "vatex_public_test_english_v1.1.json", ["public________000000_000010"], chinese=False)
    assert len(load(root).captions) == 30


def test_empty_captions_do_not_count_and_uneven_numbers_are_said(root: Path) -> None:
    entries = [{"videoID": TEST[0], "enCap": ["one", " ", "two\n"]}, {"videoID": TEST[1], "enCap": ["three"]}]
    (root / "vatex_validation_v1.0.json").write_text(json.dumps(entries))
    found = load(root)
    assert [caption.text for caption in found.captions] == ["one", "two", "three"]
    assert found.remarks[0] == "test: captions in English, 1 to 2 a video"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "found '{}'; wanted a list of objects, one a video"),
        ('[{"videoID": "a", "enCap": "x"}]', "entry 1: found .* wanted an object with videoID and enCap, a list of"),
        ('[{"videoID": "a", "enCap": ["x"]}, {"enCap": ["x"]}]', "entry 2: found"),
        ('[{"videoID": "a", "enCap": ["x"]}, {"videoID": "a", "enCap": ["y"]}]', "entry 2: a is repeated"),
        ("[", "not readable as captions"),
    ],
)
def test_what_is_no_caption_file_is_refused(root: Path, content: str, said: str) -> None:
    (root / "vatex_validation_v1.0.json").write_text(content)
    with pytest.raises(DatasetError, match=said):
        load(root)


def test_what_is_absent_is_named_with_where_to_get_it(root: Path) -> None:
    with pytest.raises(DatasetError, match="no split 'dev'; choose one of train, val, test"):
        load(root, "dev")
    (root / "videos").rmdir()
    with pytest.raises(DatasetError, match=r"videos: absent.*Kinetics-600"):
        load(root)
    (root / "vatex_validation_v1.0.json").unlink()
    with pytest.raises(DatasetError, match=r"vatex_validation_v1\.0\.json: absent.*eric-xw\.github\.io"):
        load(root)
    (root / "test_list.txt").unlink()
    with pytest.raises(DatasetError, match=r"test_list\.txt: absent.*CLIP2Video"):
        load(root)


@pytest.fixture(scope="module")
def real(data_dir: Path) -> Path:
    return data_dir / "annotations" / "vatex"


@pytest.fixture(scope="module")
def full(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real lists beside captions of official layout and count: 25,991 and 3,000 videos with ten."""
    root = tmp_path_factory.mktemp("vatex")
    for path in real.glob("*.txt"):
        (root / path.name).write_bytes(path.read_bytes())
    train, val, test = (read_id_list(real / f"{split}_list.txt") for split in COUNTS)
    write_captions(root / "vatex_training_v1.0.json", train, chinese=False)
    write_captions(root / "vatex_validation_v1.0.json", (*val, *test))
    (root / "videos").mkdir()
    return root


@pytest.mark.integration
@pytest.mark.parametrize("split", COUNTS)
def test_the_real_lists_load_with_official_counts(full: Path, split: str) -> None:
    found = load(full, split)
    assert (len(found.videos), len(found.captions)) == (COUNTS[split], 10 * COUNTS[split])
    assert found.remarks == (f"{split}: captions in English, 10 a video",)


def test_the_two_real_test_lists_overlap_as_told(full: Path) -> None:
    val, test = ({video.id for video in load(full, split).videos} for split in ("val", "test"))
    second = {video.id for video in load(full, "test", test_list="clip2video").videos}
    rest = {video.id for video in load(full, "val", test_list="clip2video").videos}
    assert (len(second), len(second & val), len(second & test)) == (1500, 776, 724)
    assert (len(rest), rest & second, rest | second) == (1500, set(), val | test)
    about = VATEX.options.model_fields["test_list"].description or ""
    assert "724 of the 1,500 videos are in both" in about


def test_the_real_lists_want_their_captions(real: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"vatex_training_v1\.0\.json: absent.*vatex-website"):
        load(real, "train", videos=str(tmp_path))


def test_known_files_bear_their_digests(real: Path) -> None:
    part = build_part(VATEX, root=str(real), test_list="clip2video")
    sources = [source for source in part.sources() if source.sha256]
    assert len(sources) == 4
    for source in sources:
        assert sha256((real / source.path).read_bytes()).hexdigest() in source.sha256


def test_it_keeps_the_laws_of_a_data_set(root: Path) -> None:
    check_dataset(VATEX, root=str(root))
