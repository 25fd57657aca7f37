"""Any command, given any path: an answer or a line, never a traceback, and never an endless wait."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cli_output import Tell

COMMANDS = (
    ["check", "{}"],
    ["run", "{}"],
    ["run", "--resume", "{}"],
    ["run", "quickstart", "--set", "loader.ledger={}", "--set", "train.epochs=0", "--set", "dataset.clips=0"],
    ["run", "quickstart", "--out", "{}", "--set", "sampler.use=nowhere"],
    ["eval", "--checkpoint", "{}"],
    ["eval", "--checkpoint", "{}", "--recipe", "quickstart"],
    ["eval", "--checkpoint", "absent", "--recipe", "{}"],
    ["metrics", "{}"],
    ["metrics", "{}", "--truth", "{}"],
    ["metrics", "{good}/sims.npy", "--truth", "{}"],
    ["metrics", "{good}/sims.npy", "--out", "{}", "--bootstrap", "0"],
    ["metrics", "--texts", "{}", "--videos", "{good}/sims.npy"],
    ["metrics", "{good}/sims.npy", "--rescore", "qb-norm", "--bank", "{}"],
    ["sweep", "{}"],
    ["report", "{}"],
    ["report", "{}", "--out", "{good}/page.html"],
    ["compare", "{}", "{}"],
    ["weights", "inspect", "{}"],
    ["weights", "convert", "{}", "--out", "{good}/w.safetensors"],
    ["models", "{}"],
    ["index", "{}", "--model", "quickstart", "--out", "{good}/index"],
    ["index", "{good}", "--model", "quickstart", "--out", "{}"],
    ["index", "{good}", "--model", "{}", "--out", "{good}/index"],
    ["index", "--out", "{}", "--verify"],
    ["search", "{}", "text"],
    ["embed", "{}", "--model", "quickstart", "--out", "{good}/vectors"],
    ["show", "{}"],
    ["show", "mask", "{}"],
    ["data", "check", "{}", "--jobs", "1", "--ledger", "{good}/ledger.sqlite"],
    ["data", "check", "{good}/list.txt", "--jobs", "1", "--ledger", "{}"],
    ["data", "masks", "{}"],
    ["data", "prepare", "{}"],
    ["data", "prepare", "msvd", "--root", "{}", "--no-scan"],
    ["masks", "{}", "--out", "{good}/masks"],
    ["masks", "{good}/none.mp4", "--out", "{}"],
    ["cache", "info", "--folder", "{}"],
    ["cache", "clear", "--only", "frames", "--folder", "{}"],
    ["bench", "decode", "{}", "--rounds", "1"],
    ["bench", "rank", "--captions", "9", "--videos", "9", "--width", "4", "--streamed=0", "--rounds=1", "--out={}"],
)  # fmt: skip


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    np.save(folder / "sims.npy", np.eye(3))
    (folder / "list.txt").write_text("absent.mp4\n")
    return folder


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Paths that nobody should give: names that are too long, steer a terminal, or lead to what is no file."""
    place = tmp_path_factory.mktemp("hostile")
    texts = {
        "deep.toml": "a = " + "[" * 2000 + "]" * 2000,
        "digits.toml": "seed = " + "9" * 5000,
        "seed.toml": "seed = 99999999999999999999",
        "nul.toml": '[dataset]\nuse = "manifest"\npath = "a\\u0000b.csv"',
        "long.toml": f'name = "{"n" * 300}"\n[dataset]\nuse = "manifest"\npath = "{"n" * 300}.csv"',
        "fifo.toml": f'[dataset]\nuse = "manifest"\npath = "{place}/pipe.csv"',
        "markup.toml": '"[red]\\u001b]0;x\\u0007" = 1',
        "deep.json": "[" * 100_000,
        "digits.json": "[" + "9" * 5000 + "]",
        "field.csv": "path,caption,split\n" + "x" * 200_000 + ",a,test\n",
        "nul.csv": "path,caption,split\na\0b.mp4,a,test\n",
        "long.csv": f"path,caption,split\n{'n' * 300}.mp4,a,test\n",
        "surrogate.jsonl": json.dumps({"path": "\ud83d.mp4", "caption": "\ud83d", "split": "test"}),
        "empty.mp4": "",
        "text.npy": "no array",
        "text.safetensors": "no weights",
        "text.zip": "PK\3\4 no archive",
        "text.trec": "q0 Q0 v1 1 nan tag\n",
    }
    for name, text in texts.items():
        (place / name).write_text(text, encoding="utf-8", errors="surrogatepass")
    for name in ("pipe", "pipe.npy", "pipe.csv", "pipe.toml", "pipe.mp4", "pipe.safetensors"):
        os.mkfifo(place / name)
    (place / "loop").symlink_to("loop")
    (place / "run").mkdir()
    for name in ("recipe.toml", "report.json", "similarity.npy", "videos.csv"):
        os.mkfifo(place / "run" / name)
    (place / "store").mkdir()
    os.mkfifo(place / "store" / "a.frames-index")
    (place / "store" / "b.frames-index").mkdir()
    made = {name: str(place / name) for name in (*texts, *(path.name for path in place.iterdir()))}
    return made | {
        "too long": "n" * 300,
        "too long below": str(place / ("n" * 300) / "x.npy"),
        "much too long": "n/" * 3000,
        "escape": "\x1b]0;owned\x07[red]",
        "not utf-8": os.fsdecode(b"caf\xe9.npy"),
        "line": "two\nlines",
        "empty": "",
        "below a file": f"{place}/empty.mp4/x",
        "zero": "/dev/zero",
        "null": "/dev/null",
        "full": "/dev/full",
        "memory": "/proc/self/mem",
        "root": "/",
        "tilde": "~nobody/x",
    }


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """A command that waits for ever is a failure, not a stuck suite."""

    def late(*_: object) -> None:
        raise AssertionError(f"still at it after {seconds} seconds")

    former = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


