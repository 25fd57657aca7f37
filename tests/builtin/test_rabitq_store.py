"""The store `rabitq`: recall on the table itself, what is coded when, and files that cannot be used."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from fdakit.builtin.vector_stores import _rabitq
from fdakit.builtin.vector_stores._rabitq import FILE, Rabitq
from fdakit.builtin.vector_stores._rotation import Rotation
from fdakit.builtin.vector_stores.exact import EXACT
from fdakit.builtin.vector_stores.rabitq import RABITQ
from fdakit.errors import PluginError
from fdakit.plugin import StoreContext
from fdakit.testing import ExampleVectors, build_part, check_vector_store, example_queries
from fdakit.testing.stored_vectors import unit

WIDTH = 128


def uneven(count: int, *, seed: int = 0) -> ExampleVectors:
    """Vectors of unequal spread over their components, of which one is much larger than all others, as CLIP's are."""
    rng = np.random.default_rng(seed)
    spread = (1 + np.arange(WIDTH)) ** -0.45
    spread /= np.linalg.norm(spread)
    centres = rng.standard_normal((count // 20, WIDTH)) * spread
    rows = centres[rng.integers(0, len(centres), count)] + 0.55 * rng.standard_normal((count, WIDTH)) * spread
    rows += unit(rng.standard_normal((1, WIDTH)))
    rows[:, 5] = 3 + 0.3 * rng.standard_normal(count)
    return ExampleVectors(np.random.default_rng(2).permutation(4 * count)[:count], unit(rows))


def synced(store: Any, vectors: ExampleVectors) -> tuple[list[int], list[str]]:
    """Sync a store; return how many vectors were coded, as the progress told, and its remarks."""
    coded: list[int] = []

    def note(what: str, done: int, total: int) -> None:
        coded.extend([total] if what == "coding vectors" and done == total else [])

    store.sync(vectors, progress=note)
    return coded, list(store.remarks)


def opened(folder: Path, **options: Any) -> Rabitq:
    store: Rabitq = build_part(RABITQ, StoreContext(folder, WIDTH), **options)
    return store


def text_like(vectors: ExampleVectors, count: int) -> NDArray[np.float32]:
    """Queries far from all rows, all to one side: as texts are."""
    rng = np.random.default_rng(11)
    rows = vectors.rows[rng.integers(0, len(vectors.rows), count)]
    noise, gap = unit(rng.standard_normal(rows.shape)), unit(rng.standard_normal((1, WIDTH)))
    return unit(rows + 0.5 * noise + 0.8 * gap)


def recall(store: Any, vectors: ExampleVectors, queries: NDArray[np.float32], k: int = 10) -> float:
    truth = build_part(EXACT, StoreContext(Path("nowhere"), WIDTH))
    synced_truth = truth.sync(vectors, progress=lambda what, done, total: None)
    assert synced_truth is None
    _, wanted = truth.search(queries, k)
    _, found = store.search(queries, k)
    return float(np.mean([len(np.intersect1d(one, other)) / k for one, other in zip(wanted, found, strict=True)]))


def test_keeps_the_laws_of_vector_stores() -> None:
    check_vector_store(RABITQ)
    check_vector_store(RABITQ, rows=1500, width=WIDTH, recall=0.98)
    check_vector_store(RABITQ, rows=500, width=WIDTH, rescore=60, recall=0.8)
    check_vector_store(RABITQ, dims=16)


def test_what_is_measured_holds_for_other_queries(tmp_path: Path) -> None:
    vectors = uneven(6000)
    store = opened(tmp_path)
    synced(store, vectors)
    counts = store.tune(progress=lambda what, done, total: None)
    assert counts["rows scored for 10"] < 3000, "with all rows scored, recall would show nothing"
    assert {f"recall@{k}, {kind}-like" for k in (10, 100) for kind in ("text", "example")} <= counts.keys()
    assert min(value for name, value in counts.items() if name.startswith("recall@10,")) >= 0.995
    assert min(value for name, value in counts.items() if name.startswith("recall@100,")) >= 0.98
    for queries in (text_like(vectors, 200), example_queries(vectors, 200)):
        assert recall(store, vectors, queries) >= 0.995
        assert recall(store, vectors, queries, k=50) >= 0.97


def test_the_rotation_changes_no_product_and_evens_out_components() -> None:
    rows = uneven(300).rows
    for width in (WIDTH, 60, 7, 1):
        rotated = Rotation(width)(rows[:, :width])
        assert np.allclose(rotated @ rotated.T, rows[:, :width] @ rows[:, :width].T, atol=1e-5)
    spread = np.square(rows).mean(0).max() / np.square(Rotation(WIDTH)(rows)).mean(0).max()
    assert spread > 3


def test_a_component_much_larger_than_the_others_spoils_no_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, found = uneven(3000), []
    for name in ("rotated", "plain"):
        store = opened(tmp_path / name, rescore=60)
        synced(store, vectors)
        found.append(recall(store, vectors, text_like(vectors, 100)))
        monkeypatch.setattr(Rotation, "__call__", lambda self, rows: np.ascontiguousarray(rows))
    assert found[0] > found[1] + 0.05


def test_only_new_rows_are_coded_and_a_file_is_read_again(tmp_path: Path) -> None:
    vectors = uneven(4000)
    first, more = vectors.kept(np.arange(2500)), vectors.kept(np.arange(100, 4000))
    store = opened(tmp_path)
    assert synced(store, first) == ([2500], [])
    assert synced(store, first) == ([], [])
    written = (tmp_path / FILE).stat().st_mtime_ns
    assert synced(opened(tmp_path), first) == ([], [])
    assert (tmp_path / FILE).stat().st_mtime_ns == written
    assert synced(store, more) == ([1500], [])
    assert (tmp_path / FILE).stat().st_mtime_ns > written, "1500 new rows are worth a new file"
    again = opened(tmp_path)
    assert synced(again, more) == ([], [])
    for one, other in zip(again.search(vectors.rows[:5], 7), store.search(vectors.rows[:5], 7), strict=True):
        assert (one == other).all()


def test_few_new_rows_are_coded_at_each_start(tmp_path: Path) -> None:
    vectors = uneven(3000)
    synced(opened(tmp_path), vectors.kept(np.arange(2990)))
    written = (tmp_path / FILE).stat().st_mtime_ns
    for _ in range(2):
        assert synced(opened(tmp_path), vectors) == ([10], [])
    assert (tmp_path / FILE).stat().st_mtime_ns == written


def test_all_is_coded_anew_where_half_is_gone_or_the_table_has_doubled(tmp_path: Path) -> None:
    vectors = uneven(3000)
    store = opened(tmp_path)
    assert synced(store, vectors)[0] == [3000]
    assert synced(store, vectors.kept(np.arange(1500)))[0] == []
    assert synced(store, vectors.kept(np.arange(1499)))[0] == [1499]
    assert synced(store, vectors.kept(np.arange(2998)))[0] == [1499]
    assert synced(store, vectors)[0] == [3000]


def test_rows_that_are_allowed_are_found_however_far_from_the_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = uneven(6000)
    store = opened(tmp_path, rescore=300)
    synced(store, vectors)
    query = vectors.rows[:1]
    order = np.argsort(-(vectors.rows @ query[0]))
    rng = np.random.default_rng(5)
    for allowed in (order[-900:], order[-90:], order[np.sort(rng.permutation(6000)[:2000])]):
        mask = np.isin(np.arange(6000), allowed)
        _, positions = store.search(query, 10, allowed=mask)
        assert len(np.intersect1d(positions[0], allowed[:10])) >= 8
    monkeypatch.setattr(_rabitq, "MOST", 100)  # rows of codes that are looked at before what is allowed is scanned
    mask = np.isin(np.arange(6000), order[-900:])
    assert store.search(query, 10, allowed=mask)[1].tolist() == [order[-900:-890].tolist()]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda known: known[:-1] + bytes([known[-1] ^ 1]), "damaged"),
        (lambda known: known[:300] + bytes([known[300] ^ 1]) + known[301:], "damaged"),
        (lambda known: known[:1000], "damaged"),
        (lambda known: b"", "of another kind or version"),
        (lambda known: b"fdakit codes 0" + known[14:], "of another kind or version"),
    ],
)
def test_a_damaged_file_is_named_and_made_anew(tmp_path: Path, content: Any, words: str) -> None:
    vectors = uneven(1100)
    synced(opened(tmp_path), vectors)
    path = tmp_path / FILE
    whole = path.read_bytes()
    path.write_bytes(content(whole))
    assert synced(opened(tmp_path), vectors) == ([1100], [f"{path}: {words}; made anew"])
    assert path.read_bytes() == whole
    assert synced(opened(tmp_path), vectors) == ([], [])


