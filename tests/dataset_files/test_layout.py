"""A file of a data set under any of its names."""

from __future__ import annotations

from pathlib import Path

import pytest

from fdakit import DatasetError
from fdakit.dataset_files import find_source, locate_source, require_root
from fdakit.plugin import SourceFile

SOURCE = SourceFile("a.txt", "the ids", "a.example", others=("lists/a.txt", "b.csv"))


def test_the_first_name_that_exists_is_taken(tmp_path: Path) -> None:
    assert locate_source(tmp_path, SOURCE) is None
    (tmp_path / "b.csv").touch()
    assert locate_source(tmp_path, SOURCE) == find_source(tmp_path, SOURCE) == tmp_path / "b.csv"
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "a.txt").touch()
    assert find_source(tmp_path, SOURCE) == tmp_path / "lists" / "a.txt"
    (tmp_path / "a.txt").mkdir()  # an empty folder, as `data prepare` makes them, hides nothing that is there
    assert find_source(tmp_path, SOURCE) == tmp_path / "lists" / "a.txt"
    (tmp_path / "a.txt" / "b").touch()  # another is found like a file: which of them it is to be, the reader says
    assert find_source(tmp_path, SOURCE) == tmp_path / "a.txt"


def test_an_empty_folder_is_found_where_there_is_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    assert locate_source(tmp_path, SOURCE) == tmp_path / "a.txt"


def test_what_is_absent_is_said_with_all_names_and_where_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError) as caught:
        find_source(Path(), SOURCE)
    assert str(caught.value) == (
        f"{tmp_path}/a.txt: absent, and so are lists/a.txt, b.csv; put there: the ids, from a.example"
    )
    with pytest.raises(DatasetError, match=r"none/a\.txt: absent; put there: the ids, from a\.example$"):
        find_source(Path("none"), SourceFile("a.txt", "the ids", "a.example"))


def test_an_absent_folder_is_said_with_all_that_belongs_into_it(tmp_path: Path) -> None:
    require_root(tmp_path, "letters", [SOURCE])
    (tmp_path / "set.json").touch()
    with pytest.raises(DatasetError, match=r"set\.json: found a file; name the folder of letters as dataset\.root"):
        require_root(tmp_path / "set.json", "letters", [SOURCE])
    root = tmp_path / "none"
    with pytest.raises(DatasetError) as caught:
        require_root(root, "letters", [SOURCE, SourceFile("videos", "the clips", "a.example"), SOURCE])
    assert str(caught.value) == (
        f"{root}: letters is absent; `fdakit data prepare letters --root {root}` says from where to get a.txt, videos"
    )


def test_a_folder_that_may_not_be_looked_into_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refused)
    with pytest.raises(DatasetError, match=r"/a\.txt: cannot be read \(Permission denied\); correct its rights$"):
        locate_source(tmp_path, SOURCE)
