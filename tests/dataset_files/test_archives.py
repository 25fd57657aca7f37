"""Archives: what is wanted comes out whole, and nothing in them can do harm."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import resource
import stat
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, cast

import pytest
from hypothesis import given, strategies as st

from fdakit import DatasetError
from fdakit.dataset_files import archive_limits, archives
from fdakit.dataset_files.archives import Unpacked, archives_in, unpack

pytestmark = pytest.mark.integration

FILES = {"set/train_list.txt": b"a\nb\n", "set/clips/a.mp4": bytes(range(256)) * 40, "set/notes.md": b"notes"}
ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz")


def quiet(what: str, done: int, total: int) -> None:
    """No progress."""


def pack(path: Path, files: Mapping[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, data in files.items():
                packed.writestr(name, data)
        return path
    with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def take(archive: Path, root: Path, *, unless: str = ".md") -> Unpacked:
    """Everything that does not end so, below root under its own path."""
    return unpack(archive, lambda path: None if path.suffix == unless else root / path, progress=quiet)


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_wanted_comes_out_whole_and_nothing_else(tmp_path: Path, ending: str) -> None:
    archive, root = pack(tmp_path / f"set{ending}", FILES), tmp_path / "out"
    assert archives_in(tmp_path) == (archive,)
    done = take(archive, root)
    wanted = [name for name in FILES if not name.endswith(".md")]
    assert done == Unpacked(archive, tuple(root / name for name in wanted))
    assert {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()} == set(wanted)
    assert all((root / name).read_bytes() == FILES[name] for name in wanted)
    (root / wanted[0]).write_bytes(b"the user's own")
    assert take(archive, root) == Unpacked(archive, already=2)
    assert (root / wanted[0]).read_bytes() == b"the user's own"


def test_only_archives_in_the_folder_itself_count(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "folder.zip").mkdir()
    for name in ("b.TAR.GZ", "a.zip", ".hidden.zip", "c.gz", "d.rar", "below/e.zip"):
        (tmp_path / name).touch()
    assert [path.name for path in archives_in(tmp_path)] == ["a.zip", "b.TAR.GZ"]


@pytest.mark.parametrize("ending", [".zip", ".tar"])
@pytest.mark.parametrize(
    "name", ["../evil.mp4", "a/../../evil.mp4", "/evil.mp4", "..\\evil.mp4", "C:\\evil.mp4", "a/.."]
)
def test_paths_that_lead_out_are_refused_and_the_rest_goes_on(tmp_path: Path, ending: str, name: str) -> None:
    archive = pack(tmp_path / f"set{ending}", {name: b"evil", "good.mp4": b"good"})
    done = take(archive, tmp_path / "out")
    assert done.files == (tmp_path / "out" / "good.mp4",)
    assert done.refused == (f"{name}: its path leads out of the archive's folder",)
    assert sorted(path.name for path in tmp_path.rglob("*.mp4")) == ["good.mp4"]


PARTS = st.sampled_from(["..", ".", "", "a", "b.mp4", "C:", "..\\..", "é", "c d"])


@given(names=st.lists(st.lists(PARTS, min_size=1, max_size=5).map("/".join), min_size=1, max_size=4, unique=True))
def test_nothing_is_ever_written_outside(names: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("law")
    archive, root = pack(folder / "set.tar", dict.fromkeys(names, b"x")), folder / "deep" / "root"
    try:
        done = take(archive, root)
    except DatasetError:  # a name that is a file in one member and a folder in the next
        done = None
    outside = [path for path in folder.rglob("*") if path.is_file() and not path.is_relative_to(root)]
    assert outside == [archive]
    assert not list(folder.rglob("*.part"))
    if done is not None:
        assert all(path.resolve().is_relative_to(root) and path.is_file() for path in done.files)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.CHRTYPE, "no plain file"),
        (tarfile.BLKTYPE, "no plain file"),
        (tarfile.FIFOTYPE, "no plain file"),
    ],
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes, said: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with tarfile.open(tmp_path / "set.tar", "w") as tar:
        info = tarfile.TarInfo("a.mp4")
        info.type, info.linkname = kind, str(secret)
        tar.addfile(info)
    done = take(tmp_path / "set.tar", tmp_path / "out")
    assert (done.files, done.refused) == ((), (f"a.mp4: {said}",))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("kind", "said"), [(stat.S_IFLNK, "a link"), (stat.S_IFIFO, "no plain file")])
def test_links_and_pipes_in_a_zip_are_refused(tmp_path: Path, kind: int, said: str) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as packed:
        info = zipfile.ZipInfo("a.mp4")
        info.create_system, info.external_attr = 3, (kind | 0o777) << 16
        packed.writestr(info, "/etc/passwd")
    assert take(tmp_path / "set.zip", tmp_path / "out").refused == (f"a.mp4: {said}",)
    assert not (tmp_path / "out").exists()


def test_encrypted_members_are_said(tmp_path: Path) -> None:
    data = bytearray(pack(tmp_path / "set.zip", {"a.mp4": b"x"}).read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the flag in the central directory
    (tmp_path / "set.zip").write_bytes(data)
    assert take(tmp_path / "set.zip", tmp_path / "out").refused == ("a.mp4: encrypted",)


@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
def test_half_a_download_gives_the_files_that_are_whole(tmp_path: Path, ending: str) -> None:
    noise = b"".join(bytes((i * i * 7 + i // 3) % 251 for i in range(start, start + 5000)) for start in (0, 9, 77))
    archive = pack(tmp_path / f"set{ending}", {"a.mp4": b"small", "b.mp4": noise})
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 3])
    done = take(archive, tmp_path / "out")
    assert done.fault
    assert [path.name for path in done.files] == ["a.mp4"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("content", [b"", b"no archive at all", b"PK\x03\x04half"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_no_archive_is_said(tmp_path: Path, ending: str, content: bytes) -> None:
    (tmp_path / f"set{ending}").write_bytes(content)
    done = take(tmp_path / f"set{ending}", tmp_path / "out")
    assert done.fault
    assert not done.files


def test_damaged_data_never_becomes_a_file(tmp_path: Path) -> None:
    archive = tmp_path / "set.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("a.mp4", b"a plain text that stands in the file as it is")
    archive.write_bytes(archive.read_bytes().replace(b"plain", b"PLAIN"))
    done = take(archive, tmp_path / "out")
    assert "CRC" in done.fault
    assert not list((tmp_path / "out").iterdir())


def test_ctrl_c_leaves_whole_files_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(tmp_path / "set.tar", FILES)

    def interrupted(room: object, count: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(archive_limits.Room, "take", interrupted)
    with pytest.raises(KeyboardInterrupt):
        take(archive, tmp_path / "out")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_what_cannot_be_written_is_worded(tmp_path: Path) -> None:
    archive = pack(tmp_path / "set.tar", {"a.mp4": b"x"})
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(DatasetError, match=r"out/a\.mp4: cannot be unpacked there .*; make room"):
        take(archive, tmp_path / "out")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
@pytest.mark.parametrize("ending", ["zip", "tar"])
def test_an_archive_that_is_no_regular_file_is_refused(tmp_path: Path, ending: str) -> None:
    os.mkfifo(tmp_path / f"set.{ending}")
    with pytest.raises(DatasetError, match=rf"set\.{ending}: is a FIFO"):
        take(tmp_path / f"set.{ending}", tmp_path / "out")


@pytest.mark.parametrize(("error", "fault"), [(EOFError(), "EOFError"), (EOFError("it ends early"), "it ends early")])
def test_a_fault_without_words_has_the_name_of_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, fault: str
) -> None:
    def members(archive: Path) -> Iterator[None]:
        raise error
        yield

    monkeypatch.setattr(archives, "_tar_members", members)
    assert take(pack(tmp_path / "set.tar", FILES), tmp_path / "out").fault == fault


def test_progress_counts_megabytes(tmp_path: Path) -> None:
    archive = pack(tmp_path / "set.tar", {f"{i}.mp4": bytes(1 << 20) for i in range(3)})
    told: list[tuple[str, int, int]] = []
    unpack(archive, lambda path: None, progress=lambda *each: told.append(each))
    assert {(what, total) for what, _, total in told} == {("unpacking set.tar (MB)", 3)}
    assert [done for _, done, _ in told] == [0, 1, 2]


def test_a_member_is_offered_by_its_path(tmp_path: Path) -> None:
    seen: list[PurePosixPath] = []
    unpack(pack(tmp_path / "set.zip", FILES), lambda path: seen.append(path), progress=quiet)
    assert seen == [PurePosixPath(name) for name in FILES]


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_a_name_that_is_too_long_is_refused_and_the_rest_goes_on(tmp_path: Path, ending: str) -> None:
    archive = pack(tmp_path / f"set{ending}", {"n" * 253 + ".mp4": b"long", "good.mp4": b"good"})
    done = take(archive, tmp_path / "out")
    assert done.files == (tmp_path / "out" / "good.mp4",)
    assert [text.lstrip("n") for text in done.refused] == [".mp4: its name is too long"]


def test_what_is_no_tar_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "set.tar").write_bytes(b"<html>not found</html>")
    assert "\n" not in take(tmp_path / "set.tar", tmp_path / "out").fault


def zeros(path: Path, size: int) -> Path:
    """An archive with one video of `size` zeros, written piece by piece."""
    if path.suffix == ".zip":
        method = {"xz": zipfile.ZIP_LZMA, "bz2": zipfile.ZIP_BZIP2}.get(path.stem, zipfile.ZIP_DEFLATED)
        with (
            zipfile.ZipFile(path, "w", method) as packed,
            packed.open("set/clips/a.mp4", "w", force_zip64=True) as file,
        ):
            for _ in range(size >> 20):
                file.write(bytes(1 << 20))
        return path
    with tarfile.open(path, f"w:{path.suffix[1:]}") as tar:
        info = tarfile.TarInfo("set/clips/a.mp4")
        info.size = size
        tar.addfile(info, cast(IO[bytes], Zeros()))
    return path


class Zeros:
    def read(self, count: int) -> bytes:
        return bytes(count)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("set.zip", True), ("xz.zip", True), ("bz2.zip", True), ("set.tar.gz", True), ("set.tar.gz", False)],
)
def test_an_archive_that_swells_is_stopped_and_takes_no_memory(
    tmp_path: Path, name: str, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_limits, "LEAST_ROOM", 1 << 20)
    archive, root = zeros(tmp_path / name, 64 << 20), tmp_path / "out"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = take(archive, root, unless=".md" if wanted else ".mp4")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000 or name == "bz2.zip"  # kB
    assert done.files == ()
    assert [path for path in root.rglob("*") if path.is_file()] == []
    if wanted or name == "set.tar.gz":
        assert done.fault == "it unpacks to more than 200 times its size"


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_that_claims_gigabytes_is_no_header(tmp_path: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, 6 << 30
    path = tmp_path / "set.tar.gz"
    with gzip.open(path, "wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    done = take(path, tmp_path / "out")
    assert "claims" in done.fault or "too large" in done.fault or done.fault


def test_a_sparse_member_of_a_petabyte_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_limits, "LEAST_ROOM", 1 << 20)
    head = bytearray(tarfile.TarInfo("set/clips/a.mp4").tobuf(tarfile.GNU_FORMAT))
    head[156:157] = tarfile.GNUTYPE_SPARSE
    head[483:495] = b"\x80" + (1 << 50).to_bytes(11, "big")
    head[148:156] = b" " * 8
    head[148:156] = f"{sum(head[:512]):06o}\0 ".encode()
    (tmp_path / "set.tar").write_bytes(bytes(head) + bytes(1024))
    done = take(tmp_path / "set.tar", tmp_path / "out")
    assert done.files == ()
    assert done.fault or done.refused


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "name",
    ["a/" * 2500 + "a.mp4", "a/" + "b" * 300 + "/c.mp4", "c" * 255 + ".mp4", "x\0y.mp4", "b/" * 1500 + "a.mp4"],
)
def test_a_path_that_no_disk_takes_is_left_out(tmp_path: Path, ending: str, name: str) -> None:
    with contextlib.suppress(ValueError, UnicodeError):
        archive = pack(tmp_path / f"set{ending}", {**FILES, name: b"x"})
        done = take(archive, tmp_path / "out")
        assert len(done.files) in (2, 3)
        assert not done.fault
        assert all(len(str(path)) < 4096 for path in done.files)
