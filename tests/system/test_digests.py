"""A changed bit, a file that is not listed, and a damaged list are told; nothing else is."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from fdakit.errors import CheckpointError, ScoreError
from fdakit.system.digests import SUMS, check_digest, digest_lines, file_sha256, read_digests


def check(path: Path) -> bool:
    return check_digest(path, error=ScoreError, advice="make it again")


def test_digests_are_those_of_sha256sum(tmp_path: Path) -> None:
    for name, content in (("a", b""), ("b c", b"\x00\xff" * 999)):
        (tmp_path / name).write_bytes(content)
        assert file_sha256(tmp_path / name) == hashlib.sha256(content).hexdigest()
    (tmp_path / SUMS).write_text(digest_lines(tmp_path, ["b c", "a"]))
    assert list(read_digests(tmp_path) or {}) == ["a", "b c"]
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", SUMS], cwd=tmp_path, check=True)


@given(content=st.binary(min_size=1, max_size=200), data=st.data())
def test_every_changed_bit_is_found(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("digests")
    (folder / "a").write_bytes(content)
    (folder / SUMS).write_text(digest_lines(folder, ["a"]))
    assert check(folder / "a")
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    (folder / "a").write_bytes(changed)
    with pytest.raises(ScoreError, match=r"a: changed or damaged since it was written .*; make it again"):
        check(folder / "a")


def test_what_is_not_listed_is_refused_and_a_folder_without_digests_is_not_checked(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    assert check(tmp_path / "a") is False
    (tmp_path / SUMS).write_text(digest_lines(tmp_path, ["a"]))
    with pytest.raises(ScoreError, match=r"b: not listed in its folder's SHA256SUMS"):
        check(tmp_path / "b")
    (tmp_path / "a").unlink()
    with pytest.raises(ScoreError, match=r"a: cannot be read \(No such file.*make it again"):
        check(tmp_path / "a")


@pytest.mark.parametrize("content", [b"\xff", b"nothing\n", b"0" * 64 + b" a\n", b"g" * 64 + b"  a\n"])
def test_a_damaged_list_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / SUMS).write_bytes(content)
    said = r"SHA256SUMS: line 1: not a SHA-256 and a file name; this list itself is damaged.* cannot be checked; "
    with pytest.raises(CheckpointError, match=said + "put back the one that was written with them$"):
        read_digests(tmp_path, error=CheckpointError)
    with pytest.raises(ScoreError, match=said + "make it again$"):
        check(tmp_path / "a")
