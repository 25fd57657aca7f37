"""Which files are meant by a folder, a list, a video and a recipe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from fdakit import DatasetError, FdakitError
from fdakit.catalog import Catalog
from fdakit.dataset_tools.video_sources import VideoCollection, find_collection


@pytest.fixture
def find(catalog: Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """`find(*sources, **options)`, with the cache folder in `tmp_path`."""
    monkeypatch.setenv("FDAKIT_CACHE", str(tmp_path / "cache"))

    def call(*sources: object, **options: Any) -> VideoCollection:
        named = [str(source) for source in sources]
        return find_collection(named, catalog=catalog, progress=lambda what, done, total: None, **options)

    return call


@pytest.fixture
def recipe(manifest: Path, tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(f'[dataset]\nuse = "manifest"\npath = {str(manifest)!r}\n[encoder]\nuse = "tiny"\n')
    return path


def test_a_folder_is_walked_for_videos(find: Any, tmp_path: Path) -> None:
    wanted = ["a.mp4", "b/c.WEBM", "b/d/e.m2ts", "-f.gif"]
    for name in (*wanted, "notes.txt", ".hidden.mp4", ".trash/g.mp4", "b/picture.jpg"):
        path = tmp_path / "films" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = find(tmp_path / "films")
    assert sorted(found.paths) == sorted(tmp_path / "films" / name for name in wanted)
    assert found.ledger == tmp_path / "cache" / "ledger.sqlite"


def test_lists_name_files_from_their_own_folder(find: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "films.txt").write_text("a.mp4\n\n  b c.mp4 \n/far/d.mp4\na.mp4\n")
    (folder / "films.csv").write_text('path,caption\na.mp4,one\n"b, c.mp4",two\n')
    (folder / "films.tsv").write_text("film\tcaption\na.mp4\tone\n")
    (folder / "films.jsonl").write_text('{"path": "a.mp4"}\n')
    monkeypatch.chdir(tmp_path)
    assert find("lists/films.txt").paths == (folder / "a.mp4", folder / "b c.mp4", Path("/far/d.mp4"))
    assert find(folder / "films.csv").paths == (folder / "a.mp4", folder / "b, c.mp4")
    assert find(folder / "films.tsv", column="film").paths == (folder / "a.mp4",)
    assert find(folder / "films.jsonl", folder / "films.txt").paths[0] == folder / "a.mp4"


def test_names_in_lists_keep_their_bytes_and_quoted_ones_their_spaces(find: Any, tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    (tmp_path / "films.txt").write_bytes(b"caf\xe9.mp4\r\nx\xe2\x80\xa8y.mp4\n")
    (tmp_path / "films.csv").write_bytes(b'path,caption\ncaf\xe9.mp4,one\n" a.mp4 ",two\n')
    assert find(tmp_path / "films.txt").paths == (odd, tmp_path / "x\u2028y.mp4")
    assert find(tmp_path / "films.csv").paths == (odd, tmp_path / " a.mp4 ")
    (tmp_path / "films.txt").write_bytes("a.mp4\n".encode("utf-16"))
    with pytest.raises(DatasetError, match=r"films\.txt: line 1: not UTF-8"):
        find(tmp_path / "films.txt")


def test_a_file_of_any_other_ending_is_a_video(find: Any, tmp_path: Path) -> None:
    (tmp_path / "strange.xyz").touch()
    assert find(tmp_path / "strange.xyz").paths == (tmp_path / "strange.xyz",)


def test_a_recipe_means_the_videos_of_all_its_splits(find: Any, recipe: Path, manifest: Path) -> None:
    found = find(recipe)
    assert {path.name for path in found.paths} == {
        line.split(",")[0] for line in manifest.read_text().split()[1:]
    } & {path.name for path in manifest.parent.iterdir()}
    assert len(found.paths) == 8
    assert find(recipe, settings=["loader.ledger=own.sqlite"]).ledger == Path("own.sqlite").absolute()
    given = find(recipe, ledger=Path("given.sqlite"), settings=["loader.ledger=own.sqlite"])
    assert given.ledger == Path("given.sqlite")


def test_a_recipes_absent_videos_are_named_too(find: Any, recipe: Path, tmp_path: Path) -> None:
    table = tmp_path / "absent.csv"
    table.write_text("path,caption\nabsent.mp4,nothing\n")
    assert find(recipe, settings=[f"dataset.path={table}"]).paths == (tmp_path / "absent.mp4",)


def test_faults_are_worded_and_all_told(find: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.md").touch()
    (tmp_path / "none.txt").write_text("\n\n")
    (tmp_path / "films.csv").write_text("film,caption\na.mp4,one\n")
    (tmp_path / "coded.txt").write_bytes("a.mp4".encode("utf-16"))
    sources = [tmp_path / name for name in ("empty", "none.txt", "films.csv", "coded.txt", "gone.mp4")]
    with pytest.raises(FdakitError) as caught:
        find(*sources, "quickstat")
    lines = str(caught.value).splitlines()
    for source, words in zip(
        [*map(str, sources), "quickstat"],
        (
            "no video among its 1 files",
            "names no video",
            "no column 'path' among 'film', 'caption'; name it with --column",
            "line 1: not UTF-8; save the list as UTF-8",
            "no such file or folder",
            "did you mean 'quickstart'?",
        ),
        strict=True,
    ):
        assert [line for line in lines if source in line and words in line], (words, lines)


def test_settings_and_ledgers_that_contradict_are_refused(find: Any, recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    with pytest.raises(FdakitError, match="--set: changes recipes, and none is checked here"):
        find(tmp_path / "a.mp4", settings=["seed=1"])
    other = tmp_path / "other.toml"
    other.write_text(recipe.read_text() + '[loader]\nledger = "elsewhere.sqlite"\n')
    with pytest.raises(FdakitError, match="have different ones; name one for all with --ledger"):
        find(recipe, other)
    assert find(recipe, other, ledger=tmp_path / "one").ledger == tmp_path / "one"
