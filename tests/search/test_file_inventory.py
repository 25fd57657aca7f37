"""What differs between files and an index."""

import os
import shutil
from pathlib import Path

import pytest

from fdakit.errors import DatasetError
from fdakit.search.file_inventory import FileState, file_fingerprint, find_changes, find_roots, list_files


def made(folder: Path, **contents: str) -> dict[str, FileState]:
    """Write files `name=content`, and return what an index would know of them."""
    known = {}
    for name, content in contents.items():
        path = folder / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        seen = path.stat()
        known[str(path)] = FileState(str(path), seen.st_size, seen.st_mtime_ns, file_fingerprint(str(path)))
    return known


def test_files_are_new_changed_touched_moved_or_gone(tmp_path: Path) -> None:
    known = made(tmp_path, same="1", changed="2", touched="3", moved="4", gone="5")
    (tmp_path / "changed.mp4").write_text("22")
    os.utime(tmp_path / "touched.mp4", (1, 1))
    (tmp_path / "below").mkdir()
    shutil.move(tmp_path / "moved.mp4", tmp_path / "below" / "other.mp4")
    (tmp_path / "gone.mp4").unlink()
    (tmp_path / "new.mp4").write_text("6")
    roots = find_roots([str(tmp_path)])
    found = find_changes(list_files(roots), known, roots)
    assert found.unchanged == 1
    assert [Path(file.path).name for file in found.new] == ["new.mp4"]
    assert [Path(file.path).name for file in found.changed] == ["changed.mp4"]
    assert {Path(old).name: Path(now.path).name for old, now in found.same.items()} == {
        "touched.mp4": "touched.mp4",
        "moved.mp4": "other.mp4",
    }
    assert found.moved == 1
    assert [Path(path).name for path in found.gone] == ["gone.mp4"]


def test_a_copy_is_new_while_the_original_is_there(tmp_path: Path) -> None:
    known = made(tmp_path, a="1")
    shutil.copy2(tmp_path / "a.mp4", tmp_path / "b.mp4")
    roots = find_roots([str(tmp_path)])
    found = find_changes(list_files(roots), known, roots)
    assert [Path(file.path).name for file in found.new] == ["b.mp4"]
    assert not found.same


def test_what_was_not_named_is_never_gone(tmp_path: Path) -> None:
    known = made(tmp_path / "one", a="1") | made(tmp_path / "one-more", b="2")
    shutil.rmtree(tmp_path / "one-more")
    roots = find_roots([str(tmp_path / "one")])
    assert not find_changes(list_files(roots), known, roots)


def test_folders_patterns_files_and_lists_are_named_alike(tmp_path: Path) -> None:
    made(tmp_path, a="1", b="2")
    (tmp_path / "notes.txt").write_text("no video")
    (tmp_path / ".hidden.mp4").write_text("hidden")
    (tmp_path / "list.txt").write_text(f"# videos\n{tmp_path / 'a.mp4'}\n")
    for named, wanted in (
        ([str(tmp_path)], ["a.mp4", "b.mp4"]),
        ([str(tmp_path / "*.mp4")], ["a.mp4", "b.mp4"]),
        ([str(tmp_path / "b.mp4"), str(tmp_path)], ["a.mp4", "b.mp4"]),
        ([f"@{tmp_path / 'list.txt'}"], ["a.mp4"]),
    ):
        assert [Path(file.path).name for file in list_files(find_roots(named))] == wanted


@pytest.mark.parametrize("name", ["absent", "absent/*.mp4", "@absent.txt"])
def test_a_name_that_is_nothing_is_told(tmp_path: Path, name: str) -> None:
    given = f"@{tmp_path}/{name[1:]}" if name.startswith("@") else f"{tmp_path}/{name}"
    with pytest.raises(DatasetError, match="absent"):
        find_roots([given])


@pytest.mark.skipif(os.name != "posix", reason="names of bytes are POSIX's")
def test_a_name_that_is_no_text_is_told_and_passed_over(tmp_path: Path) -> None:
    made(tmp_path, a="1")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mp4")).write_text("2")
    told: list[str] = []
    assert [Path(file.path).name for file in list_files(find_roots([str(tmp_path)]), told=told.append)] == ["a.mp4"]
    assert "rename it" in told[0]


def test_the_digest_sees_the_middle_and_the_end_of_large_files(tmp_path: Path) -> None:
    path = tmp_path / "large.mp4"
    content = bytearray(os.urandom(1 << 20))
    digests = set()
    for place in (0, len(content) // 2, len(content) - 1):
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(changed)
        digests.add(file_fingerprint(str(path)))
    path.write_bytes(content)
    digests.add(file_fingerprint(str(path)))
    assert len(digests) == 4
