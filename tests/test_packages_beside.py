"""Packages in `plugins/` whose tests do not run with those here: they pass, and the catalog imports nothing heavy."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[1] / "plugins"
KINDS = {"prompt-switch": ["sampler", "encoder"], "torchcodec": ["reader"], "wandb": ["observer"]}
"""The kinds of the parts of each that have its name."""

pytestmark = pytest.mark.skipif(not PLUGINS.is_dir(), reason="the plugins lie beside fdakit only in a checkout")
NAMES = pytest.mark.parametrize("name", KINDS)


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the folder of a package, with it and fdakit on the path."""
    folder = PLUGINS / f"fdakit-{name}"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(folder), str(PLUGINS.parent)]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.integration
@NAMES
def test_its_own_tests_pass(name: str) -> None:
    options = ("-q", "-rs", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".")
    done = run(name, "-m", "pytest", *options, "tests")
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)  # the reasons of what was skipped


@pytest.mark.integration
@NAMES
def test_the_catalog_takes_it_and_nothing_is_imported_for_that(name: str) -> None:
    module = f"fdakit_{name.replace('-', '_')}"
    code = (
        f"import sys, {module}; from fdakit.catalog import load_catalog\n"
        f"offers = load_catalog(extra=[{module}]).offers\n"
        f"print([o.kind for o in offers if o.component.name == {name!r}])\n"
        f"print([heavy for heavy in ('torch', 'av', {name!r}) if heavy in sys.modules])"
    )
    done = run(name, "-c", code)
    assert done.stdout.splitlines() == [str(KINDS[name]), "[]"], done.stderr


@NAMES
def test_its_entry_point_names_its_module(name: str) -> None:
    folder = PLUGINS / f"fdakit-{name}"
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["fdakit"] == {name: (module := f"fdakit_{name.replace('-', '_')}")}
    assert (folder / f"{module}.py").is_file() or (folder / module / "__init__.py").is_file()
