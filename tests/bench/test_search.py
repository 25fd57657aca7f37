"""`fdakit bench search`: vectors as described, recall of the nearest, and peers as their libraries have them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fdakit.bench.search import bench_search as measuring
from fdakit.bench.search.bench_search import bench_search, build_once, own_memory, search_once
from fdakit.bench.search.contestants import PEERS, find_contestants
from fdakit.bench.search.synthetic_vectors import KINDS, Shape, nearest, write_trial
from fdakit.cli.main import execute
from fdakit.errors import FdakitError, RecipeError

SHAPE = Shape(rows=2000, width=64, queries=20, k=10)


def quiet(what: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with vectors, queries and what is nearest."""
    folder = tmp_path_factory.mktemp("vectors")
    write_trial(folder, SHAPE, progress=quiet)
    return folder


def test_vectors_lie_about_one_direction_and_texts_far_from_them(place: Path) -> None:
    trial = write_trial(place, SHAPE, progress=quiet)
    rows = np.asarray(trial.vectors.rows)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert (rows[:100] @ rows[1000:1100].T).mean() > 0.3
    best = (trial.queries @ rows.T).max(1).reshape(len(KINDS), -1).mean(1)
    assert best[0] < best[1] - 0.1


def test_the_nearest_are_those_of_all_rows_whatever_the_blocks(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = write_trial(place, SHAPE, progress=quiet)
    rows = np.asarray(trial.vectors.rows)
    wanted = np.argsort(-(trial.queries @ rows.T), axis=1)[:, :10]
    assert (trial.nearest == wanted).all()
    monkeypatch.setattr("fdakit.bench.search.synthetic_vectors.BLOCK", 7)
    assert (
        nearest(rows[:200], trial.queries, 10) == np.argsort(-(trial.queries @ rows[:200].T), axis=1)[:, :10]
    ).all()


def test_vectors_that_are_kept_are_used_again_and_those_of_another_shape_made_anew(tmp_path: Path) -> None:
    told: list[int] = []
    for shape, made in ((SHAPE, 1), (SHAPE, 1), (Shape(500, 32, 3, 5), 2)):
        trial = write_trial(tmp_path, shape, progress=lambda what, done, total: told.append(done == total))
        assert sum(told) == made
        assert trial.vectors.rows.shape == (shape.rows, shape.width)
        assert trial.nearest.shape == (2 * shape.queries, shape.k)


@pytest.mark.parametrize("name", ["exact", "rabitq", "rabitq rescore=300", *(peer.name for peer in PEERS)])
def test_each_contestant_finds_most_of_the_nearest(name: str, place: Path, tmp_path: Path) -> None:
    store = not name.startswith(("faiss", "lance"))
    (contestant,), _ = find_contestants([name], []) if store else find_contestants([], [name])
    built = build_once(contestant, place, tmp_path)
    assert built["build_cpu_s"] >= 0
    assert (built["disk_mb"] == 0) == (name == "exact")
    for setting in contestant.settings:
        found = search_once(contestant, setting, place, tmp_path, SHAPE.k)
        assert min(found["recall"].values()) >= (1 if name in ("exact", "faiss Flat") else 0.6)
        assert 0 < found["median_ms"] <= found["p99_ms"]
        assert (found["memory_mb"] is None) == (own_memory() is None)


def test_the_command_prints_writes_and_names_what_failed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "in_process", lambda function, *given: function(*given))
    monkeypatch.setattr(
        "fdakit.bench.search.contestants.library_fault", lambda name: "absent" if name == "lance" else ""
    )
    sizes = ["--rows", "400", "--width", "32", "--queries", "4", "--store", "exact", "--store", "rabitq rescore=50"]
    out = tmp_path / "search.json"
    assert execute(["bench", "search", *sizes, "--peers", "faiss Flat,lance IVF_PQ", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "400 vectors of 32 numbers, one thread" in told
    assert "not timed: lance IVF_PQ: absent" in told
    written = json.loads(out.read_text())
    assert [one["name"] for one in written["measured"]] == ["exact", "rabitq rescore=50", "faiss Flat"]
    assert written["measured"][0]["recall"] == {"text-like": 1.0, "example-like": 1.0}

    def fail(function: object, *given: object) -> None:
        raise RuntimeError("no such index\nand more")

    monkeypatch.setattr(measuring, "in_process", fail)
    assert execute(["bench", "search", *sizes, "--peers", "", "--json"]) == 0
    told = capsys.readouterr()
    assert told.err.splitlines()[-1] == "measured rabitq rescore=50, 2 of 2"
    failed = json.loads(told.out)["failed"]
    assert failed == dict.fromkeys(["exact", "rabitq rescore=50"], "RuntimeError: no such index")


def test_ctrl_c_keeps_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []

    def stop_at_the_third(function: object, *given: object) -> dict[str, object]:
        calls.append(function)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return {}

    monkeypatch.setattr(measuring, "in_process", stop_at_the_third)
    found = bench_search(Shape(200, 16, 2, 3), peers=[])
    assert [one["name"] for one in found["measured"]] == ["exact"]
    assert not found["whole"]


def test_what_is_not_known_is_refused_before_anything_is_made() -> None:
    with pytest.raises(FdakitError, match="no peer 'faiss Flatt'; did you mean 'faiss Flat'"):
        bench_search(SHAPE, peers=["faiss Flatt"])
    with pytest.raises(
        RecipeError, match=r"--store 'exactly': vector_store\.use: unknown vector_store 'exactly'; did you"
    ):
        bench_search(SHAPE, stores=["exactly"])
    with pytest.raises(RecipeError, match="--store 'rabitq rescore=0'"):
        bench_search(SHAPE, stores=["rabitq rescore=0"])
