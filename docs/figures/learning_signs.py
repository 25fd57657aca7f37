"""Print how far trainings were from the limits at which a run says that it has learnt nothing.

    python docs/figures/learning_signs.py runs/quickstart-sweep runs/signs

Each folder is one of `fdakit sweep`; a row is a run of it, read from its `metrics.jsonl`:

- alike: the highest mean cosine of different videos that two successive epochs after the warm-up both reached;
- alike at chance: the same where both epochs stood at chance, as the first rule asks; "none" where no two did;
- at chance: how many epochs stood there before the first that did not, as the second rule asks;
- last loss: that of the last epoch, as a share of the loss of chance;
- said: the epoch after which the run says that it has learnt nothing, by fdakit's own rule.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from fdakit.catalog import load_catalog
from fdakit.recipe.validation import read_recipe
from fdakit.training.collapse_detection import AT_CHANCE, collapse_warning

Epoch = dict[str, Any]


def read_epochs(run: Path) -> list[Epoch]:
    """Return the lines of `metrics.jsonl` that end an epoch."""
    lines = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line["event"] == "epoch_finished"]


def at_chance(epoch: Epoch) -> bool:
    """Whether the loss of an epoch is no better than chance."""
    return bool(epoch["loss"] >= AT_CHANCE * epoch["chance"])


def alike(pairs: Iterable[Sequence[Epoch]]) -> str:
    """Return the highest of the pairs' lower mean cosines, or "none"."""
    found = [min(epoch["video_cosine"] for epoch in pair) for pair in pairs]
    return f"{max(found):.5f}" if found else "none"


def row(run: Path) -> str:
    """Return what is to be said of one run, as a row of the table."""
    epochs = read_epochs(run)
    recipe = read_recipe(str(run / "recipe.toml"), catalog=load_catalog())
    steps = epochs[-1]["step"] * recipe.train.epochs // epochs[-1]["epoch"]  # of the whole training
    settled = [pair for pair in pairwise(epochs) if pair[0]["step"] >= math.ceil(steps * recipe.train.warmup)]
    below = next((number for number, epoch in enumerate(epochs) if not at_chance(epoch)), len(epochs))
    said = [
        count for count in range(1, len(epochs) + 1) if collapse_warning(epochs[:count], recipe.train, steps=steps)
    ]
    cells = [
        f"`{recipe.name}`",
        run.name.removeprefix("seed-"),
        alike(settled),
        alike(pair for pair in settled if all(map(at_chance, pair))),
        f"{below} of {len(epochs)}",
        f"{epochs[-1]['loss'] / epochs[-1]['chance']:.3f}",
        str(said[0]) if said else "never",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(
        "| training | seed | alike | alike at chance | at chance | last loss | said |\n|---|---|---|---|---|---|---|"
    )
    for folder in map(Path, sys.argv[1:]):
        for log in sorted(folder.rglob("seed-*/metrics.jsonl")):
            print(row(log.parent))
