"""Id lists, caption maps and JSON; damage is told in words and no file's code is run."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from fdakit import DatasetError
from fdakit.dataset_files import read_caption_map, read_id_list, read_json, require_captions


def put(path: Path, content: Any) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "text", ["a\nb c\nd", "a\nb c\nd\n", "\n a \r\n\r\nb c\r\nd\r\n\n", b"\xef\xbb\xbfa\nb c\nd\n"]
)
def test_an_id_list_is_a_line_an_id(tmp_path: Path, text: Any) -> None:
    assert read_id_list(put(tmp_path / "ids.txt", text)) == ("a", "b c", "d")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no ids"),
        (b"\n \n", "holds no ids"),
        (b"a\nb\na\nc\nb\n", "ids appear twice: a, b"),
        (b"\xff\xfe\x00a", "line 1: not UTF-8"),
    ],
)
def test_what_is_wrong_with_an_id_list_is_said(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(DatasetError, match=rf"ids\.txt: {words}"):
        read_id_list(put(tmp_path / "ids.txt", content))


def test_an_absent_file_is_named_with_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for read in (read_id_list, read_caption_map):
        for name in ("gone.json", "gone.pkl"):
            with pytest.raises(DatasetError, match=f"{tmp_path}/{name}: cannot be read"):
                read(Path(name))


CAPTIONS = {"v1": ["a dog runs", "ein Hund läuft"], "v2": ["a cat"]}
WORDS = {"v1": [["a", "dog", "runs"], ["ein", "Hund", "läuft"]], "v2": [["a", "cat"]]}
READ = {"v1": ("a dog runs", "ein Hund läuft"), "v2": ("a cat",)}


@pytest.mark.parametrize("content", [CAPTIONS, WORDS, {"v1": tuple(map(tuple, WORDS["v1"])), "v2": [("a", "cat")]}])
@pytest.mark.parametrize("form", ["json", 0, 2, 5])
def test_captions_are_read_from_json_and_every_age_of_pickle(tmp_path: Path, content: Any, form: Any) -> None:
    if form == "json":
        path = put(tmp_path / "captions.json", json.dumps(content))
    else:
        path = put(tmp_path / "captions.pkl", pickle.dumps(content, protocol=form))
    assert read_caption_map(path) == READ


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "holds list; wanted a map"),
        ({}, "holds dict; wanted a map"),
        ({"v1": ["fine", 3]}, "v1: found 3; wanted a sentence"),
        ({"v1": [["a", 3]]}, r"v1: found \['a', 3\]; wanted a sentence"),
        ({"v1": "a dog runs"}, "v1: found 'a dog runs'; wanted a list of captions"),
        ({"v1": None}, "v1: found None; wanted a list of captions"),
        ({"v1": {"a dog": 1}}, "v1: found .*; wanted a list of captions"),
        ({"v1": "x" * 99}, r"v1: found '(?=.{58}';)x+\.\.\.x+'; wanted a list of captions"),  # 60 with its quotes
    ],
)
def test_what_is_no_caption_map_is_refused(tmp_path: Path, content: Any, words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        read_caption_map(put(tmp_path / "c.json", json.dumps(content)))
    with pytest.raises(DatasetError, match=words):
        read_caption_map(put(tmp_path / "c.pkl", pickle.dumps(content)))


class Mischief:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(6))
def test_code_in_captions_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    content = pickle.dumps({"v1": Mischief(tmp_path / "made")}, protocol=protocol)
    with pytest.raises(DatasetError, match=r"it asks to run \w+\.mkdir, and fdakit runs no code from files"):
        read_caption_map(put(tmp_path / "c.pkl", content))
    assert not (tmp_path / "made").exists()


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_caption_file_is_read_or_refused_in_words(tmp_path: Path, data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["json", 0, 2, 4]))
    whole = json.dumps(WORDS).encode() if form == "json" else pickle.dumps(WORDS, protocol=form)
    damaged = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=3)):
        damaged[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(whole)))
    path = put(tmp_path / ("c.json" if form == "json" else "c.pkl"), bytes(damaged[:end]))
    try:
        assert all(isinstance(caption, str) for group in read_caption_map(path).values() for caption in group)
    except DatasetError as error:
        assert str(path) in str(error)


def test_json_is_read_with_or_without_a_mark(tmp_path: Path) -> None:
    for content in (b'{"a": [1]}', b'\xef\xbb\xbf{"a": [1]}\r\n'):
        assert read_json(put(tmp_path / "x.json", content), "labels") == {"a": [1]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not readable as labels .*; put the labels there, or fetch it again"),
        (b"[1,", "not readable as labels"),
        (b"[" * 100_000, "not readable as labels"),
        (b"\xff\xfe[", "line 1: not UTF-8; save the labels as UTF-8"),
        (b'[{"a": 1, "b": 2, "b": 3}]', "not readable as labels .'b' is twice in one object"),
    ],
)
def test_what_is_wrong_with_a_json_file_is_said(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(DatasetError, match=rf"x\.json: {words}"):
        read_json(put(tmp_path / "x.json", content), "labels")


def test_a_video_whose_captions_stand_twice_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="'v1' is twice"):
        read_caption_map(put(tmp_path / "c.json", '{"v1": ["a"], "v2": ["b"], "v1": ["c"]}'))


def test_videos_without_captions_are_counted_and_the_first_named(tmp_path: Path) -> None:
    call = partial(require_captions, {"a": ["x"], "b": []}, split="test", path=tmp_path / "c.json", remedy="get more")
    call(["a"])
    with pytest.raises(DatasetError, match=r"c\.json: no captions for 1 of 2 test videos \(b\); get more"):
        call(["a", "b"])
    with pytest.raises(
        DatasetError, match=r"for 5 of 5 test videos \(b, c, d, \.\.\.\), only for others \(a, b\); get"
    ):
        call(["b", "c", "d", "e", "f"])


def laughs(levels: int, width: int = 10) -> bytes:
    """A pickle of some hundred bytes: a list that holds one list ten times, which holds one ten times, and so on."""
    inner = b"]" + b"q\x00"
    for level in range(levels):
        inner += b"0" + b"](" + b"h" + bytes([level]) + (b"h" + bytes([level])) * (width - 1) + b"e"
        inner += b"q" + bytes([level + 1])
    return inner


@pytest.mark.parametrize("place", ["value", "caption", "key"])
def test_a_tiny_file_makes_no_endless_error(tmp_path: Path, place: str) -> None:
    bomb = laughs(30)
    content = {
        "value": b"\x80\x02" + bomb + b"0}X\x01\x00\x00\x00v](h\x1eh\x1ees.",
        "caption": b"\x80\x02" + bomb + b"0}X\x01\x00\x00\x00v](](h\x1eees.",
        "key": b"\x80\x02}K\x01K\x02\x86K\x03s.",
    }[place]
    with pytest.raises(DatasetError) as caught:
        read_caption_map(put(tmp_path / "c.pkl", content))
    assert len(str(caught.value)) < 500 + len(str(tmp_path))


@pytest.mark.parametrize("word", ["word {}", ""])
def test_captions_that_swell_are_refused(tmp_path: Path, word: str) -> None:
    words = [word.format(number) for number in range(3000)]
    content = pickle.dumps({f"v{number}": words for number in range(3000)})
    with pytest.raises(DatasetError, match="its captions take more than 100 times the file"):
        read_caption_map(put(tmp_path / "c.pkl", content))


@pytest.mark.parametrize(("times", "fine"), [(1000, True), (1100, False)])
def test_a_small_file_may_hold_a_million_characters_and_no_more(tmp_path: Path, times: int, fine: bool) -> None:
    sentence = "x" * 1024
    path = put(tmp_path / "c.pkl", pickle.dumps({"v": [sentence] * times}))
    assert path.stat().st_size * 100 < 1 << 20
    if fine:
        assert len(read_caption_map(path)["v"]) == times
        return
    with pytest.raises(DatasetError, match="its captions take more than 100 times the file"):
        read_caption_map(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
@pytest.mark.parametrize("read", [read_id_list, read_caption_map, lambda path: read_json(path, "ids")])
@pytest.mark.parametrize("ending", ["txt", "json", "pkl"])
def test_a_fifo_or_a_device_is_refused_at_once(tmp_path: Path, read: Any, ending: str) -> None:
    (tmp_path / f"zero.{ending}").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / f"fifo.{ending}")
    for name in ("zero", "fifo"):
        with pytest.raises(DatasetError, match="where a regular file is read"):
            read(tmp_path / f"{name}.{ending}")
