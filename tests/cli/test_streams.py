"""Output that leads to a closed pipe, a full disk, an old encoding or nowhere ends no command badly."""

from __future__ import annotations

import ast
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fdakit.cli.main
from fdakit.cli.main import execute
from fdakit.cli.printing import print_table, say, say_progress
from fdakit.cli.streams import OutputRefusedError, guarded_streams

FULL = Path("/dev/full")
COMMANDS = (["schema"], ["show", "mask"], ["--help"], ["check", "quickstart"], ["chek"])


class Stream(io.TextIOWrapper):
    """A text stream over a file descriptor of its own, as the interpreter makes them."""

    def __init__(self, handle: int, *, encoding: str = "utf-8", buffered: bool = True) -> None:
        raw = os.fdopen(handle, "wb", buffering=-1 if buffered else 0)
        super().__init__(raw, encoding=encoding, errors="strict", write_through=not buffered)

    def put_away(self) -> None:
        """Write out what is still held back, as the interpreter does at its end; it must not fail."""
        self.close()


@pytest.fixture(params=[True, False], ids=["buffered", "unbuffered"])
def buffered(request: pytest.FixtureRequest) -> Iterator[bool]:
    yield request.param


def full(*, buffered: bool) -> Stream:
    if not FULL.exists():
        pytest.skip("no /dev/full here")
    return Stream(os.open(FULL, os.O_WRONLY), buffered=buffered)


def closed_pipe(*, buffered: bool) -> Stream:
    read, write = os.pipe()
    os.close(read)
    return Stream(write, buffered=buffered)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_full_standard_output_ends_with_2_and_one_line(
    arguments: list[str], buffered: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = full(buffered=buffered)
    monkeypatch.setattr(sys, "stdout", stream)
    code = execute(arguments)
    stream.put_away()
    assert code == 2
    words = "no such command" if arguments == ["chek"] else "standard output: cannot be written (No space left on"
    assert words in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_reader_that_has_gone_away_ends_it_quietly(
    arguments: list[str], buffered: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = closed_pipe(buffered=buffered)
    monkeypatch.setattr(sys, "stdout", stream)
    code = execute(arguments)
    stream.put_away()
    assert code == (2 if arguments == ["chek"] else 0)
    assert ("no such command" in capsys.readouterr().err) == (arguments == ["chek"])


@pytest.mark.parametrize("stream", [full, closed_pipe, None], ids=["full", "closed pipe", "none"])
def test_standard_error_that_is_read_by_nobody_changes_nothing(
    stream: object, buffered: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fdakit.builtin.observers.console import Console

    made = stream(buffered=buffered) if callable(stream) else None
    monkeypatch.setattr(sys, "stderr", made)
    assert execute(["chek"]) == 2
    with guarded_streams():
        console = Console(every=1.0)
        console.progressed("training", 1, 2)
        console.epoch_finished({"epoch": 1.0, "loss": 1.0, "seconds": 1.0})
        say_progress("round", 1, 1, every=1)
        say("kept")
    if made is not None:
        made.put_away()
    assert capsys.readouterr().out == "kept\n"


def test_a_command_without_standard_output_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert execute(["show", "mask"]) == 0


def test_the_streams_are_as_before_afterwards() -> None:
    before = sys.stdout, sys.stderr
    with guarded_streams():
        assert sys.stdout is not before[0]
    assert (sys.stdout, sys.stderr) == before


def test_a_refusal_stays_one_whoever_tried_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", closed_pipe(buffered=False))
    with pytest.raises(OutputRefusedError), guarded_streams():
        try:
            say("first")
        except OutputRefusedError:
            say("second")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_any_encoding_takes_any_text(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    monkeypatch.setattr(sys, "stdout", Stream(write, encoding=encoding))
    with guarded_streams():
        say("Δ R@1 ± 2 \udcff 日本")
        print_table("Δ", ["±", "猫"], [["−1", "→"]], numbers=True)
    sys.stdout.close()
    with os.fdopen(read, "rb") as pipe:
        text = pipe.read().decode(encoding)
    assert r"\u0394 R@1" in text
    assert r"\udcff \u65e5\u672c" in text
    assert r"\u2192" in text


@pytest.mark.parametrize("error", ["ENOSPC", "EMFILE", "EACCES", "ENAMETOOLONG"])
def test_what_the_system_refuses_and_nobody_worded_is_one_line(
    error: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import errno

    number = getattr(errno, error)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), "a\x1bb")

    monkeypatch.setattr(fdakit.cli.main.cli, "main", refuse)
    assert execute([]) == 2
    line, more = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{Path.cwd()}/a\\x1bb: {os.strerror(number)}; ")
    assert "FDAKIT_TRACEBACK" in more


def test_a_librarys_own_oserror_is_no_refusal_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("libthing.so: undefined symbol")

    monkeypatch.setattr(fdakit.cli.main.cli, "main", fail)
    with pytest.raises(OSError, match="undefined symbol"):
        execute([])


@pytest.mark.integration
@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_the_interpreter_does_not_fail_over_it_once_more(unbuffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with FULL.open("w") as stdout:
        command = [sys.executable, "-m", "fdakit", "--version"]
        done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, env=environment, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "standard output: cannot be written (No space left on device); make room there, or lead it elsewhere\n"
    )


def test_commands_print_through_one_door() -> None:
    """What does not go through `printing` is not made safe for the terminal."""
    folder = Path(fdakit.cli.main.__file__).parent
    found = []
    for path in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("echo", "secho", "stdout", "stderr", "show"):
                found.append((path.name, node.attr))
    assert {name for name, _ in found} == {"printing.py", "streams.py"}
