"""`fdakit bench search`: vector stores beside other indexes, on vectors that lie as those of videos do.

Each contestant builds in a process of its own, and each of its settings searches in another, one after the other, all
on one thread. Processor milliseconds stand beside elapsed ones, since a busy machine changes them least.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np

from fdakit.system.atomic_files import write_errors
from fdakit.system.optional_libraries import library_fault
from fdakit.system.processes import spawn_context
from fdakit.version import __version__

from .contestants import STORES, Contestant, find_contestants
from .synthetic_vectors import KINDS, Shape, Trial, read_trial, write_trial

Tell = Callable[[str, int, int], None]
T = TypeVar("T")
WARM_UP = 5  # searches that are not timed
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "LANCE_CPU_THREADS")
_MB = 1e6


def bench_search(
    shape: Shape,
    *,
    stores: Sequence[str] = STORES,
    peers: Sequence[str] | None = None,
    folder: Path | None = None,
    progress: Tell = lambda what, done, total: None,
) -> dict[str, Any]:
    """Return what each contestant takes to build, to keep and to search, and what share of the nearest it finds.

    Vectors are made in `folder`, and kept there; in a temporary one if it is None. Raises `FdakitError` for a store
    or a peer that is not known, and if they cannot be written. After Ctrl-C what was measured is returned.
    """
    contestants, absent = find_contestants(stores, peers)
    with TemporaryDirectory(prefix="fdakit-bench-", ignore_cleanup_errors=True) as scratch, one_thread():
        place = Path(scratch) / "vectors" if folder is None else folder
        with write_errors(place):
            place.mkdir(parents=True, exist_ok=True)
            trial = write_trial(place, shape, progress=progress)
        measured, failed, whole = _measure_all(contestants, place, Path(scratch), shape.k, progress)
    return {
        "rows": shape.rows,
        "width": shape.width,
        "queries": shape.queries,
        "k": shape.k,
        "vectors_mb": shape.rows * shape.width * 4 / _MB,
        "cosines": _cosines(trial),
        "measured": measured,
        "absent": dict(absent),
        "failed": failed,
        "whole": whole,
        "versions": _versions(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


@contextmanager
def one_thread() -> Iterator[None]:
    """Have processes that start within the block use one thread for matrix products and scans."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _measure_all(
    contestants: Sequence[Contestant], place: Path, scratch: Path, k: int, progress: Tell
) -> tuple[list[dict[str, Any]], dict[str, str], bool]:
    measured: list[dict[str, Any]] = []
    failed = {}
    try:
        for number, contestant in enumerate(contestants, 1):
            own = scratch / str(number)
            own.mkdir()
            try:
                built = in_process(build_once, contestant, place, own)
                for setting in contestant.settings:
                    found = in_process(search_once, contestant, setting, place, own, k)
                    measured.append({"name": contestant.name, "setting": dict(setting), **built, **found})
            except Exception as error:  # noqa: BLE001 - a peer may raise anything, and the others are still measured
                failed[contestant.name] = f"{type(error).__name__}: {error}".partition("\n")[0]
            progress(f"measured {contestant.name},", number, len(contestants))
    except KeyboardInterrupt:
        if not measured:
            raise
        return measured, failed, False
    return measured, failed, True


def in_process(function: Callable[..., T], *given: Any) -> T:
    """Call a function in a process of its own, so that memory and threads of one contestant are no other's."""
    with spawn_context().Pool(1) as pool:
        return pool.apply(function, given)


def build_once(contestant: Contestant, place: Path, own: Path) -> dict[str, Any]:
    """Build, and return processor seconds, and the bytes of the files that are needed beside the vectors, in MB."""
    trial = read_trial(place)
    build = contestant.build(trial.vectors, own)
    library_fault("faiss")  # imported: rabitq does it when it is first used
    start = time.process_time()
    build()
    seconds = time.process_time() - start
    size = sum(path.stat().st_size for path in own.rglob("*") if path.is_file())
    return {"build_cpu_s": seconds, "disk_mb": size / _MB}


def search_once(contestant: Contestant, setting: Mapping[str, int], place: Path, own: Path, k: int) -> dict[str, Any]:
    """Search with each query once, and return milliseconds, memory and recall by kind of query."""
    trial = read_trial(place)
    for module in {"faiss", contestant.module} - {""}:
        library_fault(module)  # imported: its code is not the index's memory
    before = own_memory()
    search = contestant.open(trial.vectors, own, setting)
    for query in trial.queries[:WARM_UP]:
        search(query, k)
    elapsed, worked, hits = [], [], []
    for query, wanted in zip(trial.queries, trial.nearest, strict=True):
        start, busy = time.perf_counter(), time.process_time()
        found = search(query, k)
        elapsed.append(1000 * (time.perf_counter() - start))
        worked.append(1000 * (time.process_time() - busy))
        hits.append(len(np.intersect1d(found, wanted)) / len(wanted))
    after = own_memory()
    recall = np.reshape(hits, (len(KINDS), -1)).mean(axis=1)
    return {
        "memory_mb": None if before is None or after is None else max(after - before, 0.0),
        "median_ms": median(elapsed),
        "p99_ms": float(np.quantile(elapsed, 0.99)),
        "cpu_ms": median(worked),
        "recall": dict(zip(KINDS, recall.tolist(), strict=True)),
    }


def own_memory() -> float | None:
    """Return the MB of this process that are no file's; None where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) * 1024 / _MB for line in lines if line.startswith("RssAnon:")), None)


def _cosines(trial: Trial) -> dict[str, dict[str, float]]:
    """Return the mean cosine of a query of each kind with its nearest vector and with the last of the k nearest."""
    first, last = (
        np.einsum("qd,qd->q", trial.queries, trial.vectors.gather(trial.nearest[:, place])).reshape(len(KINDS), -1)
        for place in (0, -1)
    )
    return {
        kind: {"nearest": float(first[row].mean()), "last": float(last[row].mean())} for row, kind in enumerate(KINDS)
    }


def _versions() -> dict[str, str]:
    found = {"fdakit": __version__, "numpy": np.__version__}
    for package in ("faiss-cpu", "pylance"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
