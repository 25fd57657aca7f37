"""Looking things up must stay instant: nothing heavy is imported until something is built or read."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "open_clip", "timm", "skimage", "scipy", "av")
COMMANDS = {
    "--help": ["--help"],
    "check": ["check", "fda_msvd"],
    "check with faults": ["check", "fda_msvd", "--set", "mask.thresold=1"],
    "plugins": ["plugins"],
    "show a kind": ["show", "mask"],
    "show a part": ["show", "mask", "frame-difference"],
    "show a table": ["show", "train"],
    "schema": ["schema"],
    "a command's help": ["run", "--help"],
    "masks help": ["masks", "--help"],
    "bench masks help": ["bench", "masks", "--help"],
    "metrics help": ["metrics", "--help"],
    "compare help": ["compare", "--help"],
    "report help": ["report", "--help"],
    "data help": ["data", "check", "--help"],
}
SCRIPT = f"""
import contextlib, io, json, sys
heavy = lambda: [name for name in {HEAVY!r} if name in sys.modules]
import fdakit
found = {{"import fdakit": heavy()}}
from fdakit.cli.main import execute
for name, arguments in {COMMANDS!r}.items():
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = execute(arguments)
    assert code == (2 if "faults" in name else 0), (name, code)
    found[name] = heavy()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found() -> dict[str, list[str]]:
    """After each step of one fresh process, the heavy modules that it holds."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded: dict[str, list[str]] = json.loads(done.stdout)
    return loaded


@pytest.mark.parametrize("step", ["import fdakit", *COMMANDS])
def test_nothing_heavy_is_imported(found: dict[str, list[str]], step: str) -> None:
    assert found[step] == []
