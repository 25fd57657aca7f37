"""Regular files up to a stated size are read; everything else is refused by name, at once."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from fdakit.errors import DatasetError, FdakitError
from fdakit.system.regular_files import open_regular, read_bytes, read_json, read_text, require_regular, unreadable


@pytest.fixture(autouse=True)
def _no_hanging() -> Iterator[None]:
    """A read that waits is a failure, not a stuck suite."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def late(*_: object) -> None:
        raise AssertionError("still waiting after ten seconds")

    former = signal.signal(signal.SIGALRM, late)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, former)


def fifo(place: Path) -> Path:
    path = place / "fifo"
    os.mkfifo(path)
    return path


def socket_file(place: Path) -> Path:
    path = place / "s"
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))  # bound names are short
    return path


SPECIAL = {
    "a FIFO": fifo,
    "a folder": lambda place: place,
    "a character device": lambda place: Path("/dev/zero"),
    "No such": lambda place: place / "absent",
    "null byte": lambda place: place / "a\0b",
    "name too long": lambda place: place / ("n" * 300),
    "Not a directory": lambda place: Path(__file__) / "below",
    "symbolic links": lambda place: looped(place),
}


def looped(place: Path) -> Path:
    path = place / "loop"
    path.symlink_to(path)
    return path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
@pytest.mark.parametrize("linked", [False, True], ids=["itself", "by a link"])
@pytest.mark.parametrize("name", SPECIAL)
def test_what_is_no_regular_file_is_refused_by_name(tmp_path: Path, name: str, linked: bool) -> None:
    path = SPECIAL[name](tmp_path)
    if linked and "\0" not in str(path) and len(path.name) < 255:
        (tmp_path / "link").symlink_to(path)
        path = tmp_path / "link"
    readers = (
        lambda: read_bytes(path, limit=9, error=DatasetError),
        lambda: require_regular(path, error=DatasetError),
    )
    for read in (*readers, lambda: open_regular(path, error=DatasetError)):
        with pytest.raises(DatasetError) as caught:
            read()
        assert name.lower() in str(caught.value).lower()
        assert str(caught.value).startswith(f"{path}: ")
        assert str(caught.value).endswith("; put the file there or correct its path")
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no socket files")
def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = socket_file(tmp_path)
    for read in (lambda: read_bytes(path, limit=9), lambda: require_regular(path)):
        with pytest.raises(Exception, match=r"is a socket|No such device"):
            read()


def test_another_users_file_is_refused_as_the_system_words_it(tmp_path: Path) -> None:
    if not hasattr(os, "geteuid") or os.geteuid() == 0:
        pytest.skip("root reads everything")
    path = tmp_path / "locked"
    path.write_text("x")
    path.chmod(0)
    with pytest.raises(DatasetError, match=r"cannot be read \(Permission denied\)"):
        read_bytes(path, limit=9, error=DatasetError)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=40), limit=st.integers(0, 40))
def test_a_file_is_read_whole_or_refused(tmp_path: Path, content: bytes, limit: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    require_regular(path)
    if len(content) <= limit:
        assert read_bytes(path, limit=limit) == content
        return
    with pytest.raises(DatasetError, match=f": larger than {limit} bytes, the most that is read; keep it"):
        read_bytes(path, limit=limit, error=DatasetError, advice="keep it short")


def test_a_file_that_claims_no_size_is_read_no_further_than_the_limit() -> None:
    path = Path("/proc/self/status")  # regular, and of no size by its entry
    if not path.is_file():
        pytest.skip("no /proc here")
    assert read_bytes(path, limit=1 << 20)
    with pytest.raises(DatasetError, match="larger than 10 bytes"):
        read_bytes(path, limit=10, error=DatasetError)


def test_a_sparse_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "hole"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(DatasetError, match="larger than 1 GiB"):
        read_text(path, error=DatasetError)


def test_text_keeps_its_line_ends_and_names_the_line_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes("\ufeffé\r\nb".encode())
    assert read_text(path) == "é\r\nb"
    path.write_bytes(b"a\nb\n\xff")
    with pytest.raises(DatasetError, match="line 3: not UTF-8; save the captions as UTF-8"):
        read_text(path, error=DatasetError, what="captions")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "nested too deep"),
        ('{"a":' * 100_000, "nested too deep"),
        ("9" * 5000, "4300 digits"),
        ("", "Expecting value"),
        ("{'a': 1}", "Expecting property name"),
    ],
)
def test_json_that_cannot_be_read_is_worded(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "found.json"
    path.write_text(text)
    with pytest.raises(DatasetError, match=said):
        read_json(path, error=DatasetError)


def test_a_pairs_hook_may_refuse(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    path.write_text('{"a": [1, {"b": null}]}')
    assert read_json(path) == {"a": [1, {"b": None}]}

    def refuse(pairs: list[tuple[str, object]]) -> None:
        raise ValueError("stands twice")

    with pytest.raises(DatasetError, match=r"\(stands twice\)"):
        read_json(path, error=DatasetError, pairs_hook=refuse)


def test_lacking_rights_are_the_advice_whatever_else_would_be() -> None:
    path = Path("there") / "report.json"
    told = unreadable(path, PermissionError(13, "Permission denied"), error=FdakitError, advice="make it again")
    assert str(told) == (f"{path.absolute()}: cannot be read (Permission denied); correct its rights")
    other = unreadable(path, FileNotFoundError(2, "No such file"), error=FdakitError, advice="make it again")
    assert str(other).endswith("(No such file); make it again")
