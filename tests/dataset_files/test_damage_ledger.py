"""The ledger: what is written is found again as long as the file is the same, and nothing else is touched."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from fdakit import FdakitError
from fdakit.dataset_files.damage_ledger import Finding, Ledger, mark_of

pytestmark = pytest.mark.integration

FULL = Finding("repaired", "a hole", 20, 18, 2.375, "h264", 64, 48, 90, "its clock jumps")


def written(ledger: Ledger, path: Path, finding: Finding = FULL) -> None:
    mark = mark_of(path)
    assert mark is not None
    ledger.write(path, mark, finding)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path / "deep" / "down" / "ledger.sqlite")
    made.create()
    return made


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"12345")
    return path


def test_what_was_written_is_found_and_a_later_finding_replaces_it(ledger: Ledger, film: Path) -> None:
    assert ledger.find([film]) == {}
    written(ledger, film)
    assert ledger.find([film, film.with_name("other.mp4")]) == {film: FULL}
    written(ledger, film, Finding("ok"))
    assert Ledger(ledger.path).find([film]) == {film: Finding("ok")}


def test_a_ledger_of_a_former_version_knows_nothing_and_is_begun_anew(tmp_path: Path, film: Path) -> None:
    path = tmp_path / "old.sqlite"
    with sqlite3.connect(path) as table:
        table.execute("CREATE TABLE videos (path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, status TEXT)")
        table.execute("INSERT INTO videos VALUES (?, 5, 0, 'ok')", (bytes(film),))
        table.execute("PRAGMA user_version = 1")
    table.close()
    ledger = Ledger(path)
    assert ledger.find([film]) == {}
    ledger.create()
    assert ledger.find([film]) == {}
    written(ledger, film)
    assert ledger.find([film]) == {film: FULL}


def test_a_file_that_changed_is_unknown(ledger: Ledger, film: Path) -> None:
    written(ledger, film)
    times = film.stat()
    film.write_bytes(b"54321")  # as long as before
    os.utime(film, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    assert ledger.find([film]) == {}
    os.utime(film, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert ledger.find([film]) == {film: FULL}
    film.write_bytes(b"123456")
    os.utime(film, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert ledger.find([film]) == {}
    film.unlink()
    assert ledger.find([film]) == {}


def test_paths_mean_the_same_from_every_folder(ledger: Ledger, film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(film.parent)
    written(ledger, Path("film.mp4"))
    assert ledger.find([film]) == {film: FULL}
    assert ledger.find([Path("film.mp4")]) == {Path("film.mp4"): FULL}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_file_name_need_not_be_text(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    path.write_bytes(b"x")
    written(ledger, path)
    assert ledger.find([path]) == {path: FULL}


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
COUNT = st.integers(0, 2**40)


@given(
    st.builds(
        Finding,
        status=st.sampled_from(["ok", "repaired", "unreadable"]),
        reason=TEXT,
        promised=COUNT,
        decoded=COUNT,
        duration=st.floats(0, 1e9),
        codec=TEXT,
        width=COUNT,
        height=COUNT,
        rotation=st.sampled_from([0, 90, 180, 270]),
    )
)
def test_findings_return_as_they_were(finding: Finding) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "film")
        path.touch()
        ledger = Ledger(Path(folder, "ledger"))
        ledger.create()
        written(ledger, path, finding)
        assert ledger.find([path]) == {path: finding}


def test_no_ledger_yet_knows_nothing(tmp_path: Path, film: Path) -> None:
    assert Ledger(tmp_path / "none.sqlite").find([film]) == {}
    assert not (tmp_path / "none.sqlite").exists()


def test_writers_at_once_lose_nothing(ledger: Ledger, tmp_path: Path) -> None:
    films = [tmp_path / f"{number}.mp4" for number in range(40)]
    for film in films:
        film.touch()

    def write(part: list[Path]) -> None:
        mine = Ledger(ledger.path)
        for film in part:
            written(mine, film, Finding("ok", film.name))

    threads = [threading.Thread(target=write, args=(films[k::4],)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {path: finding.reason for path, finding in ledger.find(films).items()} == {f: f.name for f in films}


KILLED = """
import os, sys
from pathlib import Path
from fdakit.dataset_files.damage_ledger import Finding, Ledger, mark_of
ledger, film = Ledger(Path(sys.argv[1])), Path(sys.argv[2])
ledger.write(film, mark_of(film), Finding("ok"))
os.kill(os.getpid(), 9)
"""


@pytest.mark.integration
@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_what_was_written_outlives_the_writer(ledger: Ledger, film: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(ledger.path), str(film)], check=False)
    assert done.returncode == -9
    assert ledger.find([film]) == {film: Finding("ok")}


def test_what_is_no_ledger_is_named_and_left_as_it_is(tmp_path: Path, film: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no database, but long enough to be taken for one" * 20)
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as table:
        table.execute("CREATE TABLE bookmarks (name TEXT)")
    table.close()
    for path in (text, other):
        before = path.read_bytes()
        for call in (Ledger(path).create, lambda path=path: Ledger(path).find([film])):
            with pytest.raises(FdakitError, match=rf"{path.name}: no ledger of this fdakit .*delete it .*--ledger"):
                call()
        assert path.read_bytes() == before


def test_a_ledger_that_cannot_be_written_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FdakitError, match="folder cannot be made"):
        Ledger(tmp_path / "file" / "ledger").create()
    (tmp_path / "folder").mkdir()
    with pytest.raises(FdakitError, match="is a folder, where a regular file is read"):
        Ledger(tmp_path / "folder").create()


@pytest.mark.parametrize(
    ("column", "value"),
    [("status", "fine"), ("status", ""), ("promised", "many"), ("duration", "long"), ("width", 1.5)],
)
def test_a_row_that_no_check_wrote_is_not_counted(ledger: Ledger, film: Path, column: str, value: object) -> None:
    written(ledger, film)
    with sqlite3.connect(ledger.path) as table:
        table.execute(f"UPDATE videos SET {column} = ?", (value,))
    with pytest.raises(FdakitError, match="which no check wrote; delete the file"):
        ledger.find([film])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_pipe_or_a_folder_is_no_ledger(tmp_path: Path, film: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero"), tmp_path / ("n" * 300), tmp_path / "a\0b"):
        for use in (lambda path=path: Ledger(path).find([film]), lambda path=path: Ledger(path).create()):
            with pytest.raises(FdakitError) as caught:
                use()
            assert str(caught.value).startswith(f"{path}: ")
