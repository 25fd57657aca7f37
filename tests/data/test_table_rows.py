"""Tables of any data set; the manifest's tests hold the wording of each fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from fdakit import DatasetError, read_table_rows


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
