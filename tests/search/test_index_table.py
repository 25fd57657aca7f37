"""The table of an index: what is written is there, in full, or not at all."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest

from fdakit.errors import FdakitError
from fdakit.search.file_inventory import FileState
from fdakit.search.table.index_info import IndexInfo, ModelIdentity, Segmentation
from fdakit.search.table.index_table import TABLE, IndexTable
from fdakit.search.table.segment_rows import Segment, SegmentRow, VideoFacts, checksums
from fdakit.search.table.stored_vectors import TableVectors

pytest.importorskip("lance", reason='needs pip install "fdakit[search]"')

WIDTH = 8


def info(*, stores: str = "vector") -> IndexInfo:
    model = ModelIdentity.from_json(
        {"name": "m", "weights": "w", "parts": "p", "recipe": "", "width": WIDTH, "stores": stores}
    )
    return IndexInfo(model=model, segmentation=Segmentation(window=4.0))


def rows(path: str, count: int, *, content: str = "a", several: int = 1) -> list[SegmentRow]:
    rng = np.random.default_rng(abs(hash((path, content))) % 1000)
    file = FileState(path, 10, 20, content)
    return [
        SegmentRow(
            file,
            VideoFacts(10.0, 64, 48, 25.0),
            Segment(number, 5.0 * number, 5.0 * number + 10),
            coverage=0.25,
            vectors=rng.standard_normal((several, WIDTH)).astype(np.float32),
            thumbnail=b"jpeg",
        )
        for number in range(count)
    ]


def keys(table: IndexTable) -> list[tuple[str, int]]:
    found = table.rows(["path", "segment"])
    return sorted(zip(found["path"].to_pylist(), found["segment"].to_pylist(), strict=True))


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    table = IndexTable.create(tmp_path / "index", info())
    table.append([*rows("/a.mp4", 3), *rows("/it's.mp4", 2)])
    again = IndexTable.open(tmp_path / "index")
    assert again.info == table.info
    assert keys(again) == [("/a.mp4", 0), ("/a.mp4", 1), ("/a.mp4", 2), ("/it's.mp4", 0), ("/it's.mp4", 1)]
    assert again.files()["/a.mp4"] == FileState("/a.mp4", 10, 20, "a")
    assert not list(again.faults())


def test_a_changed_file_exchanges_all_of_its_rows_in_one_version(tmp_path: Path) -> None:
    table = IndexTable.create(tmp_path / "index", info())
    table.append([*rows("/a.mp4", 3), *rows("/b.mp4", 1)])
    before = table.version
    table.replace("/a.mp4", rows("/a.mp4", 2, content="b"))
    assert table.version == before + 1
    assert keys(table) == [("/a.mp4", 0), ("/a.mp4", 1), ("/b.mp4", 0)]
    assert table.files()["/a.mp4"].fingerprint == "b"


def test_a_moved_file_keeps_ids_and_vectors_and_a_removed_one_nothing(tmp_path: Path) -> None:
    table = IndexTable.create(tmp_path / "index", info())
    table.append([*rows("/a.mp4", 2), *rows("/b.mp4", 1)])
    before = set(table.rows(["id"], where="path = '/a.mp4'")["id"].to_pylist())
    table.rename({"/a.mp4": FileState("/new/a.mp4", 10, 30, "a")})
    assert set(table.rows(["id"], where="path = '/new/a.mp4'")["id"].to_pylist()) == before
    table.remove(["/b.mp4"])
    assert keys(table) == [("/new/a.mp4", 0), ("/new/a.mp4", 1)]
    assert not list(table.faults())


def test_several_vectors_of_a_segment_are_kept_beside_their_mean(tmp_path: Path) -> None:
    table = IndexTable.create(tmp_path / "index", info(stores="vectors"))
    made = rows("/a.mp4", 1, several=3)
    table.append(made)
    found = table.rows(["vector", "vectors"])
    assert made[0].vectors is not None
    assert np.array_equal(np.array(found["vectors"][0].as_py(), np.float32).reshape(-1, WIDTH), made[0].vectors)
    assert np.linalg.norm(found["vector"][0].as_py()) == pytest.approx(1, abs=1e-6)


def test_every_column_counts_in_the_checksum(tmp_path: Path) -> None:
    import pyarrow as pa

    table = IndexTable.create(tmp_path / "index", info())
    table.append(rows("/a.mp4", 1))
    whole = table.rows(table.dataset.schema.names)
    known = checksums(whole)
    others = {
        "string": "other",
        "binary": b"other",
        "int32": 7,
        "int64": 7,
        "double": 0.125,
        "float": 0.5,
    }
    for place, field in enumerate(whole.schema):
        if field.name == "crc":
            continue
        value = np.ones(WIDTH, np.float32) if field.name == "vector" else others[str(field.type)]
        changed = whole.set_column(place, field, pa.array([value], field.type))
        assert checksums(changed)[0] != known[0], field.name


def test_a_flipped_byte_anywhere_is_found(tmp_path: Path) -> None:
    table = IndexTable.create(tmp_path / "index", info())
    table.append(rows("/a.mp4", 2))
    table.replace("/a.mp4", rows("/a.mp4", 1, content="b"))
    rng = np.random.default_rng(0)
    files = [path for path in sorted((tmp_path / "index" / TABLE).rglob("*")) if path.is_file()]
    for path in [path for path in files if path.suffix != ".json"]:
        content = path.read_bytes()
        for place in rng.choice(len(content), 3):
            damaged = bytearray(content)
            damaged[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            assert any(path.name in fault for fault in table.faults()), (path.name, place)
        path.write_bytes(content)
    assert not list(table.faults())


@pytest.mark.parametrize("damage", ["truncated", "garbage"])
def test_a_damaged_newest_version_gives_way_to_the_one_before(tmp_path: Path, damage: str) -> None:
    table = IndexTable.create(tmp_path / "index", info())
    table.append(rows("/a.mp4", 1))
    table.append(rows("/b.mp4", 1))
    newest = min((tmp_path / "index" / TABLE / "_versions").glob("*.manifest"), key=lambda path: path.name)
    content = newest.read_bytes()
    newest.write_bytes(content[: len(content) // 2] if damage == "truncated" else os.urandom(len(content)))
    with pytest.warns(UserWarning, match="newest version is damaged"):
        assert keys(IndexTable.open(tmp_path / "index")) == [("/a.mp4", 0)]
    with pytest.warns(UserWarning, match="will be indexed again"):
        again = IndexTable.open(tmp_path / "index", writing=True)
    again.append(rows("/c.mp4", 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert keys(IndexTable.open(tmp_path / "index")) == [("/a.mp4", 0), ("/c.mp4", 0)]


def test_a_version_whose_data_never_reached_the_disk_gives_way_too(tmp_path: Path) -> None:
    table = IndexTable.create(tmp_path / "index", info())
    table.append(rows("/a.mp4", 1))
    before = set((tmp_path / "index" / TABLE / "data").iterdir())
    table.append(rows("/b.mp4", 1))
    (fresh,) = set((tmp_path / "index" / TABLE / "data").iterdir()) - before
    os.truncate(fresh, 100)
    with pytest.warns(UserWarning, match=r"has 100 of [\d,]+ bytes"):
        assert keys(IndexTable.open(tmp_path / "index")) == [("/a.mp4", 0)]


def test_data_is_on_disk_before_it_is_published_and_published_before_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = IndexTable.create(tmp_path / "index", info())
    synced: list[str] = []
    whole = os.fsync

    def noted(handle: int) -> None:
        named = Path(f"/proc/self/fd/{handle}")
        synced.append(str(named.readlink()) if named.exists() else "")
        whole(handle)

    monkeypatch.setattr(os, "fsync", noted)
    table.append(rows("/a.mp4", 2))
    if not any(synced):
        pytest.skip("no /proc/self/fd here, which tells the file of a handle")
    data = [place for place, name in enumerate(synced) if "/data/" in name]
    manifest = [place for place, name in enumerate(synced) if name.endswith(".manifest")]
    assert data
    assert manifest
    assert max(data) < min(manifest)
    assert any(name.endswith("_versions") for name in synced[manifest[0] :])


def test_only_one_process_writes_at_a_time(tmp_path: Path) -> None:
    table = IndexTable.create(tmp_path / "index", info())
    other = IndexTable.open(tmp_path / "index", writing=True)
    with table.writing(), pytest.raises(FdakitError, match="another process writes to this index"), other.writing():
        pass


@pytest.mark.parametrize(("made", "said"), [("none", "no such folder"), ("empty", "no index")])
def test_what_is_no_index_is_told(tmp_path: Path, made: str, said: str) -> None:
    if made == "empty":
        (tmp_path / "index").mkdir()
    with pytest.raises(FdakitError, match=f"{said}; make one with `fdakit index"):
        IndexTable.open(tmp_path / "index")


def test_a_file_system_without_hard_links_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(FdakitError, match="no hard links"):
        IndexTable.create(tmp_path / "index", info())
    assert not list((tmp_path / "index").iterdir())


def test_vectors_are_read_where_they_lie_and_equal_those_of_the_table(tmp_path: Path) -> None:
    table = IndexTable.create(tmp_path / "index", info())
    for number in range(4):
        table.append(rows(f"/{number}.mp4", 40))
    bad = SegmentRow(FileState("/bad.mp4", 1, 1, "x"), VideoFacts(), Segment(0, 0, 0), status="unreadable")
    table.append([*rows("/x.mp4", 9), bad, *rows("/y.mp4", 9), *rows("/z.mp4", 9)])
    table.remove(["/y.mp4"])
    table.replace("/1.mp4", rows("/1.mp4", 30, content="b"))
    table.remove(["/2.mp4"])
    vectors = TableVectors(table.dataset, table.folder / TABLE, width=WIDTH)
    found = table.rows(["id", "vector"], where="status = 'indexed'")
    plain = found["vector"].combine_chunks().flatten().to_numpy().reshape(-1, WIDTH)
    assert vectors.mapped
    assert np.array_equal(vectors.ids, found["id"].to_numpy())
    assert np.array_equal(np.concatenate([chunk for _, chunk in vectors.chunks()]), plain)
    positions = np.random.default_rng(0).permutation(len(plain))[:50]
    assert np.array_equal(vectors.gather(positions), plain[positions])


def test_tidying_keeps_all_rows_and_their_digests(tmp_path: Path) -> None:
    table = IndexTable.create(tmp_path / "index", info())
    for number in range(70):
        table.append(rows(f"/{number}.mp4", 1))
    before = keys(table)
    table.tidy()
    again = IndexTable.open(tmp_path / "index")
    assert keys(again) == before
    assert len(again.dataset.get_fragments()) < 70
    assert not list(again.faults())
