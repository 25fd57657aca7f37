"""A package as `fdakit new` writes it, of every kind: it installs, passes its tests and its checks as it is."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from test_outside_plugin import new_environment, run

from fdakit.catalog import load_catalog
from fdakit.errors import PluginError
from fdakit.plugin.hookspecs import OUTSIDE_RECIPES
from fdakit.recipe.validation import read_recipe
from fdakit.scaffold import kinds, plan_package

LONGEST = "-".join(["word"] * 7 + ["words"])  # 40 characters
SOFT = {kind: f"soft-{kind.replace('_', '-')}" for kind in kinds()}
MADE = [*SOFT.items(), *((kind, f"{LONGEST[:-6]}-{kind[:5]}") for kind in kinds())]
INSTALL = ("install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
PART_LINES = 40


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages: two of each kind, one with a name as long as may be."""
    folder = tmp_path_factory.mktemp("packages")
    for kind, name in [*MADE, ("mask", "clip")]:
        package = plan_package(kind, name)
        package.write(folder / package.names.distribution)
    return folder


def done(*command: str, cwd: Path) -> str:
    """What a program of this environment prints; it must end well."""
    hidden = ("FDAKIT", "MYPY", "PYTHONPATH")
    own = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    ended = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env=own,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def part_lines(source: str) -> int:
    """Lines of code of options, part and component: without docstrings, imports, empty lines and the hook."""
    skipped = (ast.Import, ast.ImportFrom)
    nodes = [
        node
        for node in ast.parse(source).body
        if not isinstance(node, skipped) and not getattr(node, "name", "").startswith("fdakit_")
    ]
    written = ast.parse(ast.unparse(ast.Module(nodes, [])))
    for node in ast.walk(written):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return len([line for line in ast.unparse(written).splitlines() if line.strip()])


@pytest.mark.parametrize("kind", kinds())
def test_a_part_is_small_and_its_files_are_whole(kind: str) -> None:
    package = plan_package(kind, "soft")
    lines = {name: part_lines(text) for name, text in package.files.items() if "/" not in name and name[-3:] == ".py"}
    assert max(lines.values()) <= PART_LINES, lines
    project = tomllib.loads(package.files["pyproject.toml"])
    assert project["project"]["entry-points"]["fdakit"] == {"soft": "fdakit_soft"}
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"] == list(lines)
    assert all(text.endswith("\n") and not text.endswith("\n\n") for text in package.files.values())
    assert not any("{{" in text or "{%" in text for text in package.files.values())


@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind not in OUTSIDE_RECIPES])
def test_its_recipe_passes_and_names_the_part(kind: str, tmp_path: Path) -> None:
    package = plan_package(kind, "soft")
    package.write(tmp_path / "soft")
    found = importlib.util.spec_from_file_location("fdakit_soft", tmp_path / "soft" / "fdakit_soft.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    recipe = read_recipe(str(tmp_path / "soft" / "recipe.toml"), catalog=load_catalog([module]))
    assert [part.offer.kind for part in recipe.all_parts() if part.name == "soft"] == [kind]


@pytest.mark.parametrize("kind", OUTSIDE_RECIPES)
def test_a_part_that_no_recipe_names_has_none_and_its_readme_tells_of_none(kind: str) -> None:
    files = plan_package(kind, "soft").files
    assert "recipe.toml" not in files
    assert "recipe" not in files["README.md"]


def test_a_folder_that_exists_is_refused_and_kept(tmp_path: Path) -> None:
    package = plan_package("mask", "soft")
    for place in (tmp_path, tmp_path / "file", tmp_path / "link"):
        if place.name == "file":
            place.write_text("kept")
        elif place.name == "link":
            place.symlink_to(tmp_path / "nowhere")
        with pytest.raises(PluginError, match="exists already; choose another folder with --out"):
            package.write(place)
    assert (tmp_path / "file").read_text() == "kept"


def test_a_folder_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(PluginError, match=r"cannot be written \(.*choose another folder with --out"):
        plan_package("mask", "soft").write(tmp_path / "file" / "soft")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.integration
def test_all_install_and_pass_their_own_tests_and_checks(packages: Path, tmp_path: Path) -> None:
    python = new_environment(tmp_path / "venv")
    folders = sorted(packages.glob("fdakit-soft-*"))
    editable = [word for folder in folders for word in ("-e", f"{folder}[test]")]
    done("pip", "--python", str(python), *INSTALL, *editable, cwd=packages)
    tests = [str(folder / "tests") for folder in folders]
    ended = run(
        python, "-m", "pytest", "-q", "--import-mode=importlib", "-p", "no:cacheprovider", *tests, cwd=packages
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{2 * len(folders)} passed" in ended.stdout
    recipes = [str(path) for folder in folders for path in folder.glob("recipe.toml")]
    checked = run(python, "-m", "fdakit", "check", *recipes, "--json", cwd=packages)
    assert [result["faults"] for result in json.loads(checked.stdout)] == [[] for _ in recipes]
    assert len(recipes) == len(folders) - len(OUTSIDE_RECIPES)


@pytest.mark.integration
def test_ruff_finds_nothing(packages: Path) -> None:
    done("ruff", "check", "--no-cache", ".", cwd=packages)
    done("ruff", "format", "--no-cache", "--check", ".", cwd=packages)
