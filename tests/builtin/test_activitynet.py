"""`activitynet` in its forms, made here and real."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from fdakit import DatasetError
from fdakit.builtin.datasets._activitynet_annotations import read_ids, read_sentences
from fdakit.builtin.datasets.activitynet import ACTIVITYNET, COUNTS
from fdakit.plugin import Dataset, Split
from fdakit.testing.building import build_part
from fdakit.testing.reading import check_dataset

DOGS, CATS, ODD = "v_dogs-3xxQ_8", "v_cats4xxQ-90", "v_v_xUmAH95xl"  # the last id itself begins with v_
TOLD = {DOGS: ["A dog runs.", " It sits  down.\n"], CATS: ["  A cat sleeps."], ODD: ["Nothing", "moves"]}


def quiet(what: str, done: int, total: int) -> None:
    """No progress."""


def activitynet(root: Path, **options: Any) -> Dataset:
    part: Dataset = build_part(ACTIVITYNET, root=str(root), **options)
    return part


def load(root: Path, split: str = "test", **options: Any) -> Split:
    return activitynet(root, **options).load(split, quiet)


def write_json(path: Path, told: Mapping[str, Sequence[str]]) -> None:
    """As published."""
    stamps = {name: [[0.0, 1.5]] * len(texts) for name, texts in told.items()}
    entries = {n: {"duration": 9.5, "timestamps": stamps[n], "sentences": list(t)} for n, t in told.items()}
    path.write_text(json.dumps(entries))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """ActivityNet's layout with three test videos and twenty to train, and no lists."""
    write_json(tmp_path / "val_1.json", TOLD)
    write_json(tmp_path / "train.json", {f"v_train{i:06d}": [f"video {i}"] for i in range(20)})
    (tmp_path / "videos").mkdir()
    return tmp_path


def test_the_sentences_of_a_video_are_one_caption(root: Path) -> None:
    assert activitynet(root).splits() == ("train", "test")
    found = load(root)
    assert [(caption.video_id, caption.text) for caption in found.captions] == [
        (DOGS, "A dog runs. It sits down."),
        (CATS, "A cat sleeps."),
        (ODD, "Nothing moves"),
    ]
    assert [video.id for video in found.videos] == [DOGS, CATS, ODD]
    assert {(video.start, video.end) for video in found.videos} == {(None, None)}
    assert found.protocol == "paragraph"
    assert found.remarks == ("test: 3 videos, published 4,917", "test: 3 captions, published 4,917")


@pytest.mark.parametrize("form", ["no v_", "ret json", "ret json of strings"])
def test_every_form_gives_the_same_split(root: Path, form: str) -> None:
    wanted = load(root)
    (root / "val_1.json").unlink()
    if form == "no v_":
        write_json(root / "val_1.json", {name[2:]: texts for name, texts in TOLD.items()})
    else:
        told = {n: t if form == "ret json" else " ".join(t) for n, t in TOLD.items()}
        entries = [{"video": f"{n}.mp4", "caption": t, "duration": 1.5} for n, t in told.items()]
        (root / "anet_ret_val_1.json").write_text(json.dumps(entries))
    assert load(root) == wanted


def test_a_video_is_found_with_and_without_v(root: Path) -> None:
    videos = root / "videos"
    for name in (f"{DOGS}.mkv", f"{CATS[2:]}.webm", f"{ODD[2:]}.mp4"):
        (videos / name).write_bytes(b"")
    assert [video.path.name for video in load(root).videos] == [f"{DOGS}.mkv", f"{CATS[2:]}.webm", f"{ODD[2:]}.mp4"]
    for path in list(videos.iterdir()):
        path.unlink()
    assert [video.path for video in load(root).videos] == [videos / f"{name}.mp4" for name in TOLD]


