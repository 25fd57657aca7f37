"""Runs that torchrun itself starts: on one machine, and as two machines, each with a torchrun of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from fdakit.experiment.run_folder import recipe_text
from fdakit.recipe.recipe import Recipe

ROOT = Path(__file__).parents[2]
TORCHRUN = (sys.executable, "-m", "torch.distributed.run")
pytestmark = [pytest.mark.integration, pytest.mark.proof]


@pytest.fixture
def recipe(make_recipe: Callable[..., Recipe], tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(recipe_text(make_recipe(train={"epochs": 2, "batch_size": 4, "micro_batch": 2})))
    return path


def together(commands: Sequence[Sequence[str]], *, cwd: Path) -> list[str]:
    """What commands print that run side by side; each must end well."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    wide = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    started = [
        subprocess.Popen(command, cwd=cwd, env=wide, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for command in commands
    ]
    said = [one.communicate(timeout=300)[0] for one in started]
    for one, words in zip(started, said, strict=True):
        assert one.returncode == 0, words[-3000:]
    return said


def report(run: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((run / "report.json").read_text())
    return found


def test_one_machine_and_two_make_the_same_run(recipe: Path, tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    job = ("-m", "fdakit", "run", str(recipe), "--out")
    together([(*TORCHRUN, "--standalone", "--nproc-per-node", "2", *job, "one")], cwd=tmp_path)
    meeting = ("--rdzv-backend", "c10d", "--rdzv-id", "trial", "--rdzv-endpoint", f"localhost:{port}")
    node = (*TORCHRUN, "--nnodes", "2", "--nproc-per-node", "1", *meeting, *job, "two")
    together([node, node], cwd=tmp_path)
    assert report(tmp_path / "one") == report(tmp_path / "two")
    print("one torchrun of two processes and two of one each: equal reports, weights included")
