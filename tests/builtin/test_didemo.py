"""`didemo` in its three forms, made here and real."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fdakit import DatasetError
from fdakit.builtin.datasets._didemo_annotations import read_sentences, sentences_of_all
from fdakit.builtin.datasets.didemo import COUNTS, DIDEMO
from fdakit.builtin.readers.pyav import PYAV
from fdakit.plugin import Dataset, Needs, Split, VideoRef
from fdakit.testing.building import build_part
from fdakit.testing.reading import check_dataset

TOLD = {
    "1@N01_a.mov": ["first  sentence. ", "then\nanother"],
    "1@N01_b.": ["the name ends in a bare dot"],
    "2@N02_c.3g2": ["an ending of old telephones"],
    "2@N02_d.avi": ["not on the list"],
}
LISTED = list(TOLD)[:3]
COLUMNS = ("success", "video_path", "starts", "ends", "text", "formatted_data")


def quiet(what: str, done: int, total: int) -> None:
    """No progress."""


def didemo(root: Path, **options: Any) -> Dataset:
    part: Dataset = build_part(DIDEMO, root=str(root), **options)
    return part


def load(root: Path, split: str = "test", **options: Any) -> Split:
    return didemo(root, **options).load(split, quiet)


def write_json(path: Path, told: Mapping[str, Sequence[str]]) -> None:
    """As published, with the sentences of all videos in turns."""
    longest = max(map(len, told.values()))
    rows = [(name, told[name][i]) for i in range(longest) for name in told if i < len(told[name])]
    entries = [
        {"num_segments": 6, "description": text, "dl_link": "", "times": [[0, 0]], "video": name, "annotation_id": i}
        for i, (name, text) in enumerate(rows)
    ]
    path.write_text(json.dumps(entries))


def write_ret_json(path: Path, told: Mapping[str, Sequence[str]]) -> None:
    path.write_text(json.dumps([{"video": name, "caption": list(texts)} for name, texts in told.items()]))


def write_label_csv(path: Path, told: Mapping[str, Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for i, (name, texts) in enumerate(told.items()):
            where = f"/data/all_videos/{name}"
            table.writerow([True, where, "tensor([[0]])", "tensor([[31]])", " ".join(texts), f"test_id_{i}.pth"])


FORMS = {
    "test_data.json": write_json,
    "didemo_ret_test.json": write_ret_json,
    "didemo_test_label.csv": write_label_csv,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """DiDeMo's layout with four videos, of which the list names three."""
    write_json(tmp_path / "test_data.json", TOLD)
    (tmp_path / "test_list.txt").write_text("\n".join(LISTED))
    (tmp_path / "videos").mkdir()
    return tmp_path


def test_the_sentences_of_a_listed_video_are_one_caption(root: Path) -> None:
    found = load(root)
    assert [(caption.video_id, caption.text) for caption in found.captions] == [
        ("1@N01_a", "first sentence. then another"),
        ("1@N01_b", "the name ends in a bare dot"),
        ("2@N02_c", "an ending of old telephones"),
    ]
    assert [video.id for video in found.videos] == ["1@N01_a", "1@N01_b", "2@N02_c"]
    assert found.protocol == "paragraph"
    assert found.remarks == ("test: 3 videos, published 1,004", "test: 3 captions, published 1,004")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_split(root: Path, form: str) -> None:
    wanted = load(root)
    (root / "test_data.json").unlink()
    FORMS[form](root / form, TOLD)
    assert load(root) == wanted


@pytest.mark.integration
@given(st.dictionaries(st.text("abc1@", min_size=1), st.lists(st.text("xy .,\"'\n\r\té;"), min_size=1), min_size=1))
def test_law_forms_hold_the_same_words(tmp_path_factory: pytest.TempPathFactory, told: dict[str, list[str]]) -> None:
    named = {f"{name}.mov": texts for name, texts in told.items()}
    folder = tmp_path_factory.mktemp("forms")
    words = []
    for form, write in FORMS.items():
        write(folder / form, named)
        found = sentences_of_all(read_sentences(folder / form))
        words.append({name: " ".join(sentences).split() for name, sentences in found.items()})
    assert words[0] == words[1] == words[2] == {name: " ".join(texts).split() for name, texts in told.items()}


