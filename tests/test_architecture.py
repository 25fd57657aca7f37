"""docs/architecture.md is a true map: what it names exists, its tree is complete, its floors are those enforced."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from test_floors import ROWS

import fdakit

ROOT = Path(__file__).parents[1]
PACKAGE = Path(fdakit.__file__).parent
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
OUTSIDE = ("docs/", "plugins/", "recipes/", "tests/")


def section(title: str) -> str:
    return re.split(r"^## ", PAGE.partition(f"## {title}\n")[2], flags=re.M)[0]


def first_block(text: str) -> list[str]:
    return text.split("```")[1].strip("\n").splitlines()


def located(path: str) -> Path:
    return (ROOT if path.startswith(OUTSIDE) else PACKAGE) / path


def names_of(path: Path) -> set[str]:
    """Functions, classes and methods as `Class.method`."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{child.name}" for child in node.body if isinstance(child, ast.FunctionDef)}
    return found


def missing(text: str) -> list[str]:
    """Files, folders and `file.py::name` in backticks that do not exist."""
    faults = []
    for path, name in re.findall(r"`([\w./]+(?:\.py|\.md|/))(?:::([\w.]+))?`", text):
        place = located(path)
        if not place.exists() or (name and name not in names_of(place)):
            faults.append(f"{path}::{name}" if name else path)
    return faults


def test_every_file_and_function_named_exists() -> None:
    assert len(re.findall(r"`[\w./]+\.py::[\w.]+`", PAGE)) > 60, "the page names functions"
    assert missing(PAGE) == []


def test_a_file_and_a_function_that_do_not_exist_are_found() -> None:
    text = "`catalog.py::Catalog.find` `catalog.py::Catalog.lose` `catalogue.py` `tests/helpers/` `tests/nowhere/`"
    assert missing(text) == ["catalog.py::Catalog.lose", "catalogue.py", "tests/nowhere/"]


def test_the_tree_lists_every_folder_and_module_once() -> None:
    listed = [line.split()[0].rstrip("/") for line in first_block(section("The tree"))[1:]]
    there = [path for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()]
    assert sorted(listed) == sorted(path.name for path in there)


def test_the_floors_are_those_that_are_enforced() -> None:
    rows = [sorted(line.split()) for line in first_block(section("The floors"))]
    assert rows == [sorted(row) for row in reversed(ROWS)]
