"""What is imported is declared: by fdakit in `dependencies`, or in the extra that names it; by tests in `test`."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DISTRIBUTIONS = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "decord": "decord2",
    "faiss": "faiss-cpu",
    "lance": "pylance",
    "open_clip": "open_clip_torch",
    "pytrec_eval": "pytrec_eval-terrier",
    "skimage": "scikit-image",
}
OPTIONAL = {
    "cv2": "opencv",
    "matplotlib": "plot",
    "decord": "bench",
    "torchcodec": "bench",
    "torchvision": "bench",
    "faiss": "search",
    "lance": "search",
    "pyarrow": "search",
}
"""Packages that fdakit works without -> the extra that brings them."""
LOADED_WHEN_USED = {"opencv_backend.py"}  # imported by name, where OpenCV was found
STRANGERS = {"_outside_video_prism.py"}  # packages of tests that are tried where a library is there


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def declared(extra: str = "") -> frozenset[str]:
    """The names of an extra's packages, of those it refers to as well; of `dependencies` for ""."""
    found: set[str] = set()
    for line in PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]:
        requirement = re.fullmatch(r"([\w.-]+)(?:\[([\w,-]+)\])?[^;]*(?:;.*)?", line)
        assert requirement is not None, line
        if requirement[1] == PROJECT["name"]:
            found |= {name for other in requirement[2].split(",") for name in declared(other)}
        else:
            found.add(plain(requirement[1]))
    return frozenset(found)


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """(package, whether importing the file imports it) of every import of somebody else's code."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    later = {
        node
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(outer, ast.If) and isinstance(outer.test, ast.Name) and outer.test.id == "TYPE_CHECKING")
        for node in ast.walk(outer)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        else:
            continue
        for name in names:
            package = name.partition(".")[0]
            if package not in sys.stdlib_module_names and package != "fdakit":
                yield package, node not in later


def distribution(package: str) -> str:
    return plain(DISTRIBUTIONS.get(package, package))


OWN = sorted((ROOT / "fdakit").rglob("*.py"))


def test_everything_that_fdakit_imports_is_declared() -> None:
    used = {package for path in OWN for package, _ in imports(path)}
    assert "numpy" in used, "the search itself finds nothing"
    lacking = {package for package in used - set(OPTIONAL) if distribution(package) not in declared()}
    assert lacking == set(), "name it in dependencies, or in an extra and in OPTIONAL"


def test_everything_that_is_declared_is_imported() -> None:
    used = {distribution(package) for path in OWN for package, _ in imports(path)}
    assert declared() - used == set()


@pytest.mark.parametrize("package", OPTIONAL)
def test_what_fdakit_works_without_stands_in_its_extra_alone_and_is_imported_when_used(package: str) -> None:
    assert distribution(package) in declared(OPTIONAL[package])
    assert distribution(package) not in declared()
    found = [(path, at_once) for path in OWN for name, at_once in imports(path) if name == package]
    assert found
    assert [path for path, at_once in found if at_once and path.name not in LOADED_WHEN_USED] == []


def test_everything_that_tests_import_is_declared() -> None:
    paths = sorted((ROOT / "tests").rglob("*.py"))
    local = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()} | {path.stem for path in paths}
    local |= {path.name.replace("-", "_") for path in (ROOT / "plugins").iterdir()}  # which lie beside fdakit
    parts = [path for path in paths if path.name not in STRANGERS]
    used = {package for path in parts for package, at_once in imports(path) if at_once} - local
    assert "pytest" in used, "the search itself finds nothing"
    known = declared() | declared("test")
    assert {package for package in used if distribution(package) not in known} == set()


def test_extras_name_other_extras_instead_of_their_packages() -> None:
    lines = [line for extra in ("bench", "test") for line in PROJECT["optional-dependencies"][extra]]
    shared = declared("opencv") | declared("plot")
    assert [line for line in lines if plain(re.split(r"[\[<>=;~! ]", line)[0]) in shared] == []