def test_a_video_is_found_converted_or_under_the_name_that_is_listed(root: Path) -> None:
    for name in ("1@N01_a.mp4", "deeper/1@N01_b.webm", "2@N02_c.3g2"):
        (root / "videos" / name).parent.mkdir(exist_ok=True)
        (root / "videos" / name).write_bytes(b"")
    found = load(root)
    assert [video.path for video in found.videos] == [
        root / "videos" / name for name in ("1@N01_a.mp4", "deeper/1@N01_b.webm", "2@N02_c.3g2")
    ]
    (root / "videos" / "deeper" / "1@N01_b.webm").rename(root / "videos" / "1@N01_b.")
    assert load(root).videos[1].path == root / "videos" / "1@N01_b."
    (root / "videos" / "1@N01_a.mov").write_bytes(b"")
    assert load(root).videos[0].path == root / "videos" / "1@N01_a.mov"


def test_an_absent_video_is_expected_as_mp4(root: Path) -> None:
    assert [video.path.name for video in load(root).videos] == ["1@N01_a.mp4", "1@N01_b.mp4", "2@N02_c.mp4"]


def test_only_the_start_of_a_video_is_watched(root: Path, clips: Path) -> None:
    whole, start = load(root, seconds=0).videos[0], load(root).videos[0]
    assert (whole.start, whole.end) == (None, None)
    assert (start.start, start.end) == (0.0, 30.0)
    reader = build_part(PYAV)
    long, brief = (VideoRef("x", clips / "pink-down.mp4", 0.0, end) for end in (30.0, 1.0))
    everything = reader.times(VideoRef("x", long.path))
    assert len(everything) == 40  # five seconds: an end beyond the video's is no fault
    assert np.array_equal(reader.times(long), everything)
    assert np.array_equal(reader.times(brief), everything[everything < 1])
    frames = reader.read(long, np.array([0, 39]), Needs(), None).frames
    assert np.array_equal(frames, reader.read(VideoRef("x", long.path), np.array([0, 39]), Needs(), None).frames)


def test_without_a_list_all_videos_count_and_it_is_said(root: Path) -> None:
    (root / "test_list.txt").unlink()
    found = load(root)
    assert len(found.videos) == 4
    assert found.remarks[0] == f"test: no test_list.txt in {root}, so all videos of test_data.json count"


def test_of_a_video_under_two_names_the_listed_one_speaks(root: Path) -> None:
    write_json(root / "test_data.json", {**TOLD, "1@N01_a.mp4": ["told again"]})
    assert load(root).captions[0].text == "first sentence. then another"
    (root / "test_list.txt").unlink()
    found = load(root)
    assert found.captions[0].text == "first sentence. then another told again"
    assert len(found.videos) == 4
    assert found.remarks[0].endswith("count; 1 of them under two names have the sentences of both")


def test_listed_videos_without_sentences_are_left_out_and_named(root: Path) -> None:
    (root / "test_list.txt").write_text("\n".join([*LISTED, "9@N09_x.mp4", "9@N09_y."]))
    found = load(root)
    assert len(found.videos) == len(found.captions) == 3
    assert found.remarks[0] == (
        "test: 2 videos of test_list.txt without sentences in test_data.json, left out: 9@N09_x, 9@N09_y"
    )


def test_a_list_of_another_split_is_refused(root: Path) -> None:
    (root / "test_list.txt").write_text("9@N09_x.mp4\n")
    with pytest.raises(DatasetError, match=r"sentences for none of the 1 videos of test_list\.txt, such as 9@N09_x"):
        load(root)


def test_a_list_that_names_a_video_twice_is_refused(root: Path) -> None:
    (root / "test_list.txt").write_text("1@N01_a.mov\n1@N01_a.mp4\n")
    with pytest.raises(DatasetError, match=r"differ only in their suffixes: 1@N01_a\.mov; keep one"):
        load(root)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("test_data.json", "{}", "found '{}'; wanted a list of objects"),
        ("test_data.json", '[{"video": "a.mov", "text": "x"}]', "entry 1: found .* wanted an object with video and"),
        ("test_data.json", '[{"video": "a.mov", "description": "x"}, 7]', "entry 2: found '7'"),
        ("test_data.json", "[", "not readable as sentences"),
        ("didemo_test_label.csv", "success;video_path;text\nTrue;a.mov;x\n", "separated by ';'"),
        (
            "didemo_test_label.csv",
            'success;video_path;text\nTrue;a.mov;"x";y\n',
            "line 1: columns are separated by ';'",
        ),
        ("didemo_test_label.csv", 'a,b\n"x;y', "line 2: not readable as a table"),
        ("didemo_test_label.csv", "success,video,text\nTrue,a.mov,x\n", "no column 'video_path' among .*'video'"),
        ("didemo_test_label.csv", "video_path,text\nall_videos/,x\n", "line 2: video_path names no file"),
    ],
)
def test_what_is_no_annotation_file_is_refused(root: Path, name: str, content: str, said: str) -> None:
    (root / "test_data.json").unlink()
    (root / name).write_text(content)
    with pytest.raises(DatasetError, match=said):
        load(root)