@given(st.lists(st.text("v_a-", min_size=11, max_size=11), min_size=1, unique=True), st.data())
def test_law_an_id_is_the_same_with_and_without_v(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("ids")
    written = [data.draw(st.sampled_from([name, f"v_{name}"])) for name in names]
    (folder / "ids.json").write_text(json.dumps(written))
    (folder / "ids.txt").write_text("\n".join(written))
    write_json(folder / "told.json", {name: ["x"] for name in written})
    wanted = tuple(f"v_{name}" for name in names)
    assert read_ids(folder / "ids.json") == read_ids(folder / "ids.txt") == wanted
    assert tuple(read_sentences(folder / "told.json")) == wanted


def test_a_list_is_compared_and_decides_only_where_asked(root: Path) -> None:
    (root / "val_ids.json").write_text(json.dumps([DOGS, ODD[2:], "v_without0001"]))
    without = "test: 1 video of val_ids.json without sentences in val_1.json, left out: v_without0001"
    found = load(root)
    assert [video.id for video in found.videos] == [DOGS, CATS, ODD]
    assert found.remarks[:2] == (without, f"test: 1 video of val_1.json not in val_ids.json, counted: {CATS}")
    found = load(root, ids="listed")
    assert [video.id for video in found.videos] == [DOGS, ODD]
    assert found.remarks[:2] == (without, f"test: 1 video of val_1.json not in val_ids.json, left out: {CATS}")
    with pytest.raises(DatasetError, match=r"train_ids\.json: absent"):
        load(root, "train", ids="listed")


def test_there_is_no_val_unless_some_are_held_out_of_train(root: Path) -> None:
    with pytest.raises(DatasetError, match="no split 'val'; choose one of train, test, val_2"):
        load(root, "val")
    part = activitynet(root, hold_out=0.25)
    assert part.splits() == ("train", "val", "test")
    train, val = part.load("train", quiet), part.load("val", quiet)
    ids = {video.id for video in load(root, "train").videos}
    kept, held = ({video.id for video in split.videos} for split in (train, val))
    assert (len(kept), len(held), kept | held) == (15, 5, ids)
    assert "val: 5 of 20 train videos are held out as val" in val.remarks
    assert "train: 5 of 20 train videos are held out as val" in train.remarks
    assert {video.id for video in load(root, "val", hold_out=0.1).videos} < held
    assert [len(load(root, "val", hold_out=share).videos) for share in (0.001, 0.999)] == [1, 19]


def test_val_2_is_offered_where_its_file_is(root: Path) -> None:
    with pytest.raises(DatasetError, match=r"val_2\.json: absent.*densevid"):
        load(root, "val_2")
    write_json(root / "val_2.json", {CATS: ["A cat dreams."]})
    assert activitynet(root).splits() == ("train", "test", "val_2")
    assert load(root, "val_2").captions[0].text == "A cat dreams."


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("val_1.json", "7", r"val_1\.json: found '7'; wanted a map"),
        (
            "val_1.json",
            '{"v_dogs": {"sentences": "x", "timestamps": 1}, "v_cats": 3}',
            "v_cats: found '3'; wanted an",
        ),
        ("val_1.json", '{"v_dogs-3xxQ_8": {"sentences": ["x", 5]}}', "v_dogs-3xxQ_8: found .* a list of text"),
        ("val_1.json", '[{"caption": ["x"]}]', "an entry: found"),
        ("val_1.json", '{"v_a": {"sentences": []}, "v_a": {"sentences": []}}', "'v_a' is twice"),
        (
            "val_1.json",
            '{"dogs-3xxQ_8": {"sentences": ["x"]}, "v_dogs-3xxQ_8": {"sentences": ["y"]}}',
            "v_dogs-3xxQ_8: the video is repeated",
        ),
        ("val_1.json", '{"v_a": {"sentences": [" "]}}', "sentences for none of the 1 videos"),
        ("val_ids.json", "{}", r"val_ids\.json: found '\{\}'; wanted a list of ids"),
        ("val_ids.json", '["dogs-3xxQ_8", "v_dogs-3xxQ_8"]', "ids appear twice: v_dogs-3xxQ_8"),
        ("val_ids.json", '["v_train000001"]', r"none of the 1 videos of val_ids\.json, such as v_train000001"),
    ],
)
def test_what_is_no_annotation_file_is_refused(root: Path, name: str, content: str, said: str) -> None:
    (root / name).write_text(content)
    with pytest.raises(DatasetError, match=said):
        load(root)


