"""`fdakit bench rank`: the rivals agree before they are timed, and the streamed count tells its memory."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fdakit.bench.rank import bench_rank, make_vectors, peak_memory, stream_once
from fdakit.cli.main import execute
from fdakit.errors import FdakitError


def test_both_rivals_are_timed_on_the_same_ranks() -> None:
    found = bench_rank(60, 20, width=8, streamed=0, rounds=2, device="cpu")
    assert [one["name"] for one in found["timed"]] == ["fdakit", "argsort"]
    assert found["timed"][0]["ratio"] == 1.0
    assert found["streamed"] is None


def test_every_video_has_a_caption() -> None:
    vectors = make_vectors(50, 20, 8)
    assert sorted(set(vectors.owners.tolist())) == list(range(20))
    np.testing.assert_allclose(np.linalg.norm(vectors.texts, axis=1), 1, rtol=1e-5)
    with pytest.raises(FdakitError, match="19 captions for 20 videos"):
        make_vectors(19, 20, 8)


def test_the_streamed_count_finds_near_vectors_and_tells_its_memory() -> None:
    found = stream_once(200, 64, "cpu")
    assert found["R@1"]["t2v"] > 20  # chance is 0.5
    assert found["seconds"] > 0
    if peak_memory() is not None:
        assert found["peak_memory_mb"] >= found["before_mb"] > 10


def test_the_command_prints_and_writes(capsys, tmp_path) -> None:
    sizes = ["--captions", "40", "--videos", "10", "--width", "8", "--streamed", "0", "--rounds", "2"]
    assert execute(["bench", "rank", *sizes, "--device", "cpu", "--out", str(tmp_path / "rank.json")]) == 0
    assert "both directions of 40 captions x 10 videos" in capsys.readouterr().out
    assert json.loads((tmp_path / "rank.json").read_text())["rounds"] == 2
