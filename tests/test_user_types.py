"""What a stranger's type checker says of a plugin and of a program, with fdakit as it is installed (`py.typed`)."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec, resolve_name
from pathlib import Path

import pytest
from test_outside_plugin import new_environment

import fdakit

pytestmark = pytest.mark.integration

RIGHT = """
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

import fdakit
from fdakit.plugin import BuildContext, Clip, Component, MaskGenerator, Needs, Options, Place, hookimpl


class MyOptions(Options):
    floor: float = 0.2


class Mine:
    place: Place = "worker"

    def __init__(self, floor: float) -> None:
        self.needs, self.floor = Needs(neighbours=(-1,)), floor

    def __call__(self, clip: Clip) -> NDArray[np.float32]:
        return np.zeros(clip.frames.shape[:3], dtype=np.float32) + np.float32(self.floor)


def build(options: MyOptions, context: BuildContext) -> MaskGenerator:
    return Mine(options.floor)


MINE = Component("mine", "a mask", MyOptions, build)


@hookimpl
def fdakit_masks() -> Iterable[Component[MyOptions, MaskGenerator]]:
    return [MINE]


def vectors(run: str) -> fdakit.LoadedRetriever:
    return fdakit.load(run)
"""
WRONG = """
import fdakit
from fdakit import Clip as OldClip  # wrong: attr-defined
from fdakit.plugin import BuildContext, Clip, MaskGenerator, Needs, Options, Place
from fdakit.plugin import Clp  # wrong: attr-defined


class MyOptions(Options):
    floor: float = 0.2


class Mine:
    needs = Needs(neighbours="-1")  # wrong: arg-type
    place: Place = "worker"

    def __call__(self, clip: Clip) -> str:
        return clip.id


def build(options: MyOptions, context: BuildContext) -> MaskGenerator:
    return Mine()  # wrong: return-value


def frames_of(clip: Clip) -> object:
    return clip.framess  # wrong: attr-defined


loaded = fdakit.load("my-run", devise="cpu")  # wrong: call-arg
name: str = loaded.recipe  # wrong: assignment
fdakit.Retreiver  # wrong: attr-defined
"""
REVEALED = "import fdakit\n\nreveal_type(fdakit.load)\nreveal_type(fdakit.load('run'))\n"
SKIPPED = "torch.*,open_clip.*,timm.*,skimage.*,scipy.*,av.*,PIL.*,huggingface_hub.*,rich.*"  # large, and not ours
MYPY = f"[mypy]\nstrict = True\n[mypy-{SKIPPED}]\nfollow_imports = skip\nignore_missing_imports = True\n"
MARKED = {
    number: line.partition("# wrong: ")[2] for number, line in enumerate(WRONG.splitlines(), 1) if "# wrong: " in line
}
PYRIGHT = next((name for name in ("pyright", "basedpyright") if find_spec(name)), "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stranger's folder, with an environment in which fdakit is installed."""
    folder = tmp_path_factory.mktemp("theirs")
    new_environment(folder / "venv")
    for name, text in (("right", RIGHT), ("wrong", WRONG), ("revealed", REVEALED)):
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    (folder / "mypy.ini").write_text(MYPY, encoding="utf-8")
    return folder


def checked(folder: Path, *command: str) -> str:
    """What a checker prints of the files there, where fdakit lies on no path but that of the environment."""
    hidden = ("FDAKIT", "MYPY", "PYTHON") if command[0] == "mypy" else ("FDAKIT",)
    own = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=own,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def by_mypy(folder: Path) -> list[str]:
    python = str(folder / "venv" / "bin" / "python")
    files = ("right.py", "wrong.py", "revealed.py")
    told = checked(folder, "mypy", "--python-executable", python, "--no-incremental", "--no-error-summary", *files)
    return told.splitlines()


def test_mypy_finds_every_fault_of_a_plugin_and_no_other(by_mypy: list[str]) -> None:
    errors = [line for line in by_mypy if ": error: " in line]
    assert [line for line in errors if not line.startswith("wrong.py:")] == []
    assert {int(line.split(":")[1]): line.rpartition("[")[2].rstrip("]") for line in errors} == MARKED
    assert len(errors) == len(MARKED)


def test_mypy_knows_what_load_gives(by_mypy: list[str]) -> None:
    first, second = [line for line in by_mypy if line.startswith("revealed.py:")]
    assert re.search(r"Revealed type is .*-> fdakit\.inference\.loaded_retriever\.LoadedRetriever\"", first)
    assert 'Revealed type is "fdakit.inference.loaded_retriever.LoadedRetriever"' in second


@pytest.fixture(scope="module")
def by_pyright(folder: Path) -> list[tuple[str, int, str, str]]:
    """File, line, severity and message of each finding of pyright in strict mode."""
    if not PYRIGHT:
        pytest.skip("neither pyright nor basedpyright is installed")
    settings = {"typeCheckingMode": "strict", "include": ["*.py"], "venvPath": ".", "venv": "venv"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    found = json.loads(checked(folder, PYRIGHT, "--outputjson"))["generalDiagnostics"]
    return [
        (Path(one["file"]).name, one["range"]["start"]["line"] + 1, one["severity"], one["message"]) for one in found
    ]


def test_pyright_finds_the_same_faults_and_none_in_a_right_plugin(
    by_pyright: list[tuple[str, int, str, str]],
) -> None:
    assert [finding for finding in by_pyright if finding[0] == "right.py"] == []
    assert set(MARKED) <= {
        line for name, line, severity, _ in by_pyright if (name, severity) == ("wrong.py", "error")
    }


def test_pyright_knows_what_load_gives(by_pyright: list[tuple[str, int, str, str]]) -> None:
    told = [
        message for name, _, severity, message in by_pyright if (name, severity) == ("revealed.py", "information")
    ]
    assert len(told) == 2
    assert all("LoadedRetriever" in message for message in told)


PACKAGE = Path(fdakit.__file__).parent
STUBS = sorted(PACKAGE.rglob("__init__.pyi"))


@pytest.mark.parametrize("stub", STUBS, ids=lambda stub: stub.parent.name)
def test_what_type_checkers_read_is_what_is_there_at_run_time(stub: Path) -> None:
    package = ".".join(("fdakit", *stub.parent.relative_to(PACKAGE).parts))
    module, listed = import_module(package), set()
    for node in ast.parse(stub.read_text(encoding="utf-8")).body:
        assert isinstance(node, ast.ImportFrom), ast.unparse(node)
        home = import_module(resolve_name("." * node.level + (node.module or ""), package))
        for alias in node.names:
            assert alias.asname == alias.name, "without `as` it is hidden from type checkers"
            assert getattr(module, alias.name) is getattr(home, alias.name)
            listed.add(alias.name)
    assert listed == set(module.__all__) <= set(dir(module))
