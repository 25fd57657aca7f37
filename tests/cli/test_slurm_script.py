"""The job script of docs/guides/checkpoints.md begins a run, resumes it, and queues itself again until the end."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "checkpoints.md"
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")

STUBS = {
    "srun": '#!/bin/bash\n"$@"\n',
    "scontrol": '#!/bin/bash\necho "$@" >> queued\n',
    "fdakit": """#!/bin/bash
echo "$@" >> called
mkdir -p "runs/night/checkpoints/${SAVES:-.last.new}"
[ -n "$SAVES" ] && touch "runs/night/checkpoints/$SAVES/SHA256SUMS"
exit "$CODE"
""",
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the script, and with srun, scontrol and fdakit that note what they are asked."""
    blocks = re.findall(r"```bash\n(#!/bin/bash\n.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)
    (tmp_path / "job.sh").write_text(blocks[0])
    (tmp_path / "bin").mkdir()
    for name, text in STUBS.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def submit(place: Path, *, code: int, saves: str = "last") -> int:
    """Run the job once, with an fdakit that saves a folder and ends with a code; the job's own."""
    own = {"SLURM_JOB_ID": "17", "CODE": str(code), "SAVES": saves}
    environment = {**os.environ, **own, "PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(["bash", "job.sh"], cwd=place, env=environment, check=False).returncode


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize(("code", "saves"), [(138, "last"), (143, ".last.old")])
def test_a_run_that_was_stopped_is_queued_again_and_resumed(place: Path, code: int, saves: str) -> None:
    assert submit(place, code=code, saves="") == 0  # before anything was complete
    assert [submit(place, code=code, saves=saves) for _ in range(2)] == [0, 0]
    assert submit(place, code=0) == 0
    begin, go_on = "run fda_msvd --out runs/night", "run --resume runs/night"
    assert lines(place / "called") == [begin, begin, go_on, go_on]
    assert lines(place / "queued") == ["requeue 17"] * 3


@pytest.mark.parametrize("code", [0, 1, 2, 130])
def test_a_run_that_has_ended_or_needs_its_user_is_not_queued_again(place: Path, code: int) -> None:
    assert submit(place, code=code) == code
    assert lines(place / "queued") == []
