"""`fdakit new`: what it writes and says, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.cli_output import Tell
from helpers.sample_plugins import distribution, mask_plugin

from fdakit.cli.commands.new import STEPS, TRIAL, command
from fdakit.scaffold import kinds


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_a_package_is_written_and_the_next_steps_are_told(tell: Tell, empty: Path) -> None:
    told = tell("new", "mask", "glow")
    assert (told.code, told.err) == (0, "")
    files = ["README.md", "fdakit_glow.py", "pyproject.toml", "recipe.toml", "tests/test_fdakit_glow.py"]
    assert sorted(str(path.relative_to(empty / "fdakit-glow")) for path in empty.rglob("*.*")) == files
    first, *rest = told.out.splitlines()
    assert first == f"fdakit-glow: a package with the mask 'glow': {', '.join(files)}"
    assert [line.strip() for line in rest[2:]] == ["cd fdakit-glow", *STEPS, *TRIAL]
    assert all(step in (empty / "fdakit-glow" / "README.md").read_text() for step in (*STEPS, *TRIAL))


def test_json_holds_folder_files_and_steps(tell: Tell, empty: Path) -> None:
    told = tell("new", "mask", "glow", "--out", "my packages/glow", "--json")
    assert (told.code, told.err) == (0, "")
    assert told.json["folder"] == str(empty / "my packages" / "glow")
    assert all((empty / "my packages" / "glow" / name).is_file() for name in told.json["files"])
    assert told.json["next"] == ["cd 'my packages/glow'", *STEPS, *TRIAL]


def test_a_vector_store_has_no_recipe_to_check(tell: Tell) -> None:
    assert tell("new", "vector_store", "glow", "--json").json["next"] == ["cd fdakit-glow", *STEPS]


def test_the_help_names_every_kind() -> None:
    *firsts, last = kinds()
    assert f"KIND is {', '.join(firsts)} or {last}." in " ".join((command.help or "").split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["masc", "glow"], "kind 'masc': unknown; did you mean 'mask'?"),
        (["colour", "glow"], "kind 'colour': unknown; known: "),
        (["mask", "Glow"], "component 'Glow': not a usable name"),
        (["mask", "none"], "component 'none': None or none is a keyword of Python; choose another name"),
        (["mask", "flow"], "mask 'flow' (fdakit 0.1.0): is installed already; choose another name"),
        (["mask", "glow", "--out", "."], "exists already; choose another folder with --out"),
        (["mask", "glow", "--out", "taken"], "taken: exists already; choose another folder with --out"),
    ],
)
def test_what_cannot_be_written_is_refused(tell: Tell, empty: Path, arguments: list[str], words: str) -> None:
    (empty / "taken").write_text("kept")
    told = tell("new", *arguments)
    assert (told.code, told.out) == (2, "")
    assert words in told.err
    assert [path.name for path in empty.iterdir()] == ["taken"]


def test_the_name_of_an_installed_package_is_refused(tell: Tell, site: Path) -> None:
    distribution(site, "fdakit-drift", mask_plugin("wind"), module="wind_mask")
    assert "package 'fdakit-drift': is installed already (mask 'wind'" in tell("new", "reader", "drift").err
    assert "mask 'wind' (fdakit-drift 0.1): is installed already" in tell("new", "mask", "wind").err


def test_a_name_of_another_kind_is_free(tell: Tell) -> None:
    assert tell("new", "sampler", "flow").code == 0