def test_files_of_other_tables_are_named_and_made_anew(tmp_path: Path) -> None:
    vectors = uneven(1100)
    other = replace(vectors, rows=uneven(1100, seed=1).rows)
    far = replace(vectors, ids=vectors.ids + 10**9)
    path = tmp_path / FILE
    synced(opened(tmp_path), vectors)
    for table, words in ((other, "of other vectors than the table's"), (far, "of other rows than the table's")):
        assert synced(opened(tmp_path), table) == ([1100], [f"{path}: {words}; made anew"])
    path.unlink()
    path.mkdir()
    told = synced(opened(tmp_path), vectors)[1]
    assert told[0].startswith(f"{path}: not readable")
    assert "cannot be written" in told[1]


def test_a_folder_that_cannot_be_written_is_told_and_search_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    vectors = uneven(1100)
    store = opened(tmp_path / "file" / "folder")
    coded, told = synced(store, vectors)
    assert coded == [1100]
    assert len(told) == 1
    assert "cannot be written (" in told[0]
    assert store.search(vectors.rows[3:4], 1)[1].tolist() == [[3]]


def test_an_interrupted_sync_leaves_a_store_that_the_next_one_repairs(tmp_path: Path) -> None:
    vectors = uneven(2000)
    store = opened(tmp_path)
    synced(store, vectors.kept(np.arange(1200)))

    def stop(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.sync(vectors, progress=stop)
    assert synced(store, vectors) == ([800], [])
    assert recall(store, vectors, example_queries(vectors, 50)) >= 0.98


def test_one_query_uses_one_thread_and_the_callers_number_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = build_part(RABITQ, StoreContext(tmp_path, WIDTH, threads=3))
    vectors = uneven(2500)
    synced(store, vectors)
    faiss.omp_set_num_threads(2)
    asked = []
    plain = faiss.omp_set_num_threads
    monkeypatch.setattr(faiss, "omp_set_num_threads", lambda count: (asked.append(count), plain(count)))
    store.search(vectors.rows[:1], 10)
    store.search(vectors.rows[:9], 10)
    assert asked == [1, 2, 3, 2]
    plain(1)


def test_codes_take_a_bit_a_component_and_few_bytes(tmp_path: Path) -> None:
    synced(opened(tmp_path), uneven(4096))
    assert (tmp_path / FILE).stat().st_size <= 4096 * (WIDTH / 8 + 8 + 8) + 4096


def test_the_first_components_alone_may_be_coded(tmp_path: Path) -> None:
    vectors = uneven(3000)
    synced(opened(tmp_path), vectors)
    whole = (tmp_path / FILE).stat().st_size
    store = opened(tmp_path, dims=WIDTH // 2)
    assert synced(store, vectors) == ([3000], [f"{tmp_path / FILE}: of 128 components, not 64; made anew"])
    assert whole - (tmp_path / FILE).stat().st_size >= 3000 * WIDTH // 16 * 0.9
    counts = store.tune(progress=lambda what, done, total: None)
    assert counts["recall@10, text-like"] >= 0.995
    assert recall(store, vectors, text_like(vectors, 100)) >= 0.98
    with pytest.raises(PluginError, match="dims is 129, but vectors have 128; give at most that"):
        opened(tmp_path, dims=129)


def test_more_results_are_chosen_from_more_rows(tmp_path: Path) -> None:
    store = opened(tmp_path)
    synced(store, uneven(3000))
    counts = [store._count(k) for k in (1, 10, 11, 30, 100, 101, 500)]
    assert counts == sorted(counts)
    assert counts[0] == counts[1]
    assert opened(tmp_path, rescore=20)._count(50) == 50


def test_without_faiss_the_store_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    monkeypatch.setattr("fdakit.builtin.vector_stores.rabitq.find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r"FAISS is not installed; pip install \"fdakit\[search\]\", or take"):
        opened(tmp_path)
