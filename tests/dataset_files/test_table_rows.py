"""Tables of any data set; the manifest's tests hold the wording of each fault."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, strategies as st

from fdakit import DatasetError
from fdakit.dataset_files import read_table_rows


def put(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_rows_know_their_line_and_columns_may_lack_a_name(tmp_path: Path) -> None:
    table = put(tmp_path / "t.csv", '\ufeff,id,text\r\n7,a,"one\r\ntwo"\r\n\r\n8,b,"say ""x"""\r\n')
    rows = read_table_rows(table, ("id", "text"))
    assert [(row.line, row.fields["id"], row.fields["text"]) for row in rows] == [
        (2, "a", "one\r\ntwo"),
        (5, "b", 'say "x"'),
    ]


def test_a_given_separator_holds_whatever_the_ending(tmp_path: Path) -> None:
    for name in ("t.csv", "t.txt", "t.jsonl"):
        rows = read_table_rows(put(tmp_path / name, "id\ttext\na\tone, two\n"), ["text"], separator="\t")
        assert [row.fields["text"] for row in rows] == ["one, two"]
    with pytest.raises(DatasetError, match=r"line 1: columns are separated by ','; save it with ';' instead"):
        read_table_rows(put(tmp_path / "t.csv", "id,text\na,one\n"), ["text"], separator=";")


def test_an_absent_column_names_an_option_only_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "t.csv", "id,texts\na,one\n")
    monkeypatch.chdir(tmp_path)
    start = f"{tmp_path}/t.csv: line 1: no column 'text' among 'id', 'texts'; did you mean 'texts'? "
    for required, end in ({"text": "--text"}, "name it with --text"), (["text"], "a file of this kind has it: "):
        with pytest.raises(DatasetError) as caught:
            read_table_rows(Path("t.csv"), required)
        assert str(caught.value).startswith(start + end)


FIELDS = st.lists(st.text(st.sampled_from(' \t,;"\n\ra\u00e9'), max_size=5), min_size=2, max_size=2)


@given(st.lists(FIELDS, min_size=1, max_size=4), st.sampled_from([(".csv", ","), (".tsv", "\t")]))
def test_what_is_quoted_stays_as_it_is(records: list[list[str]], kind: tuple[str, str]) -> None:
    ending, separator = kind
    text = io.StringIO()
    table = csv.writer(text, delimiter=separator, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    table.writerows([("a", "b"), *records])
    with TemporaryDirectory() as folder:
        path = put(Path(folder, f"t{ending}"), text.getvalue() + f'"end"{separator}\n')
        rows = read_table_rows(path, ("a", "b"))
    assert [list(row.fields.values()) for row in rows[:-1]] == [r for r in records if any(f.strip() for f in r)]


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('" x.mp4 ", two ', [" x.mp4 ", "two"]),
        ('  " x.mp4",two', [" x.mp4", "two"]),
        (' x.mp4 ,"two "', ["x.mp4", "two "]),
        ('"a, ""b"" ","c\n d "', ['a, "b" ', "c\n d "]),
        ('a "b" ,"c "', ['a "b"', "c "]),
        (' ,"two "', ["", "two "]),
    ],
)
def test_spaces_around_a_field_count_only_between_quotes(tmp_path: Path, line: str, fields: list[str]) -> None:
    rows = read_table_rows(put(tmp_path / "t.csv", f"a,b\nfirst,row\n{line}\nlast,row\n"), ("a", "b"))
    assert [list(row.fields.values()) for row in rows] == [["first", "row"], fields, ["last", "row"]]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_names_of_files_keep_bytes_that_are_not_utf_8_and_other_columns_do_not(tmp_path: Path, ending: str) -> None:
    def table(name: bytes, text: bytes) -> Path:
        path = tmp_path / f"t.{ending}"
        lines = {"csv": b"a,b\n%s,%s\n", "jsonl": b'{"a": "%s", "b": "%s"}\n'}
        path.write_bytes(lines[ending] % (name, text))
        return path

    (row,) = read_table_rows(table(b"caf\xe9.mp4", "caf\u00e9".encode()), ("a", "b"), names=["a"])
    assert (os.fsencode(row.fields["a"]), row.fields["b"]) == (b"caf\xe9.mp4", "caf\u00e9")
    line = {"csv": 2, "jsonl": 1}[ending]
    for name, text, names in ((b"x", b"caf\xe9", ["a"]), (b"caf\xe9", b"x", [])):
        with pytest.raises(DatasetError, match=f"line {line}: not UTF-8; save the file as UTF-8"):
            read_table_rows(table(name, text), ("a", "b"), names=names)


def test_a_field_may_be_longer_than_the_standard_library_likes(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("id,caption\na," + "x" * 200_000 + "\n")
    assert len(read_table_rows(path, ["caption"])[0].fields["caption"]) == 200_000
    path.write_text("id," + "x" * 200_000 + "\na,b\n")
    with pytest.raises(DatasetError) as caught:
        read_table_rows(path, ["caption"])
    assert len(str(caught.value)) < 1000 + len(str(path))


def test_many_columns_are_told_in_brief_and_at_once(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text(",".join(f"c{number}" for number in range(100_000)) + "\na\n")
    with pytest.raises(DatasetError, match=r"no column 'caption' among 'c0', .*'c19' and 99,980 more"):
        read_table_rows(path, ["caption"])


def test_half_a_character_in_json_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "half.jsonl"
    path.write_text('{"id": "a \\udce9"}\n{"id": "\\ud83d.mp4"}\n')
    with pytest.raises(DatasetError, match=r"line 2: 'id' holds half a character, '\\ud83d\.mp4'"):
        read_table_rows(path, ["id"])


def test_lines_of_json_nested_deep_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.jsonl"
    path.write_text('{"id": 1}\n{"id": ' + "[" * 100_000 + "\n")
    with pytest.raises(DatasetError, match=r"line 2: not JSON .nested too deep"):
        read_table_rows(path, ["id"])
