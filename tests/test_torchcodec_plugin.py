"""The torchcodec reader in `plugins/`: its own tests pass, and the catalog takes it beside the built-in reader."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parents[1] / "plugins" / "fdakit-torchcodec"

pytestmark = pytest.mark.skipif(not PLUGIN.is_dir(), reason="the plugins lie beside fdakit only in a checkout")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(PLUGIN), str(PLUGIN.parents[1])])
    command = [sys.executable, *arguments]
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=PLUGIN, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.integration
def test_its_own_tests_pass() -> None:
    done = run("-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".", "tests")
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)  # the reasons of what was skipped


@pytest.mark.integration
def test_the_catalog_takes_it_and_nothing_is_imported_for_that() -> None:
    code = (
        "import sys, fdakit_torchcodec; from fdakit.catalog import load_catalog\n"
        "offers = load_catalog(extra=[fdakit_torchcodec]).offers\n"
        "print([o.component.name for o in offers if o.kind == 'reader'])\n"
        "print([name for name in ('torch', 'torchcodec', 'av') if name in sys.modules])"
    )
    done = run("-c", code)
    assert done.stdout.splitlines() == ["['pyav', 'torchcodec']", "[]"], done.stderr


def test_its_entry_point_names_its_module() -> None:
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["fdakit"] == {"torchcodec": "fdakit_torchcodec"}
    assert (PLUGIN / "fdakit_torchcodec.py").is_file()
