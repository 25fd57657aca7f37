"""Supervised loader workers: a stuck file is named and given up, a killed worker reported.

torch's own time limit names no file, and its handler for dead workers raises in the middle of whatever the main
process does. So each worker records what it reads in memory shared with the main process; a thread there kills a
worker that takes too long; and dead workers are handled only where a batch is fetched.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

import torch

from fdakit.errors import FdakitError
from fdakit.system.process_pool import ending, interrupts_held
from fdakit.system.processes import spawn_context
from fdakit.values import VideoRef

_PID, _VIDEO, _BEGUN = range(3)
_NOTHING = -1
_PATIENCE = 5.0  # seconds for a process that has closed its pipes to exit
_CRASHES = (signal.SIGSEGV, signal.SIGFPE, signal.SIGILL)
"""Signals that a file can cause in a decoder; exhausted memory causes others (SIGKILL, SIGBUS, SIGABRT)."""


class Source(Protocol):
    """What workers read from; `on_read` is called before a video is read, `left_out` videos are not read at all."""

    videos: tuple[VideoRef, ...]
    left_out: dict[str, str]
    time_limit: float
    on_read: Callable[[VideoRef], None] | None

    def __getitem__(self, draw: Any) -> Any: ...


def read_in_workers(
    source: Source, plan: Sequence[Any], *, collate: Callable[..., Any], workers: int, prefetch: int
) -> Iterator[Any]:
    """Yield the batches of a plan in its order, read by `workers` spawned processes.

    A video that takes a worker longer than `source.time_limit` seconds, or crashes it, is added to `source.left_out`;
    the workers are restarted and the plan continues. Raises `FdakitError` if a worker is killed from outside.
    """
    done = 0
    while done < len(plan):
        crew = _WorkerPool(source, plan[done:], collate=collate, workers=workers, prefetch=prefetch)
        try:
            for batch in crew.batches():
                yield batch
                done += 1
        finally:
            crew.dismiss()


class _WorkerStatus:
    """A row a worker: its process id, the index of the video it reads, and how many it has started."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._cells = spawn_context().RawArray(
            "q", 3 * workers
        )  # one writer a row, so no lock that a killed worker could hold

    def begin(self, worker: int, video: int) -> None:
        place = 3 * worker
        self._cells[place + _PID], self._cells[place + _VIDEO] = os.getpid(), video
        self._cells[place + _BEGUN] += 1

    def rest(self, worker: int) -> None:
        self._cells[3 * worker + _VIDEO] = _NOTHING

    def row(self, worker: int) -> tuple[int, int, int]:
        pid, video, begun = self._cells[3 * worker : 3 * worker + 3]
        return (pid, video, begun) if pid else (0, _NOTHING, 0)


class _TrackedDataset:
    """The data set in a worker: records on the status board what it reads."""

    def __init__(self, source: Source, board: _WorkerStatus) -> None:
        self._source = source
        self._board = board
        self._numbers = {video.id: number for number, video in enumerate(source.videos)}

    def __getitem__(self, draw: Any) -> Any:
        info = torch.utils.data.get_worker_info()
        worker = info.id if info is not None else 0
        self._source.on_read = partial(self._begin, worker)
        try:
            return self._source[draw]
        finally:
            self._board.rest(worker)

    def _begin(self, worker: int, video: VideoRef) -> None:
        self._board.begin(worker, self._numbers[video.id])


