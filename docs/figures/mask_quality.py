"""How good the masks of trained runs are under a change, and what that does to retrieval.

    python docs/figures/mask_quality.py runs/systems/quickstart-moving-shapes/seed-*

Each run is evaluated again with data or masks changed and its weights as they are. A row is a change: the IoU of the
masks with the pixels of the shape that moves, over all sampled frames of the test split, and R@1 text to video, mean
and standard deviation over the runs.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from fdakit.bench.mask_scores import Counts
from fdakit.builtin.datasets.moving_shapes import MovingShapesOptions
from fdakit.catalog import load_catalog
from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_item import ClipItem
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.data_pipeline.splits import Splits
from fdakit.experiment.checkpoint_evaluation import evaluate_checkpoint
from fdakit.inference.checkpoint import Checkpoint
from fdakit.inference.factory import build_retriever
from fdakit.recipe.recipe import Recipe
from fdakit.synthetic.render import mover_masks

COMPENSATED = ["mask.use=compensated-difference", "mask.threshold="]
CHANGES: dict[str, list[str]] = {
    "as trained": [],
    "threshold 5": ["mask.threshold=5"],
    "threshold 12.5": ["mask.threshold=12.5"],
    "threshold 50": ["mask.threshold=50"],
    "threshold 100": ["mask.threshold=100"],
    "no cleaning": ["mask.closing=0", "mask.opening=0", "mask.min_area=0"],
    "`three-frame`": ["mask.use=three-frame", "mask.threshold="],
    "`compensated-difference`": COMPENSATED,
    "grain 5": ["dataset.noise=5"],
    "grain 10": ["dataset.noise=10"],
    "grain 20": ["dataset.noise=20"],
    "flicker 10": ["dataset.flicker=10"],
    "pan 0.5": ["dataset.pan=0.5"],
    "pan 1": ["dataset.pan=1"],
    "pan 2": ["dataset.pan=2"],
    "pan 2, `compensated-difference`": ["dataset.pan=2", *COMPENSATED],
}


def mask_iou(recipe: Recipe) -> float:
    """Return the IoU of a recipe's masks with the moving shape, over the sampled frames of the test split."""
    options = recipe.dataset.options
    assert isinstance(options, MovingShapesOptions)
    split = Splits(recipe, device=torch.device("cpu"), progress=lambda *_: None).load("test")
    retriever = build_retriever(recipe, device=torch.device("cpu"), pretrained=False)
    source = ClipDataset(
        ClipSettings.of(recipe),
        split.videos,
        training=False,
        preprocess=retriever.preprocess,
        shapes=retriever.encoder.shapes,
    )
    counts = Counts()
    for number in range(len(split.videos)):
        item = source[ClipRequest(number, 0)]
        assert isinstance(item, ClipItem), item
        frames = np.rint(item.times * 8).astype(int)
        counts.add(item.alphas["none"], mover_masks(options.look(), "test", number)[frames])
    found = counts.figures()["iou"]
    assert found is not None
    return found


def main(runs: Sequence[str]) -> None:
    """Print a row for each change."""
    catalog = load_catalog()
    print("| change | IoU of the masks | R@1 |")
    print("|---|---|---|")
    for title, settings in CHANGES.items():
        recalls = []
        for run in runs:
            checkpoint = Checkpoint.open(Path(run))
            recipe = checkpoint.recipe(catalog=catalog, settings=[*settings, "eval.controls=[]", "observer=[]"])
            recalls.append(evaluate_checkpoint(recipe, checkpoint).report.t2v["R@1"])
        iou = mask_iou(recipe)
        print(
            f"| {title} | {iou:.3f} | {statistics.mean(recalls):.1f} ± {statistics.stdev(recalls):.1f} |", flush=True
        )


if __name__ == "__main__":
    main(sys.argv[1:])
