"""One holder at a time, whoever comes second is told by whom, and the dead hold nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fdakit.system import locks
from fdakit.system.locks import HeldError, exclusive_lock, is_free, shared_lock

posix = pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")

HOLDER = """
import sys, time
from pathlib import Path
from fdakit.system.locks import exclusive_lock, shared_lock
with {kind}_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def hold(path: Path, kind: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER.format(kind=kind), str(path)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def end(holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.communicate()


def test_a_lock_leaves_nothing_behind_and_can_be_had_again(tmp_path: Path) -> None:
    for _ in range(2):
        with exclusive_lock(tmp_path / "lock"):
            assert [path.name for path in tmp_path.iterdir()] == ["lock"]
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="No such file"), exclusive_lock(tmp_path / "nowhere" / "lock"):
        pass


@posix
def test_the_second_is_told_who_holds_it_until_that_one_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = hold(path, "exclusive")
    try:
        words = rf"^process {holder.pid} on {re.escape(socket.gethostname())}, since \d{{4}}-"
        with pytest.raises(HeldError, match=words), exclusive_lock(path):
            pass
        assert not is_free(path)
    finally:
        end(holder)
    with exclusive_lock(path):
        pass
    assert is_free(path)


@posix
def test_shared_locks_are_shared_and_keep_others_out(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = hold(path, "shared")
    try:
        with shared_lock(path):
            assert not is_free(path)
        assert not is_free(path)
        with pytest.raises(HeldError), exclusive_lock(path):
            pass
    finally:
        end(holder)
    assert is_free(path)
    with shared_lock(tmp_path / "nowhere" / "lock"):
        pass  # what cannot be locked is used all the same


@posix
def test_a_full_disk_keeps_nobody_from_locking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with exclusive_lock(tmp_path / "lock"), pytest.raises(HeldError, match="another process"):
        locks._locked(tmp_path / "lock", shared=False)
    assert list(tmp_path.iterdir()) == []


@posix
def test_where_the_disk_has_no_locks_the_file_tells_who_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(locks.fcntl, "flock", unsupported)
    path = tmp_path / "lock"
    living = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        facts = {"pid": living.pid, "host": socket.gethostname(), "since": "today"}
        path.write_text(json.dumps(facts))
        with pytest.raises(HeldError, match=f"process {living.pid} on"), exclusive_lock(path):
            pass
    finally:
        living.kill()
        living.wait()
    with exclusive_lock(path):
        assert json.loads(path.read_text())["pid"] == os.getpid()
    path.write_text(json.dumps({**facts, "host": "elsewhere"}))
    with pytest.raises(HeldError, match="on elsewhere"), exclusive_lock(path):
        pass
    path.write_text("damaged")
    with exclusive_lock(path):
        time.sleep(0)
