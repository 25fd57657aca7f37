"""The observer in `plugins/fdakit-wandb`: its own tests pass, and the catalog takes it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parents[1] / "plugins" / "fdakit-wandb"

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
        "import sys, fdakit_wandb; from fdakit.catalog import load_catalog\n"
        "offers = load_catalog(extra=[fdakit_wandb]).offers\n"
        "print([o.kind for o in offers if o.component.name == 'wandb'])\n"
        "print([name for name in ('torch', 'wandb') if name in sys.modules])"
    )
    assert run("-c", code).stdout.splitlines() == ["['observer']", "[]"]


def test_its_entry_point_names_its_module() -> None:
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["fdakit"] == {"wandb": "fdakit_wandb"}
    assert (PLUGIN / "fdakit_wandb.py").is_file()
