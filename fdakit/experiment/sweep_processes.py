"""Runs of a sweep side by side, each in a process of its own: one that fails or dies stops no other."""

from __future__ import annotations

import os
import signal
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, TextIO

import torch

from fdakit.system.piped_process import ending, interrupts_held
from fdakit.system.processes import spawn_context
from fdakit.system.stop_signals import Terminated, signals_as_interrupt, stop_request

from .sweep_members import Member, RunFailure, run_member

Tell = Callable[[str], None]
_BEAT = 1.0  # seconds between two looks at the processes
_NEWS = 30.0  # seconds between two lines on how far a run is


def run_side_by_side(
    members: Sequence[Member], *, jobs: int, tell: Tell
) -> Generator[tuple[Member, RunFailure | None], None, None]:
    """Make every run, up to `jobs` at a time, and yield each as it ends, with its failure if it failed.

    The threads of this process are divided among the runs, and its GPUs dealt out to them in turn. What a run prints
    goes to its log. Ctrl-C, SIGTERM or SIGUSR1 asks every run to stop after its step, waits until they have saved,
    and is then raised; a second one kills them, and so does leaving early. A killed parent takes them with it.
    """
    waiting, running = deque(members), list[_Process]()
    free = deque(range(jobs))
    with stop_request() as asked:
        try:
            while (waiting or running) and not asked.is_set():
                while waiting and free:
                    running.append(_Process(waiting.popleft(), slot=free.popleft(), jobs=jobs))
                    tell(f"{running[-1].member.label}: started, log in {running[-1].member.log}")
                wait([one.pipe for one in running], timeout=_BEAT)
                for one in [one for one in running if one.over()]:
                    running.remove(one)
                    free.append(one.slot)
                    yield one.member, one.outcome()
                for news in filter(None, [one.news() for one in running]):
                    tell(news)
            if asked.is_set():
                _stop(running, tell)
                raise KeyboardInterrupt if asked.signal == signal.SIGINT else Terminated(asked.signal)
        finally:
            for one in running:
                one.kill()


def _stop(running: Sequence[_Process], tell: Tell) -> None:
    """Ask the runs to stop and wait until they have saved."""
    tell(f"stopping {len(running)} runs after their steps; Ctrl-C again kills them")
    for one in running:
        one.terminate()
    for one in running:
        one.join()


class _Process:
    """A process and its run."""

    def __init__(self, member: Member, *, slot: int, jobs: int) -> None:
        self.member, self.slot = member, slot
        self._looked = time.monotonic()
        threads = max(1, torch.get_num_threads() // jobs)
        member.log.parent.mkdir(parents=True, exist_ok=True)
        context = spawn_context()
        self.pipe, far = context.Pipe(duplex=False)
        self._process = context.Process(target=_work, args=(member, threads, far), name=member.label)
        with _environment(OMP_NUM_THREADS=str(threads), **_own_gpu(slot)), interrupts_held():
            self._process.start()
        far.close()

    def over(self) -> bool:
        """Return whether the process has sent its outcome or ended."""
        return self.pipe.poll() or not self._process.is_alive()

    def outcome(self) -> RunFailure | None:
        """Return why the run failed; None if it has finished."""
        try:
            said: RunFailure | None = self.pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            said = RunFailure(f"its process {ending(self._process.exitcode)}; see {self.member.log}", True)
        self._process.join()
        self.pipe.close()
        return said

    def news(self) -> str:
        """Return how far the run is, now and then: the last line of its log."""
        if time.monotonic() - self._looked < _NEWS:
            return ""
        self._looked = time.monotonic()
        line = _last_line(self.member.log)
        return f"{self.member.label}: {line}" if line else ""

    def terminate(self) -> None:
        """Ask the run to stop."""
        self._process.terminate()

    def join(self) -> None:
        """Wait for the end."""
        self._process.join()

    def kill(self) -> None:
        """End the process if it has not ended."""
        self._process.kill()
        self._process.join()
        self.pipe.close()


def _own_gpu(slot: int) -> dict[str, str]:
    """Return the setting that leaves a run one GPU, if there are several."""
    count = torch.cuda.device_count()
    if count < 2:
        return {}
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = seen.split(",") if seen else [str(number) for number in range(count)]
    return {"CUDA_VISIBLE_DEVICES": names[slot % count]}


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Set variables of the environment while a process is started, which inherits them."""
    former = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in former.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _last_line(path: Path) -> str:
    """Return the last line of a log; "" if there is none."""
    with suppress(OSError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        lines = file.read().decode("utf-8", "replace").splitlines()
        return lines[-1] if lines else ""
    return ""


def _work(member: Member, threads: int, pipe: Connection[Any, Any]) -> None:
    """Make the run in this process, which never gets Ctrl-C or SIGUSR1: its parent asks it to stop by SIGTERM."""
    outcome: RunFailure | None = None
    with member.log.open("a", encoding="utf-8") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
        torch.set_num_threads(threads)
        warnings.showwarning = lambda message, *more, **also: _note(log, f"warning: {message}")
        try:
            with signals_as_interrupt():
                run_member(member)
        except KeyboardInterrupt:
            outcome = RunFailure("was stopped and saved; the same command resumes it")
        except Exception as error:  # noqa: BLE001 - it is told by the parent, beside the other runs
            outcome = RunFailure.of(error, member)
        if outcome is not None:
            _note(log, outcome.reason)
    pipe.send(outcome)


def _note(log: TextIO, text: str) -> None:
    """Write a line to a log."""
    log.write(f"{text}\n")
    log.flush()
