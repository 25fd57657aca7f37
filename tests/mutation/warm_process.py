"""A process with the large libraries imported and nothing of fdakit: every run of pytest is a fork of it.

Reads one job a line from stdin, JSON `{"tests", "files", "limit", "folder", "note"}`, and answers with one line,
`{"code", "seconds", "by", "late"}`. Started in the folder of a copy of the project. The limit is of seconds that the
processor works, so that a busy machine ends no run that would have gone well.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import resource
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

LIBRARIES = (
    "numpy", "torch", "torch.nn.functional", "torchvision", "open_clip", "timm", "timm.optim", "av", "PIL.Image",
    "pydantic", "click", "rich", "safetensors.torch", "tomli_w", "pluggy", "scipy.ndimage", "skimage.transform",
    "skimage.morphology", "skimage.measure", "skimage.filters", "skimage.registration", "cv2", "huggingface_hub",
    "hypothesis", "hypothesis.extra.numpy", "pytest", "_pytest.assertion.rewrite",
)  # fmt: skip
WAITING = 4  # times the limit, for what waits without working
MEMORY = 24 << 30  # of addresses: a changed size must not take the machine down


def main() -> None:
    """Answer jobs until stdin ends. With the argument `bare` nothing is imported beforehand."""
    for name in () if "bare" in sys.argv else LIBRARIES:
        try:
            importlib.import_module(name)
        except ImportError:  # an optional one: the tests skip too
            continue
    print(json.dumps({"ready": os.getpid()}), flush=True)
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)


def _answer(job: dict[str, Any]) -> dict[str, Any]:
    folder, start = Path(job["folder"]), time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tmp").mkdir(parents=True)
    child = os.fork()
    if child == 0:
        _run(job, folder)
    code, late = _wait(child, start + WAITING * job["limit"])
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what the tests started and left
    by = (folder / "by").read_text("utf-8") if (folder / "by").exists() else ""
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    late |= code == -signal.SIGXCPU
    return {"code": code, "seconds": round(time.monotonic() - start, 2), "by": by, "late": late}


def _wait(child: int, until: float) -> tuple[int, bool]:
    """The exit status, negative for a signal, and whether it had to be ended."""
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), False
        if time.monotonic() > until:
            os.killpg(child, signal.SIGKILL)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), True
        time.sleep(0.02)


def _run(job: dict[str, Any], folder: Path) -> None:
    """The forked child: pytest over the chosen tests."""
    code = 70
    try:
        os.setsid()
        log = os.open(folder / "log", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(log, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        limit = math.ceil(job["limit"])
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
        os.environ["TMPDIR"] = str(folder / "tmp")
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(folder / "tmp" / "hypothesis")
        code = _pytest(job, folder)
    finally:
        sys.stdout.flush()
        os._exit(code)


def _pytest(job: dict[str, Any], folder: Path) -> int:
    import pytest
    from mutation.touching import Chosen, Touching

    class Settings:
        """Laws draw the same in every run, and a broken one is not made small."""

        def pytest_collection(self) -> None:
            from hypothesis import Phase, settings

            phases = (Phase.explicit, Phase.generate)
            settings.register_profile("trial", deadline=None, derandomize=True, database=None, phases=phases)
            settings.load_profile("trial")

    plugins: list[Any] = [Settings()]
    arguments = ["-q", "-p", "no:cacheprovider", "-n", "0", f"--basetemp={folder / 'tmp' / 'pytest'}"]
    if job.get("note"):
        plugins.append(Touching(Path.cwd() / "fdakit", Path(job["note"])))
    else:
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        plugins.append(Chosen(job["tests"], folder / "by"))
        arguments.append("-x")
    return int(pytest.main([*arguments, *job["files"]], plugins=plugins))


if __name__ == "__main__":
    main()