class _WorkerPool:
    """One set of workers, from start to end."""

    def __init__(
        self, source: Source, plan: Sequence[Any], *, collate: Callable[..., Any], workers: int, prefetch: int
    ) -> None:
        self._source = source
        self._board = _WorkerStatus(workers)
        self._overdue: dict[int, int] = {}  # process id -> video
        self._failed = False
        handler = _child_handler()
        loader: Any = torch.utils.data.DataLoader(
            _TrackedDataset(source, self._board),  # type: ignore[arg-type]
            batch_sampler=plan,
            num_workers=workers,
            prefetch_factor=prefetch,
            collate_fn=collate,
            multiprocessing_context=spawn_context(),
            worker_init_fn=_quiet_worker,
            generator=torch.Generator(),  # a separate one: seeding the workers must not advance torch's
        )
        with interrupts_held():
            self._batches: Any = iter(loader)
        if handler is not None:
            signal.signal(signal.SIGCHLD, handler)  # torch's own would raise in the middle of a training step
        self._processes: Sequence[BaseProcess] = self._batches._workers
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._guard, name="fdakit loader guard", daemon=True)
        if source.time_limit:
            self._thread.start()

    def batches(self) -> Iterator[Any]:
        """Yield batches to the end of the plan, or to the first that is lost with a worker."""
        while True:
            try:
                batch = next(self._batches)
            except StopIteration:
                return
            except (RuntimeError, OSError, EOFError) as error:
                dead = self._dead()
                if not dead:
                    raise
                self._failed = True
                self._account(dead, error)
                return
            yield batch

    def _dead(self) -> list[BaseProcess]:
        """Return the workers that have ended; one whose pipes are closed may still be exiting."""
        ending_now = wait([process.sentinel for process in self._processes], timeout=1)
        for process in self._processes:
            if process.sentinel in ending_now:
                process.join(timeout=_PATIENCE)
        return [process for process in self._processes if not process.is_alive()]

    def dismiss(self) -> None:
        """End all workers, immediately if one has failed."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._failed:
            for process in self._processes:
                process.kill()
        del self._batches  # ends the remaining workers

    def _guard(self) -> None:
        """Kill a worker that takes too long with one video.

        Its own pauses are discounted, so a suspend does not count.
        """
        limit = self._source.time_limit
        pause = min(1.0, limit / 4)
        begun, spent = [0] * self._board.workers, [0.0] * self._board.workers
        by_pid = {process.pid: process for process in self._processes}
        while not self._over.wait(pause):
            for worker in range(self._board.workers):
                pid, video, count = self._board.row(worker)
                spent[worker] = spent[worker] + pause if video != _NOTHING and count == begun[worker] else 0.0
                begun[worker] = count
                if spent[worker] >= limit and pid not in self._overdue:
                    self._overdue[pid] = video
                    by_pid[pid].kill()

    def _account(self, dead: Sequence[BaseProcess], error: Exception) -> None:
        """Record what the dead workers were reading as unreadable, or raise if that was not the file's fault."""
        reading = {pid: video for pid, video, _ in map(self._board.row, range(self._board.workers))}
        for number in self._overdue.values():
            self._leave_out(
                number,
                f"took a loader worker longer than loader.time_limit, {self._source.time_limit:g} s, and was given "
                "up; look at it with `fdakit data check`, or raise the limit",
            )
        for process in dead:
            number, code = reading.get(process.pid or 0, _NOTHING), process.exitcode
            if process.pid in self._overdue:
                continue
            if number == _NOTHING or -(code or 0) not in _CRASHES:
                video = None if number == _NOTHING else self._source.videos[number]
                raise FdakitError(_killed(code, video)) from error
            self._leave_out(
                number, f"the loader worker that read it {ending(code)}; re-encode it or remove it from the data set"
            )

    def _leave_out(self, number: int, reason: str) -> None:
        video = self._source.videos[number]
        self._source.left_out[video.id] = f"{video.path.absolute()}: {reason}"


def _killed(code: int | None, video: VideoRef | None) -> str:
    """Return the message for a worker that did not end because of a file."""
    at = f"while reading {video.path.absolute()} (video {video.id!r})" if video else "between two videos"
    if code is not None and code >= 0:
        remedy = 'a script that reads with loader workers needs `if __name__ == "__main__":`, or loader.workers = 0'
    else:
        remedy = (
            "the system does so where memory runs out: lower loader.workers or loader.prefetch, or find more memory"
        )
    return f"loader.workers: a loader worker {ending(code)} {at}; {remedy}"


def _child_handler() -> Any:
    """Return the SIGCHLD handler if it can be changed: not on Windows, only in the main thread."""
    if not hasattr(signal, "SIGCHLD") or threading.current_thread() is not threading.main_thread():
        return None
    return signal.getsignal(signal.SIGCHLD)


def _quiet_worker(number: int) -> None:
    """Ignore Ctrl-C, which the main process handles, so that workers print no traceback."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
