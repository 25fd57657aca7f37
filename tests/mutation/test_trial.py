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
from mutation.trial import AREAS, ROOT, TESTS, WarmProcess, copied, drawn, run_trial, summary, touched_lines


@pytest.mark.proof
def test_nearly_every_change_is_noticed(tmp_path: Path) -> None:
    number, seed = int(os.environ.get("MUTANTS", "300")), int(os.environ.get("MUTATION_SEED", "12"))
    areas = os.environ.get("MUTATION_AREAS", ",".join(AREAS)).split(",")
    out = Path(os.environ.get("MUTATION_OUT", tmp_path / "out")).absolute()
    out.mkdir(parents=True, exist_ok=True)
    first = copied(ROOT, tmp_path / "0" / "project")
    processes = [WarmProcess(first, tmp_path / "0" / "run")]
    folders = os.environ.get("MUTATION_TESTS", ",".join(TESTS)).split(",")
    touched = touched_lines(processes[0], [f"tests/{name}" for name in folders], out)
    for job in range(1, int(os.environ.get("MUTATION_JOBS", "1"))):
        other = shutil.copytree(first, tmp_path / str(job) / "project")
        processes.append(WarmProcess(other, tmp_path / str(job) / "run"))
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
