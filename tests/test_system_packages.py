"""Packages in `plugins/` that bring whole systems: their own tests and both type checkers pass, imports are light."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from helpers.shipped import NEEDS
from test_user_types import PYRIGHT, SKIPPED

PLUGINS = Path(__file__).parents[1] / "plugins"
PARTS = {
    "clip4clip": [
        ("sampler", "clip4clip"),
        ("aggregator", "seq-lstm"),
        ("aggregator", "seq-transformer"),
        ("optimiser", "bert-adam"),
    ],
    "discovla": [("objective", "frame-token-distillation")],
    "xpool": [("matcher", "xpool")],
}
HEAVY = ("torch", "torchvision", "open_clip", "av")
PUBLIC = ("plugin", "mask_ops", "dataset_files", "model", "video", "testing")

pytestmark = [
    pytest.mark.skipif(not PLUGINS.is_dir(), reason="the plugins lie beside fdakit only in a checkout"),
    pytest.mark.parametrize("name", PARTS),
]


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the folder of a package, with it and fdakit on the path."""
    folder = PLUGINS / f"fdakit-{name}"
    path = os.pathsep.join([str(folder), str(PLUGINS.parent)])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.mark.integration
def test_its_own_tests_pass(name: str) -> None:
    options = ("-q", "-rs", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".")
    done = run(name, "-m", "pytest", *options, "tests")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.integration
def test_the_catalog_takes_it_and_nothing_is_imported_for_that(name: str) -> None:
    module = f"fdakit_{name.replace('-', '_')}"
    code = (
        f"import sys, {module} as plugin; from fdakit.catalog import load_catalog\n"
        "offers = [o for o in load_catalog(extra=[plugin]).offers if o.provider.version == 'local']\n"
        f"print([(o.kind, o.component.name) for o in offers])\n"
        f"print([heavy for heavy in {HEAVY!r} if heavy in sys.modules])"
    )
    done = run(name, "-c", code)
    assert done.stdout.splitlines() == [str(PARTS[name]), "[]"], done.stderr


@pytest.mark.integration
def test_both_type_checkers_find_nothing(name: str, tmp_path: Path) -> None:
    folder = PLUGINS / f"fdakit-{name}"
    settings = f"[mypy]\nstrict = True\nmypy_path = {PLUGINS.parent}:{folder}\ncache_dir = {tmp_path}\n"
    settings += f"[mypy-{SKIPPED},pytest.*]\nfollow_imports = skip\nignore_missing_imports = True\n"
    for path in folder.glob("fdakit_*/_*.py"):  # without torch, nn.Module is Any
        settings += f"[mypy-{path.parent.name}.{path.stem}]\ndisallow_subclassing_any = False\n"
    (tmp_path / "mypy.ini").write_text(f"{settings}[mypy-fdakit.*]\nfollow_imports = silent\n")
    files = [str(path) for path in sorted(folder.glob("fdakit_*/*.py"))]
    done = run(name, "-m", "mypy", "--config-file", str(tmp_path / "mypy.ini"), *files)
    assert done.returncode == 0, done.stdout + done.stderr
    if not PYRIGHT:
        pytest.skip("neither pyright nor basedpyright is installed")
    options: dict[str, Any] = {"typeCheckingMode": "strict", "include": sorted(map(str, folder.glob("fdakit_*")))}
    options |= {"extraPaths": [str(PLUGINS.parent), str(folder)], "reportMissingTypeStubs": False}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(options), encoding="utf-8")
    command = (sys.executable, "-m", PYRIGHT, "-p", str(tmp_path), "--pythonpath", sys.executable)
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_it_imports_public_names_only(name: str) -> None:
    for path in sorted((PLUGINS / f"fdakit-{name}").glob("fdakit_*/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module or ""]
            for module in modules:
                head, _, rest = module.partition(".")
                assert head != "fdakit" or rest in PUBLIC, f"{path.name}: {module}"


def test_its_entry_point_names_its_module(name: str) -> None:
    folder, module = PLUGINS / f"fdakit-{name}", f"fdakit_{name.replace('-', '_')}"
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == folder.name
    assert project["entry-points"]["fdakit"] == {name: module}
    assert (folder / module / "__init__.py").is_file()


def test_recipes_of_it_ship(name: str) -> None:
    assert any(f"fdakit-{name}" in packages for packages in NEEDS.values())
