"""A mutation trial: single changes drawn from the package, and for each whether the tests that run it notice."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import Any, TypeVar

from .mutants import Mutant, mutants

ROOT = Path(__file__).parents[2]
BUILTIN = "fdakit/builtin"
AREAS: Mapping[str, tuple[str, ...]] = {
    "ranking": ("fdakit/ranking/*.py",),
    "masks": ("fdakit/mask_ops/*.py", f"{BUILTIN}/masks/*.py"),
    "fusions": (f"{BUILTIN}/fusions/*.py",),
    "video": ("fdakit/video/*.py",),
    "training": (
        *(f"fdakit/training/{name}.py" for name in ("trainer", "batching")),
        *(f"fdakit/training/optimisation/{name}.py" for name in ("parameter_groups", "freezing")),
        *(
            f"fdakit/data_pipeline/{name}.py"
            for name in ("clip_dataset", "clip_item", "loaded_batch", "alpha_levels")
        ),
        "fdakit/data_pipeline/loading/batch_*.py",
        f"{BUILTIN}/objectives/*.py",
        f"{BUILTIN}/optimisers/*.py",
    ),
    "evaluation": (
        *(
            f"fdakit/evaluation/{name}.py"
            for name in ("evaluator", "scoring", "rescoring", "make_report", "protocol")
        ),
        *(f"fdakit/analysis/{name}.py" for name in ("compare", "run_groups")),
    ),
    "checkpoints": (
        *(f"fdakit/inference/{name}.py" for name in ("checkpoint", "checkpoint_files", "save_checkpoint", "load")),
        "fdakit/data_pipeline/clip_cache.py",
        "fdakit/experiment/run_folder.py",
        "fdakit/analysis/saved_run.py",
    ),
    "stores": ("fdakit/data_pipeline/frame_store.py", "fdakit/data_pipeline/shard*.py"),
    "datasets": (f"{BUILTIN}/datasets/*.py", "fdakit/dataset_files/*.py"),
}
TESTS = (
    *(
        "ranking",
        "mask_ops",
        "builtin",
        "video",
        "dataset_files",
        "data_pipeline",
        "training",
        "evaluation",
        "inference",
    ),
    *("analysis", "experiment", "model", "report", "system"),
)
BESIDE = (  # what no folder of tests holds
    "test_values.py",
    "plugin/test_contracts.py",
    "recipe/test_recipe.py",
    "test_docs.py::test_the_reference_page_equals_what_the_command_prints",
)
LEFT_OUT = (  # of these folders: minutes long, over lines that others run too
    "model/test_families.py",
    "model/test_parity_alphaclip.py",
    "data_pipeline/loading/test_clip_loader.py",
    "data_pipeline/loading/test_worker_crew.py",
    "data_pipeline/test_frame_store_kills.py",
)
LOOKS = (60.0, 180.0)  # seconds of tests looked at first, and of the next where those notice nothing
Touched = Mapping[str, Mapping[str, Any]]
Tell = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Result:
    """What became of a mutant: `by` names the first test that failed, `tests` counts those that were run."""

    area: str
    mutant: str
    outcome: str  # "failed", "out of time", "ended", "survived", "not run by any test"
    by: str
    tests: int
    seconds: float

    @property
    def noticed(self) -> bool:
        """Whether the tests noticed."""
        return self.outcome in ("failed", "out of time", "ended")


def drawn(root: Path, areas: Sequence[str], number: int, *, seed: int) -> list[tuple[str, Mutant]]:
    """`number` mutants that compile, of each area as many, in an order drawn by the seed."""
    chosen: list[tuple[str, Mutant]] = []
    taken: set[Path] = set()
    for place, area in enumerate(sorted(areas, key=lambda name: len(AREAS[name]) == 1)):
        share = number // len(areas) + (place < number % len(areas))
        files = sorted({path for pattern in AREAS[area] for path in root.glob(pattern)} - taken)
        if area == "stores":
            taken |= set(files)
        texts = {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in files}
        every = [mutant for path, text in texts.items() for mutant in mutants(text, path=path)]
        rng, fitting = random.Random(f"{seed} {area}"), 0
        for mutant in rng.sample(every, len(every)):
            if fitting < share and mutant.differs(texts[mutant.path]):
                chosen.append((area, mutant))
                fitting += 1
    return random.Random(seed).sample(chosen, len(chosen))


def copied(root: Path, target: Path) -> Path:
    """A copy of what the project tracks or would track; outside of git, of all but caches."""
    shutil.rmtree(target, ignore_errors=True)
    if not (root / ".git").exists():
        return shutil.copytree(root, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=root, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)
    return target


class WarmProcess:
    """One copy of the project and a process that forks itself for every run of tests there.

    `bare` imports no library beforehand; a run may work for `patience` seconds and six times what its tests took.
    """

    def __init__(self, project: Path, folder: Path, *, bare: bool = False, patience: float = 45.0) -> None:
        self.patience = patience
        self.project, self._folder = project, folder
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(project), str(project / "tests")]),
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mutation.warm_process", *(["bare"] if bare else [])],
            cwd=project,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the warm process in {self.project} ended")
        found: dict[str, Any] = json.loads(line)
        return found

    def run(self, **job: Any) -> dict[str, Any]:
        """Run a job: `tests` of `files` within `limit` seconds, or all of `files` and `note` what they touch."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({**job, "folder": str(self._folder)}) + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def touched_lines(processes: Sequence[WarmProcess], files: Sequence[str], folder: Path) -> Touched:
    """What every test of the files touches, from one run of them without a mutant, shared among the processes."""
    found: dict[str, Mapping[str, Any]] = {}

    def run(process: WarmProcess, some: Sequence[str]) -> None:
        note = folder / f"{some[0].replace('/', '-')}.json"
        done = process.run(files=list(some), note=str(note), limit=3600)
        if not note.exists():
            raise RuntimeError(f"{some} could not be run without a change: {done}")
        found.update(json.loads(note.read_text("utf-8")))

    count = 8 if len(processes) > 1 else len(files)
    _shared(processes, [files[start : start + count] for start in range(0, len(files), count)], run)
    (folder / "touched.json").write_text(json.dumps(found), "utf-8")
    return found


