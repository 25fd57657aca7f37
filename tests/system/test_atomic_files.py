"""A file is written whole or not at all, and what the disk refuses is said in fdakit's own words."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fdakit.errors import CheckpointError, FdakitError
from fdakit.system.atomic_files import atomic_file, remove, sync_below, write_bytes, write_errors, write_text


def test_a_file_is_written_with_the_folders_above_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.txt"
    write_text(path, "first")
    write_text(path, "caf\u00e9 \udcff")
    assert path.read_bytes() == "café ".encode() + b"\xff"
    assert [p.name for p in path.parent.iterdir()] == ["c.txt"]


def test_a_failed_write_leaves_the_former_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    write_text(path, "first")
    with pytest.raises(ZeroDivisionError), atomic_file(path) as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_file_has_the_mode_of_any_new_one(tmp_path: Path, umask: int) -> None:
    former = os.umask(umask)
    try:
        with atomic_file(tmp_path / "c.txt") as part:
            os.close(os.open(part, os.O_CREAT | os.O_WRONLY, 0o600))
    finally:
        os.umask(former)
    assert (tmp_path / "c.txt").stat().st_mode & 0o777 == 0o666 & ~umask


def test_what_is_renamed_was_synced_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    real_sync, real_replace = os.fsync, Path.replace

    def sync(handle: int) -> None:
        calls.append("sync")
        real_sync(handle)

    def replace(self: Path, target: Path) -> Path:
        calls.append("replace")
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    write_bytes(tmp_path / "c", b"x")
    assert calls == ["sync", "replace", "sync"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_what_the_disk_refuses_names_path_cause_and_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    write_bytes(tmp_path / "c", b"former")
    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(CheckpointError) as caught:
        write_bytes(tmp_path / "c", b"x", error=CheckpointError, advice="buy a disk")
    assert str(caught.value) == f"{tmp_path / 'c'}: cannot be written ({os.strerror(number)}); buy a disk"
    assert (tmp_path / "c").read_bytes() == b"former"


@pytest.mark.parametrize("kind", ["SafetensorError", "RuntimeError", "ValueError"])
def test_failed_writes_of_libraries_are_told_apart_from_faults(tmp_path: Path, kind: str) -> None:
    said = "PytorchStreamWriter failed writing file data/0" if kind == "RuntimeError" else "no space left"
    fault = type(kind, (Exception,), {})(said)
    wanted = FdakitError if kind != "ValueError" else type(fault)
    with pytest.raises(wanted, match=said), write_errors(tmp_path / "c"):
        raise fault


def test_names_of_the_greatest_length_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_text(path, "long")
    assert path.read_text() == "long"


def test_folders_are_synced_and_removed(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b", "x")
    sync_below(tmp_path / "a")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    remove(tmp_path / "link")
    assert (tmp_path / "a" / "b").is_file()
    remove(tmp_path / "a")
    remove(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_half_a_character_becomes_a_mark_and_bytes_of_names_stay(tmp_path: Path) -> None:
    write_text(tmp_path / "c", "\ud83d caf\udce9 \udc41")
    assert (tmp_path / "c").read_bytes() == "\ufffd caf".encode() + b"\xe9 " + "\ufffd".encode()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_nothing_is_written_over_a_pipe_or_a_device(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    for name in ("pipe", "null"):
        with pytest.raises(FdakitError, match="a device or a pipe is there"):
            write_text(tmp_path / name, "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["null", "pipe"]
    assert (tmp_path / "null").is_symlink()


def test_what_a_library_says_of_a_failed_write_is_worded(tmp_path: Path) -> None:
    class FFmpegError(Exception):
        pass

    class UndefinedError(FFmpegError):
        pass

    with pytest.raises(FdakitError, match=r"c: cannot be written \(muxing failed\)"), write_errors(tmp_path / "c"):
        raise UndefinedError("muxing failed\nmore")
