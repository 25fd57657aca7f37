"""Parity with the metrics of CLIP4Clip, over every case that the fixture folder holds.

`FDAKIT_FIXTURES` names another folder of the same layout. Where scores tie, the reference is wrong and the
file says what is right; in text-to-video with several captions its median is the lower of the middle two.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from fdakit.ranking.metrics import metrics
from fdakit.ranking.ranks import rank_captions, rank_videos

ROOT = Path(os.environ.get("FDAKIT_FIXTURES") or Path(__file__).parents[1] / "fixtures")
KEYS = {"R1": "R@1", "R5": "R@5", "R10": "R@10", "MedianR": "MdR", "MeanR": "MnR"}
RULES = {
    "optimistic": "optimistic",
    "pessimistic": "pessimistic",
    "average": "average",
    "expected_over_random_tie_breaks": "expected",
}


def found_cases():
    for path in sorted(ROOT.glob("clip4clip/**/meta.json")):
        meta = json.loads(path.read_text("utf-8"))
        if str(meta.get("case", "")).startswith("metrics"):
            for name in meta["cases"]:
                yield pytest.param(path.parent, name, id=f"{path.parent.name}-{name}")


CASES = list(found_cases())


def test_parity_metrics_folder_holds_cases():
    assert CASES, f"no CLIP4Clip metrics below {ROOT}; set FDAKIT_FIXTURES to a folder that has them"


@pytest.fixture
def case(request, make_scores):
    folder, name = request.param
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    tensors = {}
    for file in meta["files"]:
        tensors |= load_file(folder / file)
    mine = {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
    scores = make_scores(mine["sims"], owners=mine.get("video_of_caption"))
    return meta["cases"][name], mine, scores, meta["tolerance"]["percentages_and_means"]["atol"]


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        values = [pytest.param(tuple(param.values), id=param.id) for param in CASES]
        metafunc.parametrize("case", values, indirect=True)


@pytest.mark.parametrize("way", ["t2v", "v2t"])
def test_parity_metrics_ranks(case, way):
    _, tensors, scores, _ = case
    ranking = rank_captions(scores) if way == "t2v" else rank_videos(scores)
    if f"{way}_rank0" in tensors:
        assert ranking.tied == 0
        np.testing.assert_array_equal(ranking.ranks("expected") - 1, tensors[f"{way}_rank0"])
    else:
        np.testing.assert_array_equal(ranking.better, tensors[f"{way}_greater"])
        np.testing.assert_array_equal(ranking.equal, tensors[f"{way}_equal_others"])


@pytest.mark.parametrize("way", ["t2v", "v2t"])
def test_parity_metrics_values(case, way):
    entry, _, scores, tolerance = case
    ranking = rank_captions(scores) if way == "t2v" else rank_videos(scores)
    if entry.get("ties"):
        assert ranking.better.size == entry["queries"][way]
        wanted = {RULES[name]: values for name, values in entry["correct"][way].items()}
        assert set(wanted) == set(RULES.values())
    else:
        values = dict(entry[way])
        if way == "t2v" and entry["protocol"] == "multi":
            values["MedianR"] = entry["t2v_median_average_of_middle_two"]
        wanted = dict.fromkeys(RULES.values(), values)
    for ties, values in wanted.items():
        got = metrics(ranking, ties=ties)
        known = {KEYS[key]: value for key, value in values.items() if key in KEYS}
        assert {"R@1", "R@5", "R@10", "MnR"} <= set(known)
        assert {key: got[key] for key in known} == pytest.approx(known, abs=tolerance)


def test_parity_metrics_do_not_depend_on_the_order_of_captions(case, make_scores):
    _, tensors, scores, _ = case
    order = tensors.get("shuffle", np.arange(len(scores.owners))[::-1])
    shuffled = make_scores(scores.matrix[order], owners=scores.owners[order])
    np.testing.assert_array_equal(rank_captions(shuffled).better, rank_captions(scores).better[order])
    np.testing.assert_array_equal(rank_videos(shuffled).better, rank_videos(scores).better)
