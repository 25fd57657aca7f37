"""The table of ranks reads back as it was, and a failed write leaves what was there."""

from __future__ import annotations

import csv
import errno
import os

import numpy as np
import pytest

from fdakit.errors import FdakitError
from fdakit.query_ranks import Ranking
from fdakit.ranking.exports import write_ranks

NAMES = ["a dog, running", 'the "second"\nline', "Füße"]


@pytest.fixture
def ranking():
    return Ranking(np.array([0, 2, 4]), np.array([0, 1, 0]), 5)


def read(path):
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.reader(handle))


@pytest.mark.parametrize(("ties", "second"), [("expected", "3.5"), ("optimistic", "3.0"), ("pessimistic", "4.0")])
def test_a_row_for_each_query(tmp_path, ranking, ties, second):
    path = tmp_path / "ranks.csv"
    path.write_text("older\n", "utf-8")
    write_ranks(path, ranking=ranking, ties=ties, queries=NAMES, targets=["v1", "v2", "v3"])
    assert read(path) == [
        ["query", "target", "rank", "better", "equal"],
        [NAMES[0], "v1", "1.0", "0", "0"],
        [NAMES[1], "v2", second, "2", "1"],
        [NAMES[2], "v3", "5.0", "4", "0"],
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["ranks.csv"]
    assert b"\r" not in path.read_bytes()


def test_a_failed_write_leaves_the_older_file(tmp_path, ranking, monkeypatch):
    path = tmp_path / "ranks.csv"
    path.write_text("older\n", "utf-8")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FdakitError, match=r"ranks\.csv: cannot be written \(No space left on device\)"):
        write_ranks(path, ranking=ranking, ties="expected", queries=["a", "b", "c"], targets=["v"] * 3)
    assert path.read_text("utf-8") == "older\n"
    assert [p.name for p in tmp_path.iterdir()] == ["ranks.csv"]


@pytest.mark.parametrize(("queries", "targets"), [(2, 3), (3, 4)])
def test_names_must_fit_the_ranking(tmp_path, ranking, queries, targets):
    with pytest.raises(ValueError, match=f"{queries} queries and {targets} targets beside a ranking of 3"):
        write_ranks(
            tmp_path / "ranks.csv",
            ranking=ranking,
            ties="expected",
            queries=["q"] * queries,
            targets=["t"] * targets,
        )
    assert not list(tmp_path.iterdir())


def test_a_caption_with_half_a_character_is_written_with_a_mark_in_its_place(tmp_path, ranking):
    path = tmp_path / "ranks.csv"
    write_ranks(path, ranking=ranking, ties="expected", queries=["\ud83d!", "caf\udce9", "c"], targets=["v"] * 3)
    assert path.read_bytes().split(b"\n")[1:3] == [
        "\ufffd!,v,".encode() + path.read_bytes().split(b"\n")[1].split(b",", 2)[2],
        b"caf\xe9,v," + path.read_bytes().split(b"\n")[2].split(b",", 2)[2],
    ]