def _shared(processes: Sequence[WarmProcess], items: Sequence[T], work: Callable[[WarmProcess, T], None]) -> None:
    """Every item in one of the processes. What one of them raises ends the others and is raised."""
    queue: Queue[T] = Queue()
    for item in items:
        queue.put(item)
    failed: list[BaseException] = []

    def go_on(process: WarmProcess) -> None:
        while not failed:
            try:
                work(process, queue.get_nowait())
            except Empty:
                return
            except Exception as error:  # noqa: BLE001 - raised below
                failed.append(error)

    threads = [threading.Thread(target=go_on, args=(process,)) for process in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def covering(mutant: Mutant, touched: Touched) -> list[str]:
    """The tests that run the changed lines, those named after the module first, then the files of the fewest seconds.

    What only an import runs, and lines that no test runs itself, count as run by every test of their module.
    """
    file, lines = mutant.path.removeprefix("fdakit/"), range(mutant.lines[0], mutant.lines[1] + 1)
    fit = {
        test: found
        for test, found in touched.items()
        if file in found.get("lines", {}) and found["passed"] and not found.get("skipped")
    }
    exact = {test: found for test, found in fit.items() if not set(lines).isdisjoint(found["lines"][file])}
    fit = exact if exact and not mutant.once else fit
    seconds: dict[str, float] = {}
    for test, found in fit.items():
        where = test.partition("::")[0]
        seconds[where] = seconds.get(where, 0.0) + found["seconds"]
    stem = Path(file).stem.removesuffix("_module").rstrip("s")

    def order(test: str) -> tuple[bool, float]:
        where = test.partition("::")[0]
        return stem not in Path(where).stem, seconds[where]

    return sorted(fit, key=order)


def tried(process: WarmProcess, area: str, mutant: Mutant, touched: Touched) -> Result:
    """Apply the mutant, run its tests, and put the file back."""
    path = process.project / mutant.path
    source, every = path.read_text("utf-8"), covering(mutant, touched)
    if not every:
        return Result(area, mutant.name, "not run by any test", "", 0, 0.0)
    path.write_text(mutant.applied(source), "utf-8")
    spent = 0.0
    try:
        for tests in _looks(every, touched):
            cost = sum(touched[test]["seconds"] for test in tests)
            files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
            done = process.run(tests=tests, files=files, limit=process.patience + 6 * cost)
            spent += done["seconds"]
            if done["late"]:
                return Result(area, mutant.name, "out of time", done["by"], len(tests), spent)
            if done["code"] in (
                5,
                70,
            ):  # no test was found, or pytest could not be started: the trial itself is wrong
                raise RuntimeError(f"{mutant.name}: {tests} could not be run: {done}")
            if done["code"] < 0 or done["code"] in (3, 4):
                return Result(area, mutant.name, "ended", done["by"] or f"exit {done['code']}", len(tests), spent)
            if done["code"] != 0:
                return Result(area, mutant.name, "failed", done["by"], len(tests), spent)
    finally:
        path.write_text(source, "utf-8")
    return Result(area, mutant.name, "survived", "", len(every), spent)


def _looks(tests: Sequence[str], touched: Touched) -> Iterator[list[str]]:
    """The tests of the first `LOOKS` seconds, then of the next."""
    left = list(tests)
    for room in LOOKS:
        look, cost = [], 0.0
        while left and (not look or cost < room):
            cost += touched[left[0]]["seconds"]
            look.append(left.pop(0))
        if look:
            yield look


def run_trial(
    processes: Sequence[WarmProcess], chosen: Sequence[tuple[str, Mutant]], touched: Touched, *, tell: Tell
) -> list[Result]:
    """Every mutant in one of the processes; `tell` hears each result."""
    results: list[Result] = []

    def work(process: WarmProcess, item: tuple[str, Mutant]) -> None:
        area, mutant = item
        result = tried(process, area, mutant, touched)
        results.append(result)
        place = f"{len(results)}/{len(chosen)}"
        tell(f"{place} {result.outcome} {result.seconds:.0f} s {result.mutant} [{result.by}]")

    _shared(processes, chosen, work)
    return results


def summary(results: Sequence[Result]) -> str:
    """A table of areas and the list of what nobody noticed."""
    lines = ["| part | changes | noticed | by a failing test | out of time or ended |", "|---|---|---|---|---|"]
    for area in [*AREAS, "all"]:
        its = [result for result in results if area in (result.area, "all")]
        failed = sum(result.outcome == "failed" for result in its)
        noticed = sum(result.noticed for result in its)
        share = f"{noticed} ({100 * noticed / len(its):.1f} %)" if its else "0"
        lines.append(f"| {area} | {len(its)} | {share} | {failed} | {noticed - failed} |")
    left = sorted(f"- `{result.mutant}`: {result.outcome}" for result in results if not result.noticed)
    return "\n".join([*lines, "", "Not noticed:", "", *left, ""])
