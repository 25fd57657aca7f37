"""The masks in `plugins/`: their own tests pass, and the catalog takes them beside the built-in ones."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[1] / "plugins"
NAMES = ("mog2", "raft")
HEAVY = ("torch", "torchvision", "cv2", "skimage", "av")

pytestmark = [
    pytest.mark.skipif(not PLUGINS.is_dir(), reason="the plugins lie beside fdakit only in a checkout"),
    pytest.mark.parametrize("name", NAMES),
]


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    folder = PLUGINS / f"fdakit-{name}"
    path = os.pathsep.join([str(folder), str(PLUGINS.parent)])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.integration
def test_its_own_tests_pass(name: str) -> None:
    done = run(
        name, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".", "tests"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)  # the reasons of what was skipped


@pytest.mark.integration
def test_the_catalog_takes_it_and_nothing_is_imported_for_that(name: str) -> None:
    code = (
        f"import sys, fdakit_{name} as plugin; from fdakit.catalog import load_catalog\n"
        "offers = load_catalog(extra=[plugin]).offers\n"
        f"print([o.kind for o in offers if o.component.name == {name!r}])\n"
        f"print([heavy for heavy in {HEAVY!r} if heavy in sys.modules])"
    )
    done = run(name, "-c", code)
    assert done.stdout.splitlines() == ["['mask']", "[]"], done.stderr


def test_its_entry_point_names_its_module(name: str) -> None:
    project = tomllib.loads((PLUGINS / f"fdakit-{name}" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["fdakit"] == {name: f"fdakit_{name}"}
    assert (PLUGINS / f"fdakit-{name}" / f"fdakit_{name}.py").is_file()
