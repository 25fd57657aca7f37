"""Strangers' packages: the plugins, and a copied built-in, installed beside fdakit in a new environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import fdakit

PACKAGE = Path(fdakit.__file__).parent
ROOT = PACKAGE.parent
EXAMPLE = ROOT / "plugins" / "fdakit-example"
OTHERS = tuple(
    f"fdakit-{name}" for name in ("clip4clip", "discovla", "mog2", "prompt-switch", "raft", "torchcodec", "xpool")
)

pytestmark = pytest.mark.skipif(not EXAMPLE.is_dir(), reason="the plugins lie beside fdakit only in a checkout")


def run(python: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("FDAKIT", "PYTHON"))}
    command = [str(python), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)


def new_environment(folder: Path) -> Path:
    """The Python of a new environment that also sees the packages of this one, and this fdakit."""
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder)], capture_output=True, check=True
    )
    assert made.returncode == 0
    python = next(path for path in (folder / "bin" / "python", folder / "Scripts" / "python.exe") if path.exists())
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    inside = Path(run(python, "-c", code, cwd=folder).stdout.strip())
    seen = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), str(ROOT)}
    (inside / "outer.pth").write_text("\n".join(sorted(seen)), encoding="utf-8")
    return python


def write_copied(folder: Path) -> Path:
    """A package that holds a built-in's file, unchanged."""
    folder.mkdir()
    shutil.copy(PACKAGE / "builtin" / "masks" / "whole_frame.py", folder / "copied_mask.py")
    project = """
        [build-system]
        requires = ["hatchling>=1.25"]
        build-backend = "hatchling.build"

        [project]
        name = "fdakit-copied"
        version = "3.0"

        [project.entry-points.fdakit]
        masks = "copied_mask"

        [tool.hatch.build.targets.wheel]
        only-include = ["copied_mask.py"]
    """
    (folder / "pyproject.toml").write_text(dedent(project), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with all these packages installed, as their users install them."""
    folder = tmp_path_factory.mktemp("outside")
    python = new_environment(folder / "venv")
    plugins = [
        shutil.copytree(EXAMPLE.parent / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in (EXAMPLE.name, *OTHERS)
    ]
    install = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    packages = [str(path) for path in (*plugins, write_copied(folder / "fdakit-copied"))]
    done = run(Path(sys.executable), "-m", "pip", "--python", str(python), *install, *packages, cwd=folder)
    assert done.returncode == 0, done.stderr
    return python


def tell(python: Path, *arguments: str) -> str:
    """What `fdakit` prints in the new environment."""
    done = run(python, "-m", "fdakit", *arguments, cwd=python.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.integration
def test_the_new_environment_runs_this_fdakit(python: Path) -> None:
    assert Path(run(python, "-c", "import fdakit; print(fdakit.__file__)", cwd=python.parent).stdout.strip()) == Path(
        str(fdakit.__file__)
    )


@pytest.mark.integration
def test_all_packages_are_found_under_their_names_and_versions(python: Path) -> None:
    found: dict[str, Any] = json.loads(tell(python, "plugins", "--json"))
    assert found["broken"] == []
    outside = [
        (p["kind"], p["name"], p["provider"], p["version"]) for p in found["parts"] if p["provider"] != "fdakit"
    ]
    assert ("mask", "colourful", "fdakit-example", "0.1.0") in outside
    assert ("mask", "whole-frame", "fdakit-copied", "3.0") in outside
    assert ("mask", "mog2", "fdakit-mog2", "0.1.0") in outside
    assert ("mask", "raft", "fdakit-raft", "0.1.0") in outside
    assert ("aggregator", "seq-transformer", "fdakit-clip4clip", "0.1.0") in outside
    assert ("objective", "frame-token-distillation", "fdakit-discovla", "0.1.0") in outside
    assert ("matcher", "xpool", "fdakit-xpool", "0.1.0") in outside
    assert ("encoder", "prompt-switch", "fdakit-prompt-switch", "0.1.0") in outside
    assert ("reader", "torchcodec", "fdakit-torchcodec", "0.1.0") in outside


@pytest.mark.integration
def test_the_example_is_shown_and_can_be_chosen(python: Path) -> None:
    shown = tell(python, "show", "mask", "colourful")
    assert shown.startswith("mask 'colourful' (fdakit-example 0.1.0)")
    assert "floor" in shown
    choose = ["--set", "mask.use=colourful", "--set", "mask.floor=0.3"]
    (result,) = json.loads(tell(python, "check", "quickstart", "--json", *choose))
    assert "mask 'colourful' (fdakit-example 0.1.0)" in result["parts"]


@pytest.mark.integration
def test_a_built_in_that_was_copied_unchanged_works_and_is_chosen_by_its_provider(python: Path) -> None:
    for provider, version in (("fdakit-copied", "3.0"), ("fdakit", fdakit.__version__)):
        choose = ["--set", f"mask.use={provider}:whole-frame"]
        (result,) = json.loads(tell(python, "check", "quickstart", "--json", *choose))
        assert f"mask 'whole-frame' ({provider} {version})" in result["parts"]
    bare = run(python, "-m", "fdakit", "check", "quickstart", "--set", "mask.use=whole-frame", cwd=python.parent)
    assert bare.returncode == 2
    assert "choose one: fdakit:whole-frame, fdakit-copied:whole-frame" in bare.stderr
    code = "from copied_mask import WHOLE_FRAME; from fdakit.testing import check_mask; check_mask(WHOLE_FRAME)"
    assert run(python, "-c", code, cwd=python.parent).stderr == ""


@pytest.mark.integration
def test_the_examples_own_test_passes_there(python: Path, tmp_path: Path) -> None:
    tests = shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    done = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
