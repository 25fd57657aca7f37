"""Guarded processes: every task has an outcome, whatever becomes of the others and of their processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import video_faults

from fdakit.system.piped_process import ending
from fdakit.system.process_pool import Failure, WakingClock, run_isolated
from fdakit.system.stop_signals import LEFT_TO_PARENT

posix = pytest.mark.skipif(sys.platform == "win32", reason="ends by signal")


def outcomes(tasks: list[str], *, jobs: int = 2, time_limit: float = 0.0) -> dict[str, str | Failure]:
    found = list(run_isolated(video_faults.work_on, tasks, jobs=jobs, time_limit=time_limit))
    assert sorted(task for task, _ in found) == sorted(tasks)
    return dict(found)


@pytest.mark.integration
@posix
def test_every_task_has_its_outcome() -> None:
    tasks = ["one", "raise alarm", "die 9", "two", "sleep 60", "die 11", "three", "four"]
    found = outcomes(tasks, time_limit=2.0)
    assert {task: found[task] for task in ("one", "two", "three", "four")} == {
        task: f"{task} done" for task in ("one", "two", "three", "four")
    }
    assert found["raise alarm"] == Failure("ValueError: alarm")
    assert found["die 9"] == Failure("its reading process was killed (SIGKILL)")
    assert found["die 11"] == Failure("its reading process crashed (SIGSEGV)")
    assert found["sleep 60"] == Failure("took longer than 2 s and was stopped")


@pytest.mark.integration
@posix
@pytest.mark.parametrize("number", sorted(LEFT_TO_PARENT))
def test_a_signal_that_the_parent_handles_ends_no_worker(number: int) -> None:
    assert outcomes([f"die {number}"]) == {f"die {number}": f"die {number} done"}


def test_no_tasks_start_no_process() -> None:
    assert outcomes([]) == {}


@pytest.mark.integration
def test_the_limit_is_each_tasks_own() -> None:
    found = outcomes(["sleep 0.8", "sleep 0.8 ", "sleep 0.8  "], jobs=1, time_limit=2.0)
    assert not [value for value in found.values() if isinstance(value, Failure)]


@pytest.mark.integration
@posix
def test_leaving_early_ends_the_processes() -> None:
    from multiprocessing import active_children

    before = set(active_children())
    working = run_isolated(video_faults.work_on, ["one", "sleep 600"], jobs=2, time_limit=0)
    assert next(working)[0] == "one"
    mine = set(active_children()) - before
    assert mine
    working.close()
    assert not [process for process in mine if process.is_alive()]


ORPHANS = """
import os, sys
sys.path.insert(0, sys.argv[1])
from helpers import video_faults
from multiprocessing import active_children
from fdakit.system.process_pool import run_isolated
if __name__ == "__main__":
    for task, outcome in run_isolated(video_faults.work_on, ["one", "sleep 600", "sleep 601"], jobs=2, time_limit=0):
        print(*(process.pid for process in active_children()), flush=True)
        os.kill(os.getpid(), 9)
"""


@pytest.mark.integration
@posix
def test_no_process_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "orphans.py"
    script.write_text(ORPHANS)
    done = subprocess.run(
        [sys.executable, str(script), str(Path(video_faults.__file__).parents[1])],
        capture_output=True,
        text=True,
        timeout=60,
    )
    children = [int(pid) for pid in done.stdout.split()]
    assert done.returncode == -9
    assert children
    for _ in range(200):
        if not [pid for pid in children if alive(pid)]:
            return
        time.sleep(0.1)
    pytest.fail("a process lives on without its parent")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")  # in a container without an init, the dead stay listed
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


UNGUARDED = """
import sys
sys.path.insert(0, sys.argv[1])
from helpers import video_faults
from fdakit.errors import FdakitError
from fdakit.system.process_pool import run_isolated
try:
    list(run_isolated(video_faults.work_on, ["one"], jobs=1, time_limit=0))
except FdakitError as error:
    print(error)
"""


@pytest.mark.integration
def test_a_script_without_a_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(UNGUARDED)
    done = subprocess.run(
        [sys.executable, str(script), str(Path(video_faults.__file__).parents[1])],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert 'needs `if __name__ == "__main__":`' in done.stdout


def test_time_asleep_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = WakingClock()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 3600)
    clock.tick()
    assert 0 < clock.now < 10


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended with exit code 0"),
        (3, "ended with exit code 3"),
        (-9, "was killed (SIGKILL)"),
        (-11, "crashed (SIGSEGV)"),
        (-99, "crashed (signal 99)"),
        (None, "does not end, even when killed"),
    ],
)
@posix
def test_ends_in_words(code: int | None, words: str) -> None:
    assert ending(code) == words
