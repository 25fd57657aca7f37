"""Parity with the metrics of Prompt Switch, over every case that the fixture folder holds.

Its median is the mean of the middle two in both directions, as fdakit's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.parity import cases
from safetensors.numpy import load_file

from fdakit.ranking.metrics import metrics
from fdakit.ranking.ranks import rank_captions, rank_videos


def meta_of(case: Path) -> Any:
    return json.loads((case / "meta.json").read_text("utf-8"))


METRICS = [case for case in cases("promptswitch") if "t2v" in meta_of(case)]


def test_parity_promptswitch_metrics_are_there() -> None:
    assert METRICS


@pytest.mark.parametrize("case", METRICS, ids=lambda case: case.name)
def test_parity_promptswitch_metrics(case: Path, make_scores: Any) -> None:
    meta = meta_of(case)
    tensors = load_file(case / "metrics.safetensors")
    text, video = (tensors[key] / np.linalg.norm(tensors[key], axis=1, keepdims=True) for key in ("text", "video"))
    np.testing.assert_allclose(text @ video.T, tensors["sims"], atol=meta["tolerance"]["sims"]["atol"])
    scores = make_scores(tensors["sims"], owners=tensors["video_of_caption"])
    for way, ranking in (("t2v", rank_captions(scores)), ("v2t", rank_videos(scores))):
        if f"{way}_rank0" in tensors:
            np.testing.assert_array_equal(ranking.ranks("expected") - 1, tensors[f"{way}_rank0"])
        found = metrics(ranking, ties="expected")
        theirs = {key.removesuffix(f"-{way}"): value for key, value in meta[way].items()}
        names = {"R1": "R@1", "R5": "R@5", "R10": "R@10", "MedR": "MdR", "MeanR": "MnR"}
        for key, ours in names.items():
            assert found[ours] == pytest.approx(theirs[key], abs=meta["tolerance"]["metrics"]["atol"])
