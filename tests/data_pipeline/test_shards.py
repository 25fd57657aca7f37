"""Records on disk come back whole or not at all, whoever wrote them and whatever happened to the files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fdakit.data_pipeline import shards as shards_module
from fdakit.data_pipeline.shard_files import DATA, INDEX, KEY_BYTES, Shard, checksum, read_entries
from fdakit.data_pipeline.shards import Shards


def key(number: int) -> bytes:
    return number.to_bytes(KEY_BYTES, "big")


def record(number: int, size: int = 5000) -> bytes:
    return bytes((number + place) % 251 for place in range(size))


def opened(folder: Path, limit: int = 10**8) -> Shards:
    return Shards(folder, limit=limit, about={"recipe": "r"})


def filled(folder: Path, count: int = 4) -> Shards:
    shards = opened(folder)
    for number in range(count):
        assert shards.put(key(number), record(number))
    return shards


def files(folder: Path, ending: str) -> list[Path]:
    return sorted(folder.glob(f"*{ending}"))


def got(shards: Shards, number: int) -> bytes | None:
    found = shards.get(key(number))
    return None if found is None else bytes(found)


def test_what_was_put_comes_back_here_and_elsewhere(tmp_path: Path) -> None:
    shards = filled(tmp_path)
    for reader in (shards, opened(tmp_path)):
        assert [got(reader, number) for number in range(5)] == [*map(record, range(4)), None]
        assert key(3) in reader
        assert key(4) not in reader
        assert reader.take_notes() == ()


def test_a_reader_sees_what_is_written_after_it_was_opened(tmp_path: Path) -> None:
    reader, one, other = (opened(tmp_path) for _ in range(3))
    assert got(reader, 1) is None
    one.put(key(1), record(1))
    other.put(key(2), record(2))
    assert (got(reader, 1), got(reader, 2)) == (record(1), record(2))
    one.put(key(3), record(3))  # the shard has grown since it was mapped
    assert got(reader, 3) == record(3)
    assert other.put(key(3), record(3))  # there already
    assert len(files(tmp_path, INDEX)) == 2
    assert sum(path.stat().st_size for path in files(tmp_path, DATA)) == 3 * 5056


def test_after_closing_another_shard_is_begun(tmp_path: Path) -> None:
    shards = filled(tmp_path, 2)
    shards.close()
    assert shards.put(key(2), record(2))
    assert len(files(tmp_path, DATA)) == 2
    assert [got(opened(tmp_path), number) for number in range(3)] == [*map(record, range(3))]
    shards.close()
    shards.close()


def test_a_note_is_told_once_though_others_were_told_before(tmp_path: Path) -> None:
    shards = opened(tmp_path)
    for note in ("one", "two"):
        shards._note(note)
        shards._note("one")
        assert shards.take_notes() == (note,)
        assert shards.take_notes() == ()


def test_a_record_is_read_only(tmp_path: Path) -> None:
    found = filled(tmp_path).get(key(0))
    assert found is not None
    assert found.readonly


@given(st.data())
def test_a_file_cut_anywhere_gives_the_right_records_or_none(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    filled(folder, 3).close()
    (path,) = files(folder, data.draw(st.sampled_from([DATA, INDEX])))
    os.truncate(path, data.draw(st.integers(0, path.stat().st_size)))
    shards = opened(folder)
    for number in range(3):
        assert got(shards, number) in (None, record(number))
        assert shards.put(key(number), record(number))
        assert got(shards, number) == record(number)
    assert len(shards.take_notes()) <= 1


@given(st.data())
def test_a_byte_changed_anywhere_gives_the_right_records_or_none(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("flipped")
    filled(folder, 3).close()
    (path,) = files(folder, data.draw(st.sampled_from([DATA, INDEX])))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    shards = opened(folder)
    for number in range(3):
        assert got(shards, number) in (None, record(number))
        shards.put(key(number), record(number))
        assert got(shards, number) == record(number)


def test_what_older_runs_have_kept_is_still_sound() -> None:
    assert checksum(record(0, 20_000)) == 4015730963  # of a format that changes only together with its number


def test_records_lie_where_a_processor_reads_them_at_once(tmp_path: Path) -> None:
    filled(tmp_path, 3).close()
    (index,) = files(tmp_path, INDEX)
    assert [entry.offset % 64 for entry in read_entries(Shard(index))] == [0, 0, 0]


@pytest.mark.parametrize("size", [1, 7, 4071, 4072, 4073, 4500, 8144, 12_000])
def test_the_checksum_sees_every_byte(size: int) -> None:
    content = bytearray(record(0, size))
    sound = checksum(bytes(content))
    for place in {*range(0, size, 37), *range(max(0, size - 600), size)}:
        content[place] ^= 1
        assert checksum(bytes(content)) != sound, place
        content[place] ^= 1


@given(st.data())
def test_the_checksum_sees_bytes_changed_lost_and_pages_zeroed_or_swapped(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    record = rng.integers(0, 256, data.draw(st.integers(1, 50_000)), np.uint8).tobytes()
    place, length = data.draw(st.integers(0, len(record) - 1)), data.draw(st.integers(1, 9000))
    changed = bytearray(record)
    changed[place] ^= data.draw(st.integers(1, 255))
    pages = [record[start : start + 4096] for start in range(0, len(record), 4096)]
    swapped = b"".join([*pages[1:2], *pages[:1], *pages[2:]])
    zeroed = record[:place] + bytes(len(record[place : place + length])) + record[place + length :]
    for other in (bytes(changed), record[:-1], record + b"\0", zeroed, swapped):
        assert (checksum(other) == checksum(record)) is (other == record)
    assert checksum(memoryview(record)) == checksum(record)


def test_half_an_entry_is_no_damage_and_whole_ones_before_it_stay(tmp_path: Path) -> None:
    filled(tmp_path, 3).close()
    (index,) = files(tmp_path, INDEX)
    os.truncate(index, index.stat().st_size - 7)
    shards = opened(tmp_path)
    assert [got(shards, number) for number in range(3)] == [record(0), record(1), None]
    assert shards.take_notes() == ()


def test_a_damaged_shard_is_reported_by_one_process_and_its_records_are_made_again(tmp_path: Path) -> None:
    filled(tmp_path, 3).close()
    (data,) = files(tmp_path, DATA)
    content = bytearray(data.read_bytes())
    content[100] ^= 1
    data.write_bytes(content)
    readers = [opened(tmp_path), opened(tmp_path)]
    assert [got(reader, 0) for reader in readers] == [None, None]
    notes = [note for reader in readers for note in reader.take_notes()]
    assert len(notes) == 1
    assert "was damaged and is removed; its 3 records are made again" in notes[0]
    assert not data.exists()
    for number in range(3):
        assert readers[0].put(key(number), record(number))
    assert [got(opened(tmp_path), number) for number in range(3)] == list(map(record, range(3)))
    assert [reader.take_notes() for reader in readers] == [(), ()]


@pytest.mark.skipif(
    not Path("/proc/self/maps").is_file(), reason="what is mapped is listed under /proc on Linux alone"
)
def test_a_shard_that_is_given_up_is_mapped_no_more(tmp_path: Path) -> None:
    def mapped() -> int:
        return Path("/proc/self/maps").read_text().count(str(tmp_path))

    filled(tmp_path).close()
    reader = opened(tmp_path)
    assert got(reader, 2) == record(2)
    assert mapped() == 1
    (data,) = files(tmp_path, DATA)
    changed = bytearray(data.read_bytes())
    changed[-100] ^= 1
    data.write_bytes(changed)
    assert got(reader, 3) is None
    assert mapped() == 0


def test_a_sound_copy_is_found_behind_a_damaged_one(tmp_path: Path) -> None:
    one, other = opened(tmp_path / "one"), opened(tmp_path / "other")
    for shards in (one, other):
        shards.put(key(1), record(1))
    (first,) = files(tmp_path / "one", DATA)
    first.write_bytes(bytes(first.stat().st_size))
    for path in (tmp_path / "other").iterdir():
        path.rename(tmp_path / "one" / path.name)
    assert got(opened(tmp_path / "one"), 1) == record(1)


def test_the_folder_never_takes_more_than_its_limit_and_says_so_once(tmp_path: Path) -> None:
    shards = opened(tmp_path, limit=20_000)
    assert [shards.put(key(number), record(number)) for number in range(6)] == [True] * 3 + [False] * 3
    assert shards.put(key(9), b"small")  # what fits, fits
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 20_000
    (note,) = shards.take_notes()
    assert note == shards.full_note()
    shards.put(key(7), record(7))
    assert shards.take_notes() == ()
    fresh = opened(tmp_path, limit=20_000)
    assert fresh.put(key(5), record(5)) is False  # others' records count too
    assert opened(tmp_path / "none", limit=0).put(key(1), b"") is False


def test_it_never_takes_more_than_half_of_the_free_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards_module, "_free", lambda folder: 30_001)
    shards = opened(tmp_path)
    assert shards.room == 15_000
    assert [shards.put(key(number), record(number)) for number in range(4)] == [True, True, False, False]


def test_a_full_disk_is_said_once_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")  # a limit on file sizes is the nearest thing to a full disk
    shards = filled(tmp_path, 2)
    signal = pytest.importorskip("signal")
    monkeypatch.setattr(shards_module, "_LARGEST", 10**12)
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, before[1]))
        assert [shards.put(key(number), record(number)) for number in (2, 3)] == [False, False]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    (note,) = shards.take_notes()
    assert "cannot be written (File too large)" in note
    assert "free room there" in note
    for reader in (shards, opened(tmp_path)):
        assert [got(reader, number) for number in range(3)] == [record(0), record(1), None]
    assert files(tmp_path, DATA)[0].stat().st_size == 2 * 5056  # the half record was taken back


def test_a_folder_that_cannot_be_made_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    shards = opened(tmp_path / "file")
    assert [shards.put(key(number), b"x") for number in range(3)] == [False] * 3
    (note,) = shards.take_notes()
    assert "cannot be written" in note
    assert got(shards, 0) is None


def test_shards_that_are_cleared_under_a_reader_are_made_again(tmp_path: Path) -> None:
    shards = filled(tmp_path, 2)
    held = shards.get(key(0))
    for path in (*files(tmp_path, INDEX), *files(tmp_path, DATA)):
        path.unlink()
    assert shards.put(key(2), record(2))
    assert key(0) not in shards
    assert (got(shards, 0), got(shards, 2)) == (None, record(2))
    assert shards.take_notes() == ()
    assert held is not None
    assert bytes(held) == record(0)  # whoever holds a record keeps it


def test_a_shard_that_is_large_enough_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards_module, "_LARGEST", 12_000)
    monkeypatch.setattr(shards_module, "_MAPS", 2)
    shards = filled(tmp_path, 12)
    assert len(files(tmp_path, DATA)) == 4
    for number in (*range(12), *range(12)):
        assert got(shards, number) == record(number)


@pytest.mark.parametrize(
    ("error", "why"),
    [(PermissionError(13, "Permission denied", "a.index"), "Permission denied"), (OSError("odd"), "odd")],
)
def test_a_shard_that_cannot_be_read_is_left_out_and_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, why: str
) -> None:
    filled(tmp_path, 2).close()

    def refuse(shard: object) -> object:
        raise error

    monkeypatch.setattr(shards_module, "read_entries", refuse)
    shards = opened(tmp_path)
    for _ in range(2):
        shards.refresh()
        assert got(shards, 0) is None
    (note,) = shards.take_notes()
    assert f"{files(tmp_path, DATA)[0]} cannot be read ({why}); what it holds is decoded again" in note


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.index").write_bytes(b"not ours")
    (tmp_path / "notes.data").write_bytes(b"not ours")
    filled(tmp_path, 1)
    assert (tmp_path / "notes.index").read_bytes() == b"not ours"
    assert (tmp_path / "notes.data").read_bytes() == b"not ours"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
@pytest.mark.parametrize("ending", [INDEX, DATA])
@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "absent link", "another user's"])
def test_what_is_no_shard_of_ours_ends_and_hangs_nothing(
    tmp_path: Path, ending: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path, 2).close()
    (path,) = files(tmp_path, ending)
    if kind == "another user's":
        real = os.open

        def refuse(name: Path, flags: int, *rest: int) -> int:
            if Path(name) == path:
                raise PermissionError(13, "Permission denied", str(name))
            return real(name, flags, *rest)

        monkeypatch.setattr(os, "open", refuse)
    else:
        path.unlink()
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        else:
            path.symlink_to("/dev/zero" if kind == "device" else tmp_path / "nowhere")
    shards = opened(tmp_path)
    assert got(shards, 0) is None
    assert shards.put(key(0), record(0))
    assert got(shards, 0) == record(0)
    assert got(opened(tmp_path), 0) == record(0)
    notes = shards.take_notes()
    assert all("\n" not in note and str(tmp_path) in note for note in notes)
    assert len(notes) <= 1
