"""For tests that read finished runs: run folders written from a matrix of similarities, without a model."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fdakit.ranking.exports import write_ranks
from fdakit.ranking.metrics import metrics
from fdakit.ranking.ranks import rank_captions, rank_videos
from fdakit.values import Scores

RECIPE = """name = "{name}"
seed = {seed}
observer = [{{ use = "fdakit:console" }}]

[dataset]
use = "fdakit:moving-shapes"

[encoder]
use = "fdakit:tiny"

[sampler]
use = "fdakit:uniform"
train_frames = {train_frames}
eval_frames = {frames}

[mask]
use = "fdakit:{mask}"
{option} = 25
control = "none"

[loader]
workers = {seed}
"""
OPTIONS = {"frame-difference": "threshold", "flow": "radius"}


def finished_run(
    folder: Path,
    matrix: Any,
    *,
    videos: Sequence[Path],
    owners: Sequence[int],
    texts: Sequence[str] | None = None,
    lost: Sequence[int] = (),
    name: str = "small",
    seed: int = 24,
    mask: str = "frame-difference",
    frames: int = 12,
    train_frames: int = 6,
    similarity: bool = True,
    **protocol: Any,
) -> Path:
    """A folder as `fdakit run` leaves it, without weights; ids of videos are their stems, `lost` are columns."""
    folder.mkdir(parents=True)
    names = [video.stem for video in videos]
    scores = Scores(
        np.asarray(matrix, np.float32), np.array(owners, np.int64), np.isin(np.arange(len(videos)), np.array(lost))
    )
    queries = [f"caption {row}" for row in range(len(owners))] if texts is None else list(texts)
    described = [names[place] for place in sorted(set(owners))]
    ranked = {"t2v": rank_captions(scores), "v2t": rank_videos(scores)}
    pairs = {"t2v": (queries, [names[owner] for owner in owners]), "v2t": (described, described)}
    for way, (queries, targets) in pairs.items():
        write_ranks(
            folder / f"ranks_{way}.csv", ranking=ranked[way], ties="expected", queries=queries, targets=targets
        )
    rules = {"dataset": "made", "split": "test", "captions": "multi-caption", "video_to_text": "grouped"}
    report = {
        "name": name,
        "protocol": {**rules, "ties": "expected", "checkpoint_chosen_by": "last epoch", **protocol},
        **{way: metrics(ranking) for way, ranking in ranked.items()},
        "pool": {way: ranking.pool for way, ranking in ranked.items()},
        "videos": {"damaged": len(lost), "damaged_reasons": {names[place]: "torn" for place in lost}},
        "provenance": {"fdakit": "0.1.0", "seed": seed},
    }
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    with (folder / "videos.csv").open("w", encoding="utf-8", newline="") as handle:
        rows = csv.writer(handle)
        rows.writerows([("id", "path", "start", "end"), *((video.stem, video, "", "") for video in videos)])
    if similarity:
        np.save(folder / "similarity.npy", scores.matrix)
    text = RECIPE.format(
        name=name, seed=seed, mask=mask, frames=frames, train_frames=train_frames, option=OPTIONS[mask]
    )
    (folder / "recipe.toml").write_text(text, encoding="utf-8")
    return folder
