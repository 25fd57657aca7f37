"""Three hundred single changes of the package: at least 95 in 100 are noticed by the tests that run them.

In the environment `MUTANTS`, `MUTATION_SEED`, `MUTATION_AREAS` and `MUTATION_TESTS` (names by comma) and
`MUTATION_JOBS` choose others, and `MUTATION_OUT` keeps the results in a folder.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from mutation.trial import (
    AREAS,
    BESIDE,
    LEFT_OUT,
    ROOT,
    TESTS,
    WarmProcess,
    copied,
    drawn,
    run_trial,
    summary,
    touched_lines,
)


@pytest.mark.proof
def test_nearly_every_change_is_noticed(tmp_path: Path) -> None:
    number, seed = int(os.environ.get("MUTANTS", "300")), int(os.environ.get("MUTATION_SEED", "12"))
    areas = os.environ.get("MUTATION_AREAS", ",".join(AREAS)).split(",")
    out = Path(os.environ.get("MUTATION_OUT", tmp_path / "out")).absolute()
    out.mkdir(parents=True, exist_ok=True)
    jobs = int(os.environ.get("MUTATION_JOBS", "1"))
    first = copied(ROOT, tmp_path / "0" / "project")
    folders = os.environ.get("MUTATION_TESTS", ",".join(TESTS)).split(",")
    files = sorted(path for name in folders for path in (first / "tests" / name).glob("test_*.py"))
    named = [path.relative_to(first).as_posix() for path in files]
    processes = [WarmProcess(first, tmp_path / "first" / str(job)) for job in range(jobs)]
    kept = [name for name in named if not name.endswith(LEFT_OUT)] + [f"tests/{name}" for name in BESIDE]
    touched = touched_lines(processes, kept, out)
    for process in processes:
        process.close()
    processes = [
        WarmProcess(shutil.copytree(first, tmp_path / str(job) / "project"), tmp_path / str(job) / "run")
        for job in range(1, jobs + 1)
    ]
    with (out / "results.jsonl").open("w", encoding="utf-8") as log:

        def tell(line: str) -> None:
            print(line, file=log, flush=True)

        chosen = drawn(first, areas, number, seed=seed)
        results = run_trial(processes, chosen, touched, tell=tell)
    for process in processes:
        process.close()
    (out / "results.json").write_text(json.dumps([asdict(result) for result in results], indent=1), "utf-8")
    told = summary(results)
    (out / "summary.md").write_text(told, "utf-8")
    print(told)
    broken = sorted(test for test, found in touched.items() if not found["passed"])
    assert not broken, f"these fail without any change: {broken}"
    assert len(results) == number
    assert sum(result.noticed for result in results) >= 0.95 * number, told
