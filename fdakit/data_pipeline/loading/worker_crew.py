"""A crew of loader workers, kept for a run: an ordered window over guarded processes.

Each worker says which video it begins to read. One that takes too long is killed, and the video named; so is the
video that crashes it. What such a worker had not finished is read by another. torch's `DataLoader` names no file,
starts its workers anew, and raises in the middle of whatever the main process does when one of them dies.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from multiprocessing.connection import wait
from typing import Any

from fdakit.errors import FdakitError
from fdakit.system.piped_process import ending
from fdakit.system.process_pool import BEAT, WakingClock

from .crew_worker import CrewWorker, Introduced
from .reading_plan import ReadingPlan
from .reading_worker import Fault, Outcome, Reading, Source

_CRASHES = (signal.SIGSEGV, signal.SIGFPE, signal.SIGILL)
"""Signals that a file can cause in a decoder; exhausted memory causes others (SIGKILL, SIGBUS, SIGABRT)."""


class WorkerCrew:
    """Up to `workers` processes that read from any sources; they start when first needed and stay until `close`.

    Several plans may be read at once, in turn, by the thread that made the crew.
    """

    def __init__(self, workers: int) -> None:
        self._count = workers
        self._workers: list[CrewWorker] = []
        self._introduced: list[Introduced] = []
        self._plans: dict[int, ReadingPlan] = {}
        self._begun = 0
        self._clock = WakingClock()

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the workers that run."""
        return tuple(worker.process.pid for worker in self._workers)

    def read(self, source: Source, draws: Iterable[Any], *, ahead: int) -> Iterator[Any]:
        """Yield `source[draw]` for each draw, in order; up to `ahead` of them are read before they are asked for.

        A video that takes a worker longer than `source.time_limit` seconds, or crashes it, is added to
        `source.left_out`, and what the worker had not finished is read again. Raises `FdakitError` if a worker is
        killed from outside. Leaving early ends the workers that are still reading.
        """
        self._begun += 1
        plan = ReadingPlan(self._begun, self._known(source), iter(draws), ahead)
        self._plans[plan.number] = plan
        try:
            self._give(plan)
            while not plan.finished:
                while not plan.ready:
                    self._listen()
                    self._give(plan)
                outcome = plan.take()
                self._give(plan)
                yield outcome
        finally:
            self._leave(plan)

    def __enter__(self) -> WorkerCrew:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.process.end()
        self._workers.clear()
        self._introduced.clear()

    def _known(self, source: Source) -> Introduced:
        """Return a source as workers know it; with other videos than before it is another."""
        for known in self._introduced:
            if known.source is source and known.videos is source.videos:
                return known
        self._introduced.append(Introduced(len(self._introduced), source))
        return self._introduced[-1]

    def _give(self, plan: ReadingPlan) -> None:
        """Hand out what a plan may read ahead, each draw to the worker that has the fewest."""
        fresh = plan.fresh()
        if not fresh:
            return
        while any(worker.tasks and not worker.knows(plan.source) for worker in self._workers):
            self._listen()  # a source may be larger than what the pipe of a busy worker takes
        unfinished = sum(len(worker.tasks) for worker in self._workers) + len(fresh)
        while len(self._workers) < min(self._count, unfinished):
            self._workers.append(CrewWorker(self._clock))
        shares: dict[CrewWorker, list[tuple[int, Any]]] = {}
        for place, draw in fresh:
            worker = min(self._workers, key=lambda worker: len(worker.tasks))
            worker.tasks[plan.number, place] = draw
            shares.setdefault(worker, []).append((place, draw))
        for worker, share in shares.items():
            worker.give(plan.source, plan.number, share)

    def _listen(self) -> None:
        """Take in what workers say, for at most a beat if they say nothing; part with those that died or hang."""
        pipes = [worker.pipe for worker in self._workers]
        heard = wait(pipes, timeout=min([BEAT, *(worker.left() for worker in self._workers)]))
        self._clock.tick()
        for worker in [worker for worker in self._workers if worker.pipe in heard]:
            if not self._drained(worker):
                code = worker.process.exit_code()
                self._part(worker)
                _account(worker, code)
        for worker in [worker for worker in self._workers if not worker.left()]:
            self._part(worker)
            worker.leave_out(
                f"took a loader worker longer than loader.time_limit, {worker.limit:g} s, and was given up; look at "
                "it with `fdakit data check`, or raise the limit"
            )

    def _drained(self, worker: CrewWorker) -> bool:
        """Take in all that a worker has said; return whether it lives."""
        try:
            while worker.pipe.poll():
                self._take_in(worker, worker.pipe.recv())
        except (EOFError, OSError):
            return False
        return True

    def _take_in(self, worker: CrewWorker, said: Reading | Outcome | Fault) -> None:
        match said:
            case Reading(number, video):
                source = self._introduced[number].source
                worker.begins(source, source.videos[video])
            case Outcome(number, place, value):
                worker.rests()
                del worker.tasks[number, place]
                self._plans[number].done(place, value)
            case Fault(reason, traceback):
                if traceback:
                    raise RuntimeError(f"in a loader worker:\n{traceback}")
                raise FdakitError(
                    f"loader.workers: a loader worker cannot load the parts of the recipe ({reason}); set "
                    "loader.workers = 0"
                )

    def _part(self, worker: CrewWorker) -> None:
        """End a worker; what it has not finished is given to others."""
        self._workers.remove(worker)
        worker.process.end()
        for (number, place), draw in worker.tasks.items():
            self._plans[number].lost(place, draw)

    def _leave(self, plan: ReadingPlan) -> None:
        """End the workers that still read for a plan."""
        for worker in [
            worker for worker in self._workers if any(number == plan.number for number, _ in worker.tasks)
        ]:
            self._part(worker)
        del self._plans[plan.number]


def _account(worker: CrewWorker, code: int | None) -> None:
    """Leave out the video that a dead worker was reading. Raises `FdakitError` if that was not the file's fault."""
    if worker.reading is not None and -(code or 0) in _CRASHES:
        worker.leave_out(
            f"the loader worker that read it {ending(code)}; re-encode it or remove it from the data set"
        )
        return
    at = "between two videos"
    if worker.reading is not None:
        _, video = worker.reading
        at = f"while reading {video.path.absolute()} (video {video.id!r})"
    remedy = "the system does so where memory runs out: lower loader.workers or loader.prefetch, or find more memory"
    if code is not None and code >= 0:
        remedy = 'a script that reads with loader workers needs `if __name__ == "__main__":`, or loader.workers = 0'
    raise FdakitError(f"loader.workers: a loader worker {ending(code)} {at}; {remedy}")
