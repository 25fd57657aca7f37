"""The manifest: its three forms, its columns, and every way it can be wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from fdakit import DatasetError
from fdakit.builtin.datasets.manifest import MANIFEST, Manifest, ManifestOptions, build
from fdakit.plugin import BuildContext, Split


def _silent(what: str, done: int, total: int) -> None:
    pass


def _manifest(path: Path, content: str | bytes, **options: Any) -> Manifest:
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(data)
    # As a recipe gives them: strict JSON.
    model = ManifestOptions.model_validate_json(json.dumps({"path": str(path), **options}))
    return build(model, BuildContext())


def _load(path: Path, content: str | bytes, split: str = "test", **options: Any) -> Split:
    return _manifest(path, content, **options).load(split, _silent)


def _pairs(split: Split) -> list[tuple[str, str]]:
    return [(caption.video_id, caption.text) for caption in split.captions]


TWO = [("a.mp4", "a dog runs"), ("b/c.mp4", "a cat sleeps")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.csv", "path,caption\na.mp4,a dog runs\nb/c.mp4,a cat sleeps\n"),
        ("m.CSV", "caption,other,path\r\na dog runs,,a.mp4\r\n\r\na cat sleeps,9,b/c.mp4"),
        ("m.csv", '\ufeffpath, caption\na.mp4, "a dog runs"\n,\n"b/c.mp4", a cat sleeps \n\n'),
        ("m.tsv", "path\tcaption\na.mp4\ta dog runs\nb/c.mp4\ta cat sleeps\n"),
        (
            "m.jsonl",
            '{"path": "a.mp4", "caption": "a dog runs"}\r\n\n{"caption": "a cat sleeps", "path": "b/c.mp4", "x": 1}',
        ),
    ],
)
def test_forms(tmp_path: Path, name: str, content: str) -> None:
    split = _load(tmp_path / name, content)
    assert _pairs(split) == TWO
    assert [video.path for video in split.videos] == [tmp_path / "a.mp4", tmp_path / "b/c.mp4"]
    assert [(video.start, video.end) for video in split.videos] == [(None, None)] * 2
    assert split.protocol == "single-caption"


def test_quoted_fields_hold_separators_line_ends_and_quotes(tmp_path: Path) -> None:
    split = _load(tmp_path / "m.csv", 'path,caption\na.mp4,"one, two\nthree ""four"""\nb.mp4,five\n')
    assert _pairs(split) == [("a.mp4", 'one, two\nthree "four"'), ("b.mp4", "five")]


def test_several_rows_of_a_video_are_its_captions(tmp_path: Path) -> None:
    split = _load(tmp_path / "m.csv", "path,caption\na.mp4,one\nb.mp4,two\na.mp4,three\n")
    assert [video.id for video in split.videos] == ["a.mp4", "b.mp4"]
    assert _pairs(split) == [("a.mp4", "one"), ("b.mp4", "two"), ("a.mp4", "three")]
    assert split.protocol == "multi-caption"


def test_splits_in_the_files_order_each_with_its_own_protocol(tmp_path: Path) -> None:
    rows = "path,caption,split\na.mp4,one,train\na.mp4,two,train\nb.mp4,three,test\na.mp4,four,dev\n"
    manifest = _manifest(tmp_path / "m.csv", rows)
    assert manifest.splits() == ("train", "test", "dev")
    assert manifest.load("train", _silent).protocol == "multi-caption"
    assert manifest.load("test", _silent).protocol == "single-caption"
    assert _pairs(manifest.load("dev", _silent)) == [("a.mp4", "four")]


def test_without_a_split_column_all_rows_are_test(tmp_path: Path) -> None:
    assert _manifest(tmp_path / "m.csv", "path,caption\na.mp4,one\n").splits() == ("test",)


def test_segments_are_videos_of_their_own(tmp_path: Path) -> None:
    rows = (
        "path,caption,start,end\na.mp4,one,0,2.5\na.mp4,two,2.5,\na.mp4,three,,4\na.mp4,four,,\na.mp4,five,0.0,2.50\n"
    )
    split = _load(tmp_path / "m.csv", rows)
    assert [video.id for video in split.videos] == ["a.mp4#0-2.5", "a.mp4#2.5-", "a.mp4#-4", "a.mp4"]
    assert [(video.start, video.end) for video in split.videos] == [(0, 2.5), (2.5, None), (None, 4), (None, None)]
    assert {video.path for video in split.videos} == {tmp_path / "a.mp4"}
    assert split.protocol == "multi-caption"  # the first segment is named twice


