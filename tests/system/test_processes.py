"""A child is gone soon after its parent, at whatever moment the parent is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="ends by signal")

PARENT = """
import os, sys, threading, time
sys.path.insert(0, {folder!r})
from fdakit.system.processes import spawn_context
import slow_work
def begin():
    process = spawn_context().Process(target=slow_work.work, daemon=True)
    process.start()
    print(process.pid, flush=True)
    return process
if __name__ == "__main__":
    begin()
    if {in_thread}:
        thread = threading.Thread(target=begin)
        thread.start()
        thread.join()
    time.sleep({wait})
    os.kill(os.getpid(), 9)
"""
QUICK = """
import time
def work():
    time.sleep(600)
"""


SLOW = """
import time
class Work:
    def __call__(self):
        pass
    def __reduce__(self):
        return time.sleep, (600,)  # as an import that never ends
work = Work()
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")  # in a container without an init, the dead stay listed
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def gone(pids: list[int], *, within: float) -> bool:
    end = time.monotonic() + within
    while any(map(alive, pids)):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def children_of_the_killed(tmp_path: Path, *, wait: float, work: str, in_thread: bool = False) -> list[int]:
    (tmp_path / "slow_work.py").write_text(work)
    script = tmp_path / "parent.py"
    script.write_text(PARENT.format(folder=str(tmp_path), wait=wait, in_thread=in_thread))
    done = subprocess.run([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == -9
    return [int(line) for line in done.stdout.split()]


@pytest.mark.integration
@pytest.mark.parametrize("wait", [0.0, 0.05, 0.3, 1.0])
def test_a_child_does_not_outlive_a_parent_that_is_killed(tmp_path: Path, wait: float) -> None:
    assert gone(children_of_the_killed(tmp_path, wait=wait, work=QUICK), within=20)


@pytest.mark.integration
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal is Linux's")
def test_nor_one_that_is_still_importing(tmp_path: Path) -> None:
    pids = children_of_the_killed(tmp_path, wait=2.0, work=SLOW)
    assert gone(pids, within=20)


@pytest.mark.integration
def test_children_of_a_thread_live_on_after_it_and_end_with_the_process(tmp_path: Path) -> None:
    pids = children_of_the_killed(tmp_path, wait=1.0, work=QUICK, in_thread=True)
    assert len(pids) == 2
    assert gone(pids, within=20)
