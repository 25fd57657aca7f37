"""Parity with the rescoring of others: CLIP-ViP's dual softmax and the reference of Querybank Normalisation.

`FDAKIT_FIXTURES` names another folder of the same layout.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from fdakit.builtin.rescorers.dsl import DSL
from fdakit.builtin.rescorers.qb_norm import QB_NORM
from fdakit.ranking.metrics import metrics
from fdakit.ranking.ranks import rank_captions, rank_videos
from fdakit.testing.building import build_part
from fdakit.values import Scores

ROOT = Path(os.environ.get("FDAKIT_FIXTURES") or Path(__file__).parents[1] / "fixtures")
KEYS = {"R1": "R@1", "R5": "R@5", "R10": "R@10", "MedianR": "MdR", "MeanR": "MnR"}


def found_cases():
    for path in sorted(ROOT.glob("rescoring/**/meta.json")):
        meta = json.loads(path.read_text("utf-8"))
        for name, entry in meta["cases"].items():
            yield pytest.param((path.parent, name), id=f"{entry['method']}-{name}")


CASES = list(found_cases())


def test_parity_rescoring_folder_holds_cases():
    assert CASES, f"no rescoring below {ROOT}; set FDAKIT_FIXTURES to a folder that has it"


def scores_of(matrix):
    return Scores(matrix, np.arange(len(matrix)), np.zeros(matrix.shape[1], np.bool_))


@pytest.fixture(params=CASES)
def case(request):
    folder, name = request.param
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    tensors = {}
    for file in meta["files"]:
        tensors |= load_file(folder / file)
    mine = {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
    entry = meta["cases"][name]
    return entry, mine, scores_of(mine["sims"]), meta["tolerance"][entry["dtype"]]


def rescored(entry, tensors, scores):
    """What fdakit makes of the case, text to video."""
    if entry["method"] == "dsl":
        part = build_part(DSL, temperature=float(entry["temperature"]), video_to_text="transposed")
        return part, part(scores, None, "t2v")
    part = build_part(QB_NORM, beta=float(entry["beta"]), top=entry["k"])
    return part, part(scores, tensors["bank_sims"], "t2v")


def test_parity_rescoring_values(case):
    entry, tensors, scores, tolerance = case
    _, found = rescored(entry, tensors, scores)
    np.testing.assert_allclose(found.matrix, tensors["dsl" if entry["method"] == "dsl" else "qbnorm"], **tolerance)
    np.testing.assert_array_equal(scores.matrix, tensors["sims"])


def test_parity_rescoring_metrics(case):
    entry, tensors, scores, _ = case
    part, found = rescored(entry, tensors, scores)
    wanted = {"t2v": metrics(rank_captions(found), ties="optimistic")}
    if "v2t" in part.directions:  # the reference ranks the same matrix in columns
        wanted["v2t"] = metrics(rank_videos(part(scores, None, "v2t")), ties="optimistic")
    for way, values in wanted.items():
        expected = entry["own_count_after"][way]
        assert {key: values[mine] for key, mine in KEYS.items()} == pytest.approx(
            {key: expected[key] for key in KEYS}, abs=1e-9
        )


def test_parity_rescoring_gate(case):
    entry, tensors, scores, _ = case
    if entry["method"] == "qbnorm":
        _, found = rescored(entry, tensors, scores)
        changed = np.flatnonzero((found.matrix != scores.matrix).any(axis=1))
        np.testing.assert_array_equal(changed, np.sort(tensors["normalised_queries"]))
        assert len(changed) == entry["normalised"]


@pytest.fixture(scope="module")
def oracle(data_dir):
    folder = data_dir / "oracles" / "cap4video"
    video, titles = (np.load(folder / f"msrvtt_{name}_matrix.npy") for name in ("video", "titles"))
    wanted = json.loads((folder / "expected_metrics.json").read_text("utf-8"))["results"]
    mixed = np.float32(0.73) * video + np.float32(0.27) * titles
    return {"video": video, "titles": titles, "fused_0.73_video_0.27_titles": mixed}, wanted


@pytest.mark.parametrize("matrix", ["video", "titles", "fused_0.73_video_0.27_titles"])
@pytest.mark.parametrize("way", ["t2v", "v2t"])
def test_parity_rescoring_dual_softmax_on_a_real_matrix(oracle, matrix, way):
    matrices, wanted = oracle
    found = build_part(DSL)(scores_of(matrices[matrix]), None, way)
    ranking = rank_captions(found) if way == "t2v" else rank_videos(found)
    expected = wanted[matrix]["dsl"][way]
    rules = {"optimistic": "optimistic", "pessimistic": "pessimistic", "average": "mean", "expected": "random_order"}
    for ties, name in rules.items():
        got = metrics(ranking, ties=ties)
        assert {key: got[key] for key in expected[name]} == pytest.approx(expected[name], abs=1e-8)
    assert np.flatnonzero(ranking.equal).tolist() == expected["queries_with_ties"]


@pytest.mark.parametrize("matrix", ["video", "titles"])
def test_parity_rescoring_transposed_dual_softmax_moves_no_video_to_text_rank(oracle, matrix):
    scores = scores_of(np.abs(oracle[0][matrix]))
    moved = build_part(DSL, video_to_text="transposed")(scores, None, "v2t")
    np.testing.assert_array_equal(rank_videos(moved).better, rank_videos(scores).better)


def test_parity_rescoring_querybank_on_a_real_matrix(oracle):
    matrices, _ = oracle
    found = build_part(QB_NORM)(scores_of(matrices["video"]), matrices["titles"], "t2v")
    got = metrics(rank_captions(found), ties="optimistic")
    assert (got["R@1"], got["R@5"], got["R@10"], got["MdR"]) == (46.9, 73.0, 82.6, 2.0)
    assert got["MnR"] == pytest.approx(13.762)
    assert (found.matrix != matrices["video"]).any(axis=1).sum() == 632
