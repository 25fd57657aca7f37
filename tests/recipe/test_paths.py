"""Paths of options lead to the same place from everywhere, however deep they lie in the options."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, NamedTuple

import pytest
from hypothesis import given, strategies as st

from fdakit.catalog import load_catalog
from fdakit.plugin import MayBePath, Options
from fdakit.recipe.document import dump_document
from fdakit.recipe.paths import absolute_path, anchor_paths, path_fields
from fdakit.recipe.validation import validate


class Pair(NamedTuple):
    name: str
    path: Path


@dataclasses.dataclass(frozen=True)
class Record:
    path: Path
    count: int = 1


class Inner(Options):
    path: Path
    count: int = 3


class Many(Options):
    """Paths in every form that an option may have."""

    path: Path
    default: Path = Path("data/here")
    optional: Path | None = None
    unset: Path | None = None
    several: tuple[Path, ...] = ()
    pairs: tuple[tuple[str, Path], ...] = ()
    named: Mapping[str, Path] = {}
    inner: Inner | None = None
    record: Record | None = None
    pair: Pair | None = None
    text: str = "a/b"
    weights: Annotated[str, MayBePath()] = "none"
    model: Annotated[str, MayBePath("local-dir:")] = "ViT-B-32"
    inside: PurePosixPath = PurePosixPath("train/list.txt")


def test_every_path_is_made_absolute_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.pt").touch()
    a, b = Path("a"), Path("b/c")
    options = Many(
        path=a, optional=b, several=(a, b), pairs=(("x", a),), named={"n": b}, inner=Inner(path=a), record=Record(a),
        pair=Pair("y", b), weights="w.pt", model="local-dir:m",
    )  # fmt: skip
    there = anchor_paths(options)
    full_a, full_b = tmp_path / "a", tmp_path / "b" / "c"
    assert there == Many(
        path=full_a, default=tmp_path / "data" / "here", optional=full_b, several=(full_a, full_b),
        pairs=(("x", full_a),), named={"n": full_b}, inner=Inner(path=full_a), record=Record(full_a),
        pair=Pair("y", full_b), weights=str(tmp_path / "w.pt"), model=f"local-dir:{tmp_path / 'm'}",
    )  # fmt: skip
    assert isinstance(there.pair, Pair)
    assert anchor_paths(there) is there
    monkeypatch.chdir("/")
    assert anchor_paths(there) is there


def test_text_that_names_no_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "openai").mkdir()  # a folder is no weights file
    for name in ("openai", "none", "laion2b", ""):
        assert anchor_paths(Many(path=Path("/x"), weights=name)).weights == name
    for name in ("ViT-B-32", "hf-hub:a/b", "local-dir:"):
        assert anchor_paths(Many(path=Path("/x"), model=name)).model == name


def test_what_leads_upwards_is_settled_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real" / "deep")
    monkeypatch.chdir(tmp_path / "link")
    assert absolute_path(Path("../x")) == tmp_path / "real" / "x"  # as the system reads it, not by its letters
    assert absolute_path(Path("/a/../b")) == Path("/a/../b")


@given(parts=st.lists(st.sampled_from(["a", "b c", ".", "..", "é"]), min_size=1, max_size=5))
def test_from_anywhere_an_absolute_path_is_the_same_file(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("x") / "1" / "2" / "3" / "4" / "5"
    folder.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        found = absolute_path(Path(*parts))
        assert found.is_absolute()
        assert found.resolve() == Path(*parts).resolve()
        patch.chdir("/")
        assert absolute_path(found) == found


def test_the_options_that_are_paths_are_told() -> None:
    found = dict(path_fields(Many(path=Path("/x"), several=(Path("/y"),))))
    assert (found["path"], found["optional"], found["several"]) == (Path("/x"), None, None)
    assert {"named", "pairs", "default", "unset"} <= found.keys()
    assert not {"text", "weights"} & found.keys()


def test_a_resolved_recipe_means_the_same_from_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = load_catalog()
    document: dict[str, Any] = {
        "dataset": {"use": "manifest", "path": "clips.csv", "root": "../videos"},
        "encoder": {
            "use": "open-clip",
            "model": "local-dir:mine",
            "pretrained": "w.pt",
            "visual_checkpoint": "v.pth",
        },
        "loader": {"ledger": "ledger.sqlite"},
        "frame_store": {"folder": "kept"},
    }
    work = tmp_path / "work"
    work.mkdir()
    (work / "w.pt").touch()
    monkeypatch.chdir(work)
    recipe = validate(document, where="x.toml", catalog=catalog)
    text = dump_document(recipe.document())
    monkeypatch.chdir("/")
    again = validate(recipe.document(), where="x.toml", catalog=catalog)
    assert dump_document(again.document()) == text
    for path in ("clips.csv", "mine", "w.pt", "v.pth", "ledger.sqlite", "kept"):
        assert str(work / path) in text
    assert f'root = "{tmp_path / "videos"}"' in text