def test_what_is_absent_is_named_with_where_to_get_it(root: Path) -> None:
    (root / "videos").rmdir()
    with pytest.raises(DatasetError, match=r"videos: absent.*github\.com/LisaAnne/LocalizingMoments"):
        load(root)
    with pytest.raises(DatasetError, match=r"val_data\.json: absent.*didemo_ret_val\.json, didemo_val_label\.csv"):
        load(root, "val")
    with pytest.raises(DatasetError, match="no split 'valid'; choose one of train, val, test"):
        load(root, "valid")


@pytest.mark.integration
def test_the_train_split_of_official_size_loads(tmp_path: Path) -> None:
    endings = ("mov", "avi", "mp4", "mpg", "3gp", "wmv", "m4v", "", "3g2", "mts")
    names = [f"{i}@N0{i % 10}_{i * 7919:010d}_{i:010x}.{endings[i % 10]}" for i in range(8395)]
    told = {name: [f"sentence {k} of {name}" for k in range(4 if i < 7820 else 3)] for i, name in enumerate(names)}
    assert sum(map(len, told.values())) == 33_005
    write_json(tmp_path / "train_data.json", told)
    (tmp_path / "train_list.txt").write_text("\n".join(names[:8392]))
    found = load(tmp_path, "train", videos=str(tmp_path))
    assert (len(found.videos), len(found.captions), found.remarks) == (8392, 8392, ())
    assert found.captions[0].text == " ".join(told[names[0]])
    assert found.official is not None and found.official.videos == COUNTS["train"]


@pytest.fixture(scope="module")
def real(data_dir: Path) -> Path:
    return data_dir / "annotations" / "didemo"


@pytest.mark.parametrize("split", ["val", "test"])
def test_the_real_files_load_with_their_counts(real: Path, tmp_path: Path, split: str) -> None:
    found = load(real, split, videos=str(tmp_path))
    assert (len(found.videos), len(found.captions), found.remarks) == (COUNTS[split], COUNTS[split], ())
    bare = {"val": 12, "test": 27}[split]
    listed = (real / f"{split}_list.txt").read_text().split()
    assert sum(name.endswith(".") for name in listed) == bare
    assert {video.id for video in found.videos} == {name.rpartition(".")[0] for name in listed}
    told = read_sentences(real / f"{split}_data.json")
    raw = {"val": (1094, 4180), "test": (1037, 4021)}[split]
    assert (len(told), sum(map(len, told.values()))) == raw
    assert len(sentences_of_all(told)) == COUNTS[split]  # what exceeds the list are second names of listed videos
    # The table of paragraphs, with line breaks inside quotes, says the same.
    table = sentences_of_all(read_sentences(real / f"didemo_{split}_label.csv"))
    assert sum("\n" in sentences[0] for sentences in table.values()) == {"val": 8, "test": 7}[split]
    texts = {caption.video_id: caption.text for caption in found.captions}
    assert {name: " ".join(sentences[0].split()) for name, sentences in table.items()} == texts


def test_the_real_train_list_wants_its_sentences(real: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"train_data\.json: absent.*LocalizingMoments, folder data"):
        load(real, "train", videos=str(tmp_path))


def test_known_files_bear_their_digests(real: Path) -> None:
    from hashlib import sha256

    sources = [source for source in build_part(DIDEMO, root=str(real)).sources() if source.sha256]
    assert len(sources) == 5
    for source in sources:
        assert sha256((real / source.path).read_bytes()).hexdigest() in source.sha256


def test_it_keeps_the_laws_of_a_data_set(root: Path) -> None:
    for split in ("train", "val"):
        write_json(root / f"{split}_data.json", {f"{split}.mov": ["one", "two"]})
    check_dataset(DIDEMO, root=str(root))