def trials(hostile: dict[str, str], count: int) -> list[tuple[list[str], str]]:
    """Every command with a drawn few of the paths."""
    draw = random.Random(5)
    pairs = [
        (command, sorted(hostile) if count is None else draw.sample(sorted(hostile), count)) for command in COMMANDS
    ]
    return [(command, name) for command, names in pairs for name in names]


SLOW = {("data", "root"), ("bench", "root"), ("cache", "root"), ("masks", "root")}  # they walk the whole disk


@pytest.mark.integration
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("count", [1, pytest.param(12, marks=pytest.mark.proof)], ids=["one each", "twelve each"])
def test_no_path_makes_a_traceback_or_an_endless_wait(
    count: int,
    good: Path,
    hostile: dict[str, str],
    tell: Tell,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FDAKIT_CACHE", str(tmp_path / "cache"))
    faults: list[Any] = []
    tried = 0
    for command, name in trials(hostile, count):
        if (command[0], name) in SLOW or (count == 1 and command[:2] == ["data", "check"]):  # starts processes
            continue
        tried += 1
        arguments = [part.replace("{good}", str(good)).replace("{}", hostile[name]) for part in command]
        try:
            with at_most(60):
                told = tell(*arguments)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever it is, it is a fault)
            faults.append((command, name, repr(error)[:300]))
            continue
        if told.code not in (0, 1, 2) or "Traceback" in told.err:
            faults.append((command, name, told.code, told.err[:300]))
        if set(told.out + told.err) & set("\x1b\x07\r"):
            faults.append((command, name, "a control character reached the terminal"))
        if told.code == 2 and (not told.err or max(map(len, told.err.splitlines())) > 8000):
            faults.append((command, name, "silent, or a line without end", told.err[:200]))
    assert faults == [], f"{len(faults)} of {tried}"
