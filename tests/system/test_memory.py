"""Memory of this process, as the system tells it."""

from __future__ import annotations

import os
import subprocess

import numpy as np
import pytest
import torch

from fdakit.system.memory import peak_memory, used_memory

CPU = torch.device("cpu")


def test_what_is_held_is_counted_and_the_peak_stays_when_it_is_given_back() -> None:
    before = used_memory(CPU)
    held = np.ones(25_000_000)  # 200 MB, every page written
    during = used_memory(CPU)
    del held
    assert during - before > 150e6
    assert used_memory(CPU) < during
    assert peak_memory(CPU) >= 0.95 * during


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="ps is asked in KB as on Linux")  # noqa: PTH110
def test_it_is_what_ps_says() -> None:
    found = subprocess.run(["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip("no ps here")
    assert used_memory(CPU) == pytest.approx(1024 * int(found.stdout), rel=0.1)
