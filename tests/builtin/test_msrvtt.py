"""`msrvtt` under each protocol, on a whole data set made here and on the real files where they are."""

from __future__ import annotations

import json
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from fdakit import DatasetError
from fdakit.builtin.datasets.msrvtt import MSRVTT
from fdakit.dataset_files import locate_source
from fdakit.plugin import Dataset, PublishedCounts, Split
from fdakit.testing.building import build_part

pytestmark = pytest.mark.integration

PROTOCOLS = ("1k-A-9k", "1k-A-7k", "full", "1k-B")
FULL = {"train": range(6513), "val": range(6513, 7010), "test": range(7010, 10_000)}
TEST_1K = [f"video{i}" for i in range(7010, 10_000, 2)][:1000]  # 7010, 7012, ... 9008
NINE = [f"video{i}" for i in range(7010)] + [f"video{i}" for i in range(7010, 10_000) if f"video{i}" not in TEST_1K]
MIECH = {"train": [f"video{i}" for i in range(6203)] + TEST_1K[:453], "test": TEST_1K[453:] + NINE[-453:]}


def quiet(what: str, done: int, total: int) -> None:
    """No progress."""


def msrvtt(root: Path, **options: Any) -> Dataset:
    part: Dataset = build_part(MSRVTT, root=str(root), **options)
    return part


def pairs(split: Split) -> list[tuple[str, str]]:
    return [(caption.video_id, caption.text) for caption in split.captions]


def ids(split: Split) -> list[str]:
    return [video.id for video in split.videos]


