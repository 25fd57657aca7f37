"""Parity with how CLIP4Clip counts ties: its own output on tied scores, and the look-up by value on real matrices."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers.parity import fixtures
from safetensors.numpy import load_file

from fdakit.query_ranks import Ranking
from fdakit.ranking.compat import clip4clip_metrics
from fdakit.ranking.metrics import metrics
from fdakit.ranking.ranks import rank_captions, rank_videos

KEYS = {"R1": "R@1", "R5": "R@5", "R10": "R@10", "MedianR": "MdR", "MeanR": "MnR"}


def tied_cases():
    for path in sorted(fixtures("clip4clip").glob("**/meta.json")):
        meta = json.loads(path.read_text("utf-8"))
        if str(meta.get("case", "")).startswith("metrics"):
            for name, entry in meta["cases"].items():
                if entry.get("ties") and entry["protocol"] == "single":
                    yield pytest.param((path.parent, name), id=name)


@pytest.mark.parametrize("case", list(tied_cases()))
def test_parity_metrics_of_tied_scores_as_the_reference_prints_them(case, make_scores):
    folder, name = case
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    entry, tensors = meta["cases"][name], {}
    for file in meta["files"]:
        tensors |= load_file(folder / file)
    scores = make_scores(tensors[f"{name}.sims"])
    for way, ranking in (("t2v", rank_captions(scores)), ("v2t", rank_videos(scores))):
        found = clip4clip_metrics(ranking)
        assert found["entries"] == entry["reference"][f"{way}_entries_counted"]
        wanted = entry["reference"][way]
        assert {key: found[mine] for key, mine in KEYS.items()} == pytest.approx({key: wanted[key] for key in KEYS})


def test_parity_metrics_by_value_on_a_real_matrix(data_dir, make_scores):
    folder = data_dir / "oracles" / "cap4video"
    wanted = json.loads((folder / "expected_metrics.json").read_text("utf-8"))["results"]
    for name in ("video", "titles"):
        scores = make_scores(np.load(folder / f"msrvtt_{name}_matrix.npy"))
        found = clip4clip_metrics(rank_videos(scores))
        expected = dict(wanted[name]["raw"]["v2t"]["value_match"])
        assert found["entries"] == expected.pop("ranks_counted") == 1012
        assert {key: found[key] for key in expected} == pytest.approx(expected, abs=1e-5)


def test_without_ties_it_is_the_same():
    ranking = Ranking(np.array([0, 3, 7]), np.zeros(3, np.int64), 20)
    found = clip4clip_metrics(ranking)
    assert found.pop("entries") == 3
    assert found == pytest.approx(metrics(ranking))