def test_what_is_absent_is_named_with_where_to_get_it(root: Path) -> None:
    (root / "videos").rmdir()
    with pytest.raises(DatasetError, match=r"videos: absent.*activity-net\.org"):
        load(root)
    (root / "val_1.json").unlink()
    with pytest.raises(DatasetError, match=r"val_1\.json: absent.*anet_ret_val_1\.json.*captions\.zip"):
        load(root)


@pytest.fixture(scope="module")
def real(data_dir: Path) -> Path:
    return data_dir / "annotations" / "activitynet"


@pytest.mark.integration
@pytest.mark.parametrize(
    ("split", "sentences", "longest", "remarks"),
    [
        ("train", 37_421, 504, ["train: 15 videos of train_ids.json without sentences in train.json, left out: v_"]),
        (
            "test",
            17_505,
            332,
            [
                "test: 9 videos of val_ids.json without sentences in val_1.json, left out: v_",
                "test: 1 video of val_1.json not in val_ids.json, counted: v_0dkIbKXXFzI",
            ],
        ),
    ],
)
def test_the_real_files_load_with_their_counts(
    real: Path, tmp_path: Path, split: str, sentences: int, longest: int, remarks: list[str]
) -> None:
    found = load(real, split, videos=str(tmp_path))
    assert len(found.videos) == len(found.captions) == COUNTS[split]
    assert max(len(caption.text.split()) for caption in found.captions) == longest
    assert len(found.remarks) == len(remarks)
    assert all(said.startswith(wanted) for said, wanted in zip(found.remarks, remarks, strict=True))
    assert all(len(video.id) == 13 and video.id.startswith("v_") for video in found.videos)
    told = read_sentences(real / {"train": "train.json", "test": "val_1.json"}[split])
    assert sum(map(len, told.values())) == sentences


def test_the_real_lists_select_where_asked(real: Path, tmp_path: Path) -> None:
    found = load(real, "test", videos=str(tmp_path), ids="listed")
    assert len(found.videos) == 4916
    assert found.remarks[-2:] == ("test: 4,916 videos, published 4,917", "test: 4,916 captions, published 4,917")
    counts = {"train_ids.json": 10_024, "val_ids.json": 4925, "train_list.txt": 10_009, "val_1_list.txt": 4916}
    assert {name: len(read_ids(real / name)) for name in counts} == counts
    assert set(read_ids(real / "val_1_list.txt")) == {video.id for video in found.videos}


def test_val_2_of_official_size_loads(real: Path, tmp_path: Path) -> None:
    ids = read_ids(real / "val_2_list.txt")
    (tmp_path / "val_2_list.txt").write_bytes((real / "val_2_list.txt").read_bytes())
    write_json(tmp_path / "val_2.json", {name: ["One thing. ", f" Then {name}."] for name in ids})
    found = load(tmp_path, "val_2", videos=str(tmp_path))
    assert (len(found.videos), found.remarks) == (4885, ())
    assert found.captions[-1].text == f"One thing. Then {ids[-1]}."


def test_known_files_bear_their_digests(real: Path) -> None:
    sources = [source for source in build_part(ACTIVITYNET).sources() if source.sha256]
    assert len(sources) == 5
    for source in sources:
        there = [real / name for name in (source.path, *source.others) if (real / name).is_file()]
        assert sorted(sha256(path.read_bytes()).hexdigest() for path in there) == sorted(source.sha256)


def test_it_keeps_the_laws_of_a_data_set(root: Path) -> None:
    write_json(root / "val_2.json", {CATS: ["A cat dreams."]})
    check_dataset(ACTIVITYNET, root=str(root), hold_out=0.2)