def write_list(path: Path, names: Iterable[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    header = ["video_id"] if path.suffix == ".csv" else []
    path.write_text("\n".join([*header, *names]))


def write_pairs(path: Path, captions: Iterable[tuple[str, str]]) -> None:
    rows = [f"ret{i},msr{name[5:]},{name},{text}" for i, (name, text) in enumerate(captions)]
    path.write_text("\n".join(["key,vid_key,video_id,sentence", *rows, ""]))


def release(names: Iterable[int], sets: Mapping[str, range], captions: int = 20) -> dict[str, Any]:
    """The layout of the original release: videos with their split, sentences shuffled over the videos."""
    of = {i: split for split, members in sets.items() for i in members}
    names = list(names)
    return {
        "info": {"year": "2016"},
        "videos": [{"video_id": f"video{i}", "id": i, "split": of[i], "category": 0} for i in names],
        "sentences": [
            {"sen_id": i * 20 + k, "video_id": f"video{i}", "caption": f"caption {k} of {i}"}
            for k in range(captions)
            for i in names
        ],
    }


def write_release(root: Path, *, captions: int) -> Path:
    """The captions as first released, every list, a few videos in the two folders of the release."""
    sets = {"train": FULL["train"], "validate": FULL["val"], "test": FULL["test"]}
    for name, members in (("train_val", range(7010)), ("test", range(7010, 10_000))):
        (root / f"{name}_videodatainfo.json").write_text(json.dumps(release(members, sets, captions)))
    write_list(root / "MSRVTT_train.9k.csv", NINE)
    write_list(root / "MSRVTT_train.7k.csv", NINE[:7010])
    write_pairs(root / "MSRVTT_JSFUSION_test.csv", [(name, f"query {i}") for i, name in enumerate(TEST_1K)])
    write_list(root / "lists" / "train_list_miech.txt", MIECH["train"])
    write_list(root / "lists" / "test_list_miech.txt", MIECH["test"])
    for folder, numbers in (("TrainValVideo", [0, 6600]), ("TestVideo", [7010, 9999])):
        (root / folder).mkdir()
        for i in numbers:
            (root / folder / f"video{i}.mp4").touch()
    return root


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    """A part for each protocol on all 200,000 captions."""
    root = write_release(tmp_path_factory.mktemp("whole"), captions=20)
    return {protocol: msrvtt(root, protocol=protocol) for protocol in PROTOCOLS}


@pytest.mark.integration
@pytest.mark.parametrize(
    ("protocol", "split", "videos", "captions"),
    [
        ("1k-A-9k", "train", 9000, 180_000),
        ("1k-A-9k", "test", 1000, 1000),
        ("full", "train", 6513, 130_260),
        ("full", "val", 497, 9940),
        ("full", "test", 2990, 59_800),
    ],
)
def test_a_whole_copy_has_the_published_counts_and_nothing_to_remark(
    whole: Mapping[str, Any], protocol: str, split: str, videos: int, captions: int
) -> None:
    found = whole[protocol].load(split, quiet)
    assert (len(found.videos), len(found.captions), found.remarks) == (videos, captions, ())
    assert found.protocol == ("single-caption" if captions == videos else "multi-caption")


@pytest.fixture(scope="module")
def slim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the first two captions of each video."""
    return write_release(tmp_path_factory.mktemp("slim"), captions=2)


@pytest.fixture(scope="module")
def parts(slim: Path) -> dict[str, Dataset]:
    return {protocol: msrvtt(slim, protocol=protocol) for protocol in PROTOCOLS}


@pytest.mark.integration
def test_fewer_captions_than_published_are_remarked(parts: Mapping[str, Any]) -> None:
    found = parts["1k-A-7k"].load("train", quiet)
    assert (len(found.videos), found.remarks) == (7010, ("train: 14,020 captions, published 140,200",))
    assert len(parts["1k-B"].load("train", quiet).videos) == 6656


def test_the_splits_of_each_protocol(parts: Mapping[str, Any]) -> None:
    assert {name: part.splits() for name, part in parts.items()} == {
        "1k-A-9k": ("train", "test"),
        "1k-A-7k": ("train", "test"),
        "full": ("train", "val", "test"),
        "1k-B": ("train", "test"),
    }


@pytest.mark.integration
def test_videos_keep_the_order_of_their_list_and_are_found_in_both_folders(
    parts: Mapping[str, Any], slim: Path
) -> None:
    test = parts["1k-A-9k"].load("test", quiet)
    assert ids(test) == TEST_1K
    assert pairs(test)[:2] == [("video7010", "query 0"), ("video7012", "query 1")]
    found = {video.id: video.path for video in parts["full"].load("train", quiet).videos}
    assert found["video0"] == slim / "TrainValVideo" / "video0.mp4"
    found = {video.id: video.path for video in parts["1k-A-9k"].load("train", quiet).videos}
    assert found["video6600"] == slim / "TrainValVideo" / "video6600.mp4"
    assert found["video9999"] == slim / "TestVideo" / "video9999.mp4"
    assert sum(path.is_file() for path in found.values()) == 3


def test_the_test_captions_of_1k_b_are_a_choice_that_is_said(parts: Mapping[str, Any]) -> None:
    found = parts["1k-B"].load("test", quiet)
    assert (len(found.videos), len(found.captions), found.official) == (1000, 2000, PublishedCounts(1000))
    assert found.remarks == ("test: publications differ on the captions of 1k-B; here each of a video's is a query",)


def test_validation_videos_are_held_out_where_asked(slim: Path, tmp_path: Path) -> None:
    part = msrvtt(slim, hold_out=True)
    assert part.splits() == ("train", "val", "test")
    val, train = part.load("val", quiet), part.load("train", quiet)
    assert (len(val.videos), len(val.captions), val.protocol) == (497, 994, "multi-caption")
    assert val.remarks == ("val: held out of training, captions of train_val_videodatainfo.json",)
    assert (len(train.videos), len(train.captions)) == (8503, 17_006)
    assert not set(ids(val)) & set(ids(train))
    assert train.remarks == (
        "train: 8,503 videos, published 9,000",
        "train: 17,006 captions, published 180,000",
        "train: 497 validation videos held out",
    )
    assert msrvtt(slim, protocol="full", hold_out=True).load("val", quiet).official == PublishedCounts(497, 9940)
    shutil.copytree(slim, tmp_path / "copy")
    write_pairs(tmp_path / "copy" / "MSRVTT_val.497.csv", [(f"video{i}", f"one of {i}") for i in FULL["val"]])
    val = msrvtt(tmp_path / "copy", hold_out=True).load("val", quiet)
    assert (len(val.captions), pairs(val)[0], val.protocol) == (497, ("video6513", "one of 6513"), "single-caption")
    assert val.remarks == ("val: held out of training, captions of MSRVTT_val.497.csv",)


@pytest.mark.integration
def test_fewer_captions_of_training_videos_where_asked(slim: Path) -> None:
    part = msrvtt(slim, captions_per_video=1)
    train = part.load("train", quiet)
    assert len(train.captions) == 9000
    assert pairs(train)[0] == ("video0", "caption 0 of 0")
    assert train.remarks[-1] == "train: captions taken of each video, from the first on: 1"
    assert len(part.load("test", quiet).captions) == 1000


def test_a_train_list_that_holds_test_videos_is_refused(slim: Path) -> None:
    miech = slim / "lists" / "train_list_miech.txt"
    with pytest.raises(DatasetError) as caught:
        msrvtt(slim, train_list=str(miech)).load("train", quiet)
    assert str(caught.value) == (
        f"{miech}: 453 of 6,656 train videos are in the test split (video7010, video7012, video7014, ...), so its "
        "numbers would mean nothing; take the list of this protocol, or the protocol of this list "
        "(train_list_miech.txt is of '1k-B')"
    )
    with pytest.raises(DatasetError, match="497 of 7,010 train videos are in the val split"):
        msrvtt(slim, protocol="full", train_list=str(slim / "MSRVTT_train.7k.csv")).load("train", quiet)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Four videos: two to train, one official validation video among them, two to test; captions not there yet."""
    write_list(tmp_path / "MSRVTT_train.9k.csv", ["video0", "video6513"])
    write_pairs(tmp_path / "MSRVTT_JSFUSION_test.csv", [("video7020", "a cake"), ("video7021", "a ball")])
    (tmp_path / "MSRVTT_Videos").mkdir()
    return tmp_path


def test_captions_that_a_listed_video_lacks_are_counted(small: Path) -> None:
    sentences = [{"video_id": "video0", "caption": "a"}, {"video_id": "video6513", "caption": " "}]
    (small / "MSRVTT_data.json").write_text(json.dumps({"videos": [], "sentences": sentences}))
    with pytest.raises(DatasetError, match=r"MSRVTT_data\.json: no captions for 1 of 2 train videos \(video6513\); "):
        msrvtt(small).load("train", quiet)


def test_a_semicolon_copy_is_refused_by_its_separator(small: Path) -> None:
    path = small / "MSRVTT_JSFUSION_test.csv"
    path.write_text(path.read_text().replace(",", ";").rstrip("\n"))
    with pytest.raises(
        DatasetError, match=r"test\.csv: line 1: columns are separated by ';'; save it with ',' instead"
    ):
        msrvtt(small).load("test", quiet)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("MSRVTT_data.json", "[]", "captions in no known form; wanted 'sentences' of"),
        ("MSRVTT_data.json", '{"video0": "a"}', "captions in no known form"),
        ("MSRVTT_data.json", '[{"caption": "a"}]', "entry 0: no video_id or video in"),
        ("MSRVTT_data.json", '["a"]', "entry 0: no video_id or video in 'a'"),
        ("MSRVTT_data.json", '[{"video": "video0.mp4", "caption": 3}]', "entry 0: caption is 3"),
        ("MSRVTT_data.json", '{"sentences": [], "videos": [7]}', "videos[0]: no video_id in"),
        ("MSRVTT_data.json", '{"sentences": [', "not readable as captions"),
        ("MSRVTT_train.9k.csv", "video_id\nvideo0\nvideo0\n", "line 3: video_id 'video0' is empty or repeated"),
        ("MSRVTT_train.9k.csv", "id\nvideo0\n", "line 1: no column 'video_id' among 'id'"),
        ("MSRVTT_JSFUSION_test.csv", "video_id,sentence\nvideo0, \n", "line 2: video_id or sentence is empty"),
        ("MSRVTT_JSFUSION_test.csv", "video_id\nvideo0\n", "line 1: no column 'sentence' among 'video_id'"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(small: Path, name: str, content: str, words: str) -> None:
    (small / "MSRVTT_data.json").write_text('{"video0": ["a"], "video6513": ["b"]}')
    (small / name).write_text(content)
    with pytest.raises(DatasetError) as caught:
        msrvtt(small).load("test" if "test" in name else "train", quiet)
    assert str(caught.value).startswith(f"{small / name}: {words}")


def test_what_is_absent_is_named_with_where_to_get_it(small: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"MSRVTT_data\.json: absent, and so are .*msrvtt_train_9k\.json; put there"
    ):
        msrvtt(small).load("train", quiet)
    with pytest.raises(DatasetError, match=r"train_list_miech\.txt: absent, .*albanie/collaborative-experts"):
        msrvtt(small, protocol="1k-B").load("train", quiet)
    (small / "MSRVTT_Videos").rmdir()
    with pytest.raises(DatasetError, match=r"videos: absent, and so are MSRVTT_Videos, .*MSRVTT\.zip"):
        msrvtt(small).load("test", quiet)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_sources_name_what_is_read(slim: Path, protocol: str) -> None:
    part: Any = msrvtt(slim, protocol=protocol, hold_out=True)
    assert part.root == slim
    # The original release tells the official splits itself.
    absent = {source.path for source in part.sources() if not locate_source(slim, source)}
    assert absent <= {"train_list_full.txt", "val_list_full.txt", "test_list_full.txt"}
    assert {split for source in part.sources() for split in source.splits} == set(part.splits())


def test_files_of_the_hub_are_enough(small: Path) -> None:
    (small / "MSRVTT_train.9k.csv").unlink()
    (small / "MSRVTT_JSFUSION_test.csv").unlink()
    train = [{"video": "video0.mp4", "video_id": "video0", "caption": ["a", "b"]}]
    (small / "msrvtt_train_9k.json").write_text(json.dumps(train))
    test = [{"video": "video7021.mp4", "caption": "a ball"}, {"video": "video7020.mp4", "caption": "a cake"}]
    (small / "msrvtt_test_1k.json").write_text(json.dumps(test))
    assert pairs(msrvtt(small).load("train", quiet)) == [("video0", "a"), ("video0", "b")]
    assert pairs(msrvtt(small).load("test", quiet)) == [("video7021", "a ball"), ("video7020", "a cake")]


Captions = Mapping[str, list[str]]
FORMS: dict[str, Callable[[Captions], tuple[str, Any]]] = {
    "sentences": lambda captions: (
        "MSRVTT_data.json",
        {"sentences": [{"video_id": n, "caption": t, "sen_id": 1} for n, ts in captions.items() for t in ts]},
    ),
    "annotations": lambda captions: (
        "MSR_VTT.json",
        {"annotations": [{"image_id": n, "caption": t} for n, ts in captions.items() for t in ts], "images": []},
    ),
    "hub": lambda captions: ("hub.json", [{"video": f"{n}.mp4", "caption": ts} for n, ts in captions.items()]),
    "hub, one a caption": lambda captions: (
        "hub.json",
        [{"video_id": n, "caption": t} for n, ts in captions.items() for t in ts],
    ),
    "map": lambda captions: ("map.json", captions),
    "words": lambda captions: ("map.json", {n: [t.split(" ") for t in ts] for n, ts in captions.items()}),
    "pickle": lambda captions: ("raw.pkl", {n: [t.split(" ") for t in ts] for n, ts in captions.items()}),
}
WORD = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=6)
SENTENCE = st.lists(WORD, min_size=1, max_size=4).map(" ".join)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=25)
@given(captions=st.fixed_dictionaries({f"video{i}": st.lists(SENTENCE, min_size=1, max_size=3) for i in (7, 3)}))
def test_every_form_of_the_captions_gives_the_same_split(form: str, captions: dict[str, list[str]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "videos").mkdir()
        write_list(folder / "MSRVTT_train.9k.csv", captions)
        file, content = FORMS[form](captions)
        data = pickle.dumps(content) if file.endswith("pkl") else json.dumps(content).encode()
        (folder / file).write_bytes(data)
        found = msrvtt(folder, captions=str(folder / file)).load("train", quiet)
        assert pairs(found) == [(video, text) for video, texts in captions.items() for text in texts]


def real(data_dir: Path, videos: Path, **options: Any) -> Dataset:
    folder = data_dir / "annotations" / "msrvtt"
    return msrvtt(folder, **{"videos": str(videos), "captions": str(folder / "MSRVTT_data.part.json"), **options})


def test_the_real_test_set_of_1k_a(data_dir: Path, tmp_path: Path) -> None:
    found = real(data_dir, tmp_path).load("test", quiet)
    assert (len(found.videos), len(found.captions), found.remarks, found.protocol) == (
        1000,
        1000,
        (),
        "single-caption",
    )
    assert len({caption.text for caption in found.captions}) == 995
    assert {len(caption.text.split()) for caption in found.captions} >= {3, 30}
    shutil.copy(
        data_dir / "annotations" / "msrvtt" / "MSRVTT_JSFUSION_test.semicolon.csv",
        tmp_path / "MSRVTT_JSFUSION_test.csv",
    )
    with pytest.raises(DatasetError, match=r"columns are separated by ';'"):
        msrvtt(tmp_path, videos=str(tmp_path)).load("test", quiet)


def test_the_real_captions_tell_the_val_split(data_dir: Path, tmp_path: Path) -> None:
    full = real(data_dir, tmp_path, protocol="full")
    val = full.load("val", quiet)
    assert (len(val.videos), len(val.captions), val.remarks) == (497, 9940, ())
    with pytest.raises(DatasetError, match=r"no captions for 6,513 of 6,513 train videos \(video0, "):
        full.load("train", quiet)
    with pytest.raises(DatasetError, match=r"no captions for 1,990 of 2,990 test videos"):
        full.load("test", quiet)
    held = real(data_dir, tmp_path, hold_out=True).load("val", quiet)
    assert (len(held.videos), len(held.captions), held.protocol) == (497, 497, "single-caption")


@pytest.mark.integration
def test_the_real_lists_have_their_counts_and_miech_meets_the_test_set(data_dir: Path, tmp_path: Path) -> None:
    lists = data_dir / "annotations" / "msrvtt" / "lists"
    few = real(data_dir, tmp_path, train_list=str(lists / "val_list_full.txt")).load("train", quiet)
    assert (len(few.videos), len(few.captions)) == (497, 9940)
    for protocol, words in (
        ("1k-A-9k", "8,503 of 9,000"),
        ("1k-A-7k", "6,513 of 7,010"),
        ("1k-B", "5,843 of 6,656"),
    ):
        with pytest.raises(DatasetError, match=f"no captions for {words} train videos"):
            real(data_dir, tmp_path, protocol=protocol).load("train", quiet)
    with pytest.raises(DatasetError, match=r"453 of 6,656 train videos are in the test split \(video7020, "):
        real(data_dir, tmp_path, train_list=str(lists / "train_list_miech.txt")).load("train", quiet)


def test_an_absent_folder_is_said_once_for_all_splits(tmp_path: Path) -> None:
    part = msrvtt(tmp_path / "nowhere")
    said = []
    for split in part.splits():
        with pytest.raises(
            DatasetError, match="nowhere: msrvtt is absent; `fdakit data prepare msrvtt --root "
        ) as caught:
            part.load(split, quiet)
        said.append(str(caught.value))
    assert len(set(said)) == 1