def test_json_seconds_may_be_numbers_text_or_null(tmp_path: Path) -> None:
    rows = [{"path": "a", "caption": "x", "start": s, "end": e} for s, e in [(1, 2.5), ("1", None), (None, "3")]]
    split = _load(tmp_path / "m.jsonl", "\n".join(map(json.dumps, rows)))
    assert [(video.start, video.end) for video in split.videos] == [(1, 2.5), (1, None), (None, 3)]


def test_columns_by_option_and_root(tmp_path: Path) -> None:
    absolute = tmp_path / "elsewhere" / "b.mp4"
    rows = f"file\tsentence\tpart\tfrom\tto\na.mp4\tone\tdev\t1\t2\n{absolute}\ttwo\tdev\t\t\n"
    names = {"video": "file", "caption": "sentence", "split": "part", "start": "from", "end": "to"}
    options = {f"{key}_column": name for key, name in names.items()}
    split = _load(tmp_path / "m.tsv", rows, "dev", root=str(tmp_path / "clips"), **options)
    assert [video.path for video in split.videos] == [tmp_path / "clips" / "a.mp4", absolute]
    assert (split.videos[0].start, split.videos[0].end) == (1, 2)


ERRORS = [
    ("m.csv", "", "the file is empty"),
    ("m.csv", "\ufeff \n\n", "the file is empty"),
    ("m.txt", "path,caption\na,b\n", "unknown suffix '.txt'; name it .csv, .tsv or .jsonl"),
    ("m.csv", "path,caption\n", "columns but no rows, an empty split"),
    ("m.csv", "path,captoin\na,b\n", "line 1: no column 'caption' among 'path', 'captoin'; did you mean 'captoin'?"),
    (
        "m.csv",
        "\nvideo,caption\na,b\n",
        "line 2: no column 'path' among 'video', 'caption'; name it with dataset.video_column",
    ),
    ("m.csv", "path,caption,caption\na,b,c\n", "line 1: two columns are called 'caption'"),
    ("m.csv", "path;caption\na;b\n", "line 1: columns are separated by ';'; save it with ','"),
    ("m.csv", "path\tcaption\na\tb\n", "line 1: columns are separated by tabs"),
    ("m.tsv", "path,caption\na,b\n", "line 1: columns are separated by ','; save it with tabs"),
    ("m.csv", "path,caption\na,one, two\n", "line 2: 3 fields under 2 columns"),
    ("m.csv", 'path,caption\na,"x\ny"\n\nb\n', "line 5: 1 fields under 2 columns"),
    ("m.csv", "path,caption\na,b\nc, \n", "line 3: caption is empty"),
    ("m.csv", "path,caption\n,b\n", "line 2: path is empty"),
    ("m.csv", "path,caption,split\na,b,\n", "line 2: split is empty"),
    ("m.csv", 'path,caption\na,"x\ny"\nb,"z\n', "line 4: not readable as a table"),
    ("m.csv", 'path,caption\na,"x" says y\n', "line 2: not readable as a table"),
    ("m.csv", "path,caption,start\na,b,1:30\n", "line 2: start is '1:30'; wanted seconds, as 12.5"),
    ("m.csv", "path,caption,end\na,b,nan\n", "line 2: end is 'nan'; wanted seconds"),
    ("m.csv", "path,caption,start\na,b,-1\n", "line 2: start is '-1'"),
    ("m.csv", "path,caption,start,end\na,b,3,3\n", "line 2: the segment ends at 3 s, not after its start"),
    ("m.csv", "path,caption,end\na,b,0\n", "line 2: the segment ends at 0 s"),
    ("m.csv", b"path,caption\na,b\nc,caf\xe9\n", "line 3: not UTF-8"),
    ("m.csv", "path,caption\n".encode("utf-16"), "line 1: not UTF-8"),
    ("m.jsonl", '{"path": "a", "caption": "b"}\n{"path": \n', "line 2: not JSON"),
    ("m.jsonl", '["a", "b"]\n', 'line 1: \'["a", "b"]\' is no object'),
    ("m.jsonl", '{"path": "a", "caption": "b"}\n{"path": "a"}\n', "line 2: no column 'caption' among 'path'"),
    ("m.jsonl", '{"path": "a", "caption": ["b"]}\n', "line 1: caption is ['b']; wanted text"),
    ("m.jsonl", '{"path": 7, "caption": "b"}\n', "line 1: path is 7; wanted text"),
    ("m.jsonl", '{"path": "a", "caption": "b", "split": null}\n', "line 1: split is None; wanted text"),
    ("m.jsonl", '{"path": "a", "caption": "b", "start": true}\n', "line 1: start is True; wanted seconds"),
    ("m.jsonl", '{"path": "a", "caption": "b", "start": [1]}\n', "line 1: start is [1]; wanted seconds"),
    ("m.jsonl", '{"path": "a", "caption": "b", "end": Infinity}\n', "line 1: end is inf; wanted seconds"),
]


