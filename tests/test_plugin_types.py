"""Type checkers find nothing in the packages of `tests/packages`, nor in those that `fdakit new` writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_outside_kinds import has_video_prism
from test_outside_plugin import ROOT
from test_user_types import PYRIGHT, SKIPPED

from fdakit.scaffold import kinds, plan_package

PACKAGES = Path(__file__).parent / "packages"

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The folder of outside packages, and a new package of each kind."""
    new = tmp_path_factory.mktemp("packages")
    for kind in kinds():
        plan_package(kind, f"soft-{kind.replace('_', '-')}").write(new / kind)
    return [PACKAGES, *(new / kind for kind in kinds())]


def check(*command: str, cwd: Path, path: str = "") -> None:
    """Run a type checker of this environment; it must find nothing."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("FDAKIT", "MYPY", "PYTHONPATH"))}
    own |= {"PYTHONPATH": path} if path else {}
    words = (sys.executable, "-m", *command)
    done = subprocess.run(words, cwd=cwd, env=own, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy_finds_nothing(folders: list[Path], tmp_path: Path) -> None:
    files = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    settings = f"[mypy]\nstrict = True\nmypy_path = {ROOT}\ncache_dir = {tmp_path}\n"
    settings += f"[mypy-{SKIPPED},transformers.*,pytest.*]\nfollow_imports = skip\nignore_missing_imports = True\n"
    for path in files:
        if path.name.startswith("_"):  # without torch, nn.Module is Any
            settings += f"[mypy-{path.stem}]\ndisallow_subclassing_any = False\n"
    (tmp_path / "mypy.ini").write_text(f"{settings}[mypy-fdakit.*]\nfollow_imports = silent\n")
    check("mypy", "--config-file", str(tmp_path / "mypy.ini"), *map(str, files), cwd=tmp_path)


def test_pyright_finds_nothing(folders: list[Path], tmp_path: Path) -> None:
    if not PYRIGHT:
        pytest.skip("neither pyright nor basedpyright is installed")
    names = list(map(str, folders))
    settings: dict[str, Any] = {"typeCheckingMode": "strict", "include": names, "extraPaths": [str(ROOT), *names]}
    settings["reportMissingTypeStubs"] = False  # open_clip has none
    settings["exclude"] = [] if has_video_prism() else ["**/*video_prism.py"]
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    path = os.environ.get("PYTHONPATH", "")
    check(PYRIGHT, "-p", str(tmp_path), "--pythonpath", sys.executable, cwd=tmp_path, path=path)
