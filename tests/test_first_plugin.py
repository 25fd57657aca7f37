"""docs/plugins/first_plugin.md, followed to the letter in an empty folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_outside_plugin import new_environment

from fdakit.cli.commands.new import STEPS, TRIAL

PAGE = Path(__file__).parents[1] / "docs" / "plugins" / "first_plugin.md"
INSTALL = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
RUN = "fdakit run quickstart --set mask.use=colourful --set dataset.clips=128 --set train.epochs=2"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the pages lie beside fdakit only in a checkout")


def steps() -> Iterator[tuple[str, str]]:
    """(file, content) and ("", command) in the order of the page."""
    fenced = re.compile(r"(?:<!-- file: (\S+) -->\n)?^```(\w*)\n(.*?)^```", re.M | re.S)
    for name, language, text in fenced.findall(PAGE.read_text(encoding="utf-8")):
        if name:
            yield Path(name).name, text
        elif not language:
            yield from (("", command) for command in text.splitlines())


def command_of(command: str, python: Path) -> list[str]:
    """The command in the new environment, without the network."""
    word, *rest = shlex.split(command)
    if word == "pip":
        return [sys.executable, "-m", "pip", "--python", str(python), *INSTALL, *rest[1:]]
    return [str(python), *(["-m", "fdakit"] if word == "fdakit" else []), *rest]


@pytest.mark.integration
def test_the_tutorial_works_to_the_letter_in_an_empty_folder(tmp_path: Path) -> None:
    python, folder = new_environment(tmp_path / "venv"), tmp_path / "empty"
    folder.mkdir()
    own = {name: value for name, value in os.environ.items() if not name.startswith(("FDAKIT", "PYTHON"))}
    environment = {**own, "FDAKIT_CACHE": str(tmp_path / "cache"), "COLUMNS": "100"}
    told: list[tuple[str, str]] = []
    for name, text in steps():
        if name:
            folder = tmp_path / "by-hand"
            folder.mkdir(exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
            continue
        if text.startswith("cd "):
            folder /= text.removeprefix("cd ")
            continue
        command = command_of(text, python)
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False
        )
        assert done.returncode == 0, f"{text}: {done.stdout}{done.stderr}"
        told.append((text, done.stdout))
    first, second = dict(told[:5]), dict(told[5:])
    assert list(first) == ["fdakit new mask glow", *STEPS, *TRIAL]
    assert first["fdakit new mask glow"].startswith("fdakit-glow: a package with the mask 'glow'")
    assert "2 passed" in first["python -m pytest"]
    assert "text to video" in first["fdakit run recipe.toml"]
    assert list(second) == [
        "pip install .",
        "fdakit plugins",
        "fdakit show mask colourful",
        RUN,
        "pip install pytest",
        "python -m pytest",
    ]
    assert re.search(r"mask +colourful +fdakit-example 0\.1\.0", second["fdakit plugins"])
    assert "broken" not in second["fdakit plugins"]
    assert "floor" in second["fdakit show mask colourful"]
    assert "text to video" in second[RUN]
    assert "1 passed" in second["python -m pytest"]
