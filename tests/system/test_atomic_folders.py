"""A folder is the former one or the new one at every moment, and the disk's refusals leave nothing half written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from helpers.write_faults import count_changes, killed_at, refused_at

from fdakit.system.atomic_folders import atomic_folder, current_folder, settle_folder

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
WHOLE = ("a", "b", "last")


def is_whole(folder: Path) -> bool:
    return (folder / WHOLE[-1]).is_file()


def fill(folder: Path, text: str, names: tuple[str, ...] = WHOLE) -> None:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text(text)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def write(folder: Path, text: str) -> None:
    with atomic_folder(folder) as fresh:
        for name in WHOLE:
            (fresh / name).write_text(text)


def read(folder: Path) -> str | None:
    """What stands there; None where nothing does. Nothing half written may stand."""
    found = current_folder(folder, is_whole=is_whole)
    if not found.exists():
        return None
    texts = {(found / name).read_text() for name in WHOLE}
    assert len(texts) == 1
    return texts.pop()


# Every state that a kill can leave: the place, the next and the former folder, each absent, in part or whole.
STATES = [
    (None, None, None, None),
    (None, "part", None, None),  # while the first is written
    (None, "whole", None, "new"),  # before the first rename there ever was
    ("whole", None, None, "place"),
    ("whole", "part", None, "place"),  # while the next is written
    ("whole", "whole", None, "place"),  # before both renames
    (None, "whole", "whole", "new"),  # between the two renames
    (None, None, "whole", "old"),  # a second rename that failed and was not taken back
    ("whole", None, "whole", "place"),  # after both
    ("whole", None, "part", "place"),  # while the former is removed
    ("whole", "part", "part", "place"),
]


@pytest.mark.parametrize(("place", "new", "old", "counts"), STATES)
def test_every_state_after_a_kill_is_read_and_written_over(
    tmp_path: Path, place: str | None, new: str | None, old: str | None, counts: str | None
) -> None:
    folder = tmp_path / "x"
    for kind, state in (("place", place), ("new", new), ("old", old)):
        if state is not None:
            where = folder if kind == "place" else tmp_path / f".x.{kind}"
            fill(where, kind, WHOLE if state == "whole" else WHOLE[:1])
    assert read(folder) == counts
    write(folder, "again")
    assert read(folder) == "again"
    assert names(tmp_path) == ["x"]


@pytest.mark.integration
@forks
@pytest.mark.parametrize("first", [True, False])
def test_a_kill_at_any_moment_leaves_the_former_or_the_new_folder(tmp_path: Path, first: bool) -> None:
    def begin(name: str) -> Path:
        folder = tmp_path / name / "x"
        if not first:
            fill(folder, "former")
        return folder

    counted = begin("counted")
    moments = count_changes(lambda: write(counted, "new"))
    assert moments >= 7
    seen = set()
    for moment in range(1, moments + 1):
        folder = begin(str(moment))
        assert killed_at(moment, lambda folder=folder: write(folder, "new"))
        seen.add(read(folder))
        write(folder, "again")
        assert read(folder) == "again"
        assert names(folder.parent) == ["x"]
    assert seen == {None if first else "former", "new"}


@pytest.mark.parametrize("first", [True, False])
def test_a_refusal_at_any_moment_leaves_the_former_or_the_new_folder_and_nothing_else(
    tmp_path: Path, first: bool
) -> None:
    for moment in range(1, 30):
        folder = tmp_path / str(moment) / "x"
        if not first:
            fill(folder, "former")
        try:
            with refused_at(moment) as calls:
                write(folder, "new")
        except OSError:
            assert read(folder) in (None if first else "former", "new")
            beside = set(names(folder.parent)) if folder.parent.exists() else set()
            assert beside <= {"x"} or (beside == {"x", ".x.old"} and read(folder) == "new")  # not known to be synced
        else:
            assert read(folder) == "new"
        if calls.count < moment:
            return
    pytest.fail("never came to an end")


def write_kept(folder: Path, text: str) -> None:
    with atomic_folder(folder, keep=folder.with_name("before"), is_whole=is_whole) as fresh:
        for name in WHOLE:
            (fresh / name).write_text(text)


def begin_kept(folder: Path) -> Path:
    for text in ("1", "2"):
        write_kept(folder, text)
    assert (read(folder), read(folder.with_name("before"))) == ("2", "1")
    return folder


KEPT = {("2", "1"), ("3", "1"), ("3", "2")}
"""What may stand while 3 is written: the second is always the one before the first, or older."""


@pytest.mark.integration
@forks
def test_a_kill_at_any_moment_leaves_two_folders_if_the_former_is_kept(tmp_path: Path) -> None:
    moments = count_changes(lambda: write_kept(begin_kept(tmp_path / "counted" / "x"), "3"))
    seen = set()
    for moment in range(1, moments + 1):
        folder = begin_kept(tmp_path / str(moment) / "x")
        killed_at(moment, lambda folder=folder: write_kept(folder, "3"))
        found = (read(folder), read(folder.with_name("before")))
        assert found in KEPT
        seen.add(found)
        settle_folder(folder, keep=folder.with_name("before"), is_whole=is_whole)
        assert (read(folder), read(folder.with_name("before"))) in {("2", "1"), ("3", "2")}
        write_kept(folder, "4")
        assert (read(folder), read(folder.with_name("before"))) == ("4", found[0])
        assert sorted(names(folder.parent)) == ["before", "x"]
    assert seen == KEPT


def test_a_refusal_at_any_moment_leaves_two_folders_if_the_former_is_kept(tmp_path: Path) -> None:
    for moment in range(1, 60):
        folder = begin_kept(tmp_path / str(moment) / "x")
        try:
            with refused_at(moment) as calls:
                write_kept(folder, "3")
        except OSError:
            assert (read(folder), read(folder.with_name("before"))) in KEPT
            assert not (folder.parent / ".x.new").exists()
        else:
            assert read(folder) == "3"
        write_kept(folder, "4")
        assert read(folder.with_name("before")) in ("2", "3")
        assert sorted(names(folder.parent)) == ["before", "x"]
        if calls.count < moment:
            return
    pytest.fail("never came to an end")


def test_a_first_folder_that_was_whole_but_not_renamed_is_the_former_one(tmp_path: Path) -> None:
    write(tmp_path / "x", "1")
    (tmp_path / "x").rename(tmp_path / ".x.new")
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "x", is_whole=is_whole):
        raise ZeroDivisionError
    assert read(tmp_path / "x") == "1"


def test_what_raises_inside_leaves_the_former_folder(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    fill(folder, "former")
    with pytest.raises(ZeroDivisionError), atomic_folder(folder) as fresh:
        (fresh / "a").write_text("half")
        raise ZeroDivisionError
    assert read(folder) == "former"
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize("name", [".", "", "/"])
def test_a_folder_without_a_name_of_its_own_stands_where_it_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert current_folder(Path(name)) == Path(name)
