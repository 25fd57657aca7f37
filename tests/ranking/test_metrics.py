"""Metrics by hand, and against a real matrix of 1,000 captions and 1,000 videos."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from fdakit.errors import ScoreError
from fdakit.query_ranks import Ranking
from fdakit.ranking.metrics import metrics
from fdakit.ranking.ranks import rank_captions, rank_videos

RULES = {  # our names and those of the expected values
    "optimistic": "optimistic",
    "pessimistic": "pessimistic",
    "average": "mean",
    "expected": "random_order",
}
FUSED = "fused_0.73_video_0.27_titles"


def ranking(*better, equal=None, pool=100):
    counts = np.array(better, np.int64)
    return Ranking(counts, np.zeros_like(counts) if equal is None else np.array(equal, np.int64), pool)


def test_every_metric_by_hand():
    found = metrics(ranking(0, 4, 5, 9, 10, 30), ties="optimistic")
    assert list(found) == ["R@1", "R@5", "R@10", "R@50", "MdR", "MnR", "MRR", "RSum"]
    assert found["R@1"] == pytest.approx(100 / 6, abs=1e-12)  # not rounded
    assert found["R@5"] == pytest.approx(200 / 6, abs=1e-12)
    assert found["R@10"] == pytest.approx(400 / 6, abs=1e-12)
    assert found["MdR"] == 8.0  # between 6 and 10, where a lower median says 6
    assert found["MnR"] == pytest.approx(64 / 6, abs=1e-12)
    assert found["MRR"] == pytest.approx((1 + 1 / 5 + 1 / 6 + 1 / 10 + 1 / 11 + 1 / 31) / 6, abs=1e-12)
    assert found["RSum"] == found["R@1"] + found["R@5"] + found["R@10"]


def test_odd_number_of_queries_has_a_middle_one():
    assert metrics(ranking(8, 0, 2))["MdR"] == 3.0


def test_expected_is_the_default():
    tied = ranking(0, 0, equal=[1, 0])
    assert metrics(tied) == metrics(tied, ties="expected")
    assert metrics(tied)["R@1"] == 75.0
    assert metrics(tied)["MnR"] == 1.25
    assert metrics(tied, ties="average")["R@1"] == 50.0


def test_other_cutoffs():
    assert list(metrics(ranking(0), cutoffs=(50, 2))) == ["R@50", "R@2", "MdR", "MnR", "MRR", "RSum"]


def test_nothing_to_measure_is_an_error(make_scores):
    with pytest.raises(ScoreError, match="no query"):
        metrics(ranking())
    with pytest.raises(ScoreError, match="no query"):
        metrics(rank_videos(make_scores(np.zeros((0, 4)))))


@pytest.fixture(scope="module")
def oracle(data_dir):
    folder = data_dir / "oracles" / "cap4video"
    video, titles = (np.load(folder / f"msrvtt_{name}_matrix.npy") for name in ("video", "titles"))
    wanted = json.loads((folder / "expected_metrics.json").read_text("utf-8"))["results"]
    with (folder / "expected_ranks.tsv").open(encoding="utf-8", newline="") as handle:
        ranks = list(csv.DictReader(handle, delimiter="\t"))
    fused = np.float32(0.73) * video + np.float32(0.27) * titles
    return {"video": video, "titles": titles, FUSED: fused}, wanted, ranks


@pytest.mark.parametrize("matrix", ["video", "titles", FUSED])
@pytest.mark.parametrize("way", ["t2v", "v2t", "v2t per caption"])
def test_real_matrix(make_scores, oracle, matrix, way):
    matrices, wanted, rows = oracle
    scores = make_scores(matrices[matrix])
    found = rank_captions(scores) if way == "t2v" else rank_videos(scores)
    if way == "v2t per caption":
        found = rank_videos(scores, mode="per-caption")
    expected = wanted[matrix]["raw"][way[:3]]
    for ties, name in RULES.items():
        got = metrics(found, ties=ties, cutoffs=(1, 5, 10, 50))
        values = expected[name]
        assert {key: got[key] for key in values} == pytest.approx(values, abs=1e-8)  # MRR is written to nine digits
    assert np.flatnonzero(found.equal).tolist() == expected["queries_with_ties"]
    assert (found.tied, found.equal.sum()) == (len(expected["queries_with_ties"]), expected["tied_others"])
    for ties in ("optimistic", "pessimistic"):
        column = [int(row[f"{matrix}.raw.{way[:3]}.{ties}"]) for row in rows]
        assert found.ranks(ties).tolist() == column


def test_the_real_matrix_has_the_ties_that_tell_rules_apart(oracle):
    _, wanted, rows = oracle
    assert len(rows) == 1000
    assert wanted["video"]["raw"]["v2t"]["tied_others"] == 12
