"""Gradients of processes that torchrun connects, by `DistributedDataParallel` where it serves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.mark.integration
@pytest.mark.parametrize("size", [pytest.param(2, id="two"), pytest.param(4, id="four", marks=pytest.mark.proof)])
def test_gradients_of_processes_are_those_of_one(size: int) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(size)]
    paths = os.pathsep.join([str(TESTS.parent), str(TESTS), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*torchrun, str(TESTS / "helpers" / "rank_program.py")],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"6 cases on {size} ranks" in done.stdout