@pytest.mark.parametrize(("name", "content", "wanted"), ERRORS)
def test_errors_say_file_line_and_remedy(tmp_path: Path, name: str, content: str | bytes, wanted: str) -> None:
    with pytest.raises(DatasetError) as caught:
        _load(tmp_path / name, content)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / name}: {wanted}")
    assert ";" in message


def test_an_absent_file_is_named_absolutely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = build(ManifestOptions.model_validate({"path": Path("none.csv")}), BuildContext())
    with pytest.raises(DatasetError, match="cannot be read") as caught:
        manifest.splits()
    assert str(caught.value).startswith(f"{tmp_path / 'none.csv'}: ")


def test_an_absent_split_lists_what_exists(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no rows of split 'test'; choose one of train, val"):
        _load(tmp_path / "m.csv", "path,caption,split\na,b,train\na,b,val\n")


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_column_the_recipe_names_must_be_there(tmp_path: Path, ending: str) -> None:
    content = {"csv": "path,caption,part\na,b,train\n", "jsonl": '{"path": "a", "caption": "b", "part": "train"}'}
    with pytest.raises(
        DatasetError, match=r"no column 'parts' among .*did you mean 'part'.*name it with dataset.split_column"
    ):
        _load(tmp_path / f"m.{ending}", content[ending], split_column="parts")


def test_spaces_around_a_quoted_name_belong_to_it(tmp_path: Path) -> None:
    rows = 'path,caption,split\n" a.mp4 "," one "," test "\n b.mp4 ,two,test\n'
    split = _load(tmp_path / "m.csv", rows)
    assert [video.path for video in split.videos] == [tmp_path / " a.mp4 ", tmp_path / "b.mp4"]
    assert _pairs(split) == [(" a.mp4 ", "one"), ("b.mp4", "two")]
    lines = [{"path": " a.mp4 ", "caption": " one "}, {"path": "b.mp4", "caption": "two"}]
    assert _load(tmp_path / "m.jsonl", "\n".join(map(json.dumps, lines))).videos == split.videos


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.csv", b"path,caption\ncaf\xe9.mp4,one\n"),
        ("m.tsv", b"path\tcaption\ncaf\xe9.mp4\tone\n"),
        ("m.jsonl", b'{"path": "caf\xe9.mp4", "caption": "one"}'),
        ("m.jsonl", b'{"path": "caf\\udce9.mp4", "caption": "one"}'),  # as Python's json writes such a name
    ],
)
def test_a_file_name_need_not_be_utf_8(tmp_path: Path, name: str, content: bytes) -> None:
    (video,) = _load(tmp_path / name, content).videos
    assert os.fsencode(video.path) == os.fsencode(tmp_path) + b"/caf\xe9.mp4"


def test_a_name_in_quotes_that_begins_with_a_space(data_dir: Path) -> None:
    path = data_dir / "manifests_trials" / "space_in_name.csv"
    split = build(ManifestOptions.model_validate({"path": path}), BuildContext()).load("test", _silent)
    assert all(video.path.name.startswith(" ") and video.path.is_file() for video in split.videos)


def test_real_clips(data_dir: Path) -> None:
    folder = data_dir / "videos" / "natural"
    manifest = build(ManifestOptions.model_validate({"path": folder / "captions.tsv"}), BuildContext())
    assert manifest.splits() == ("test",)
    split = manifest.load("test", _silent)
    assert (len(split.videos), len(split.captions), split.protocol) == (35, 47, "multi-caption")
    assert all(video.path.is_file() for video in split.videos)


def test_component() -> None:
    assert MANIFEST.name == "manifest"
    assert all(field.description for field in ManifestOptions.model_fields.values())
