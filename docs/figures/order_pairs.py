"""How often trained systems tell a clip of `moving-order` from the same clip backwards.

    python docs/figures/order_pairs.py runs/order/*/seed-24

For each run: R@1, R@2 and R@10 text to video over 384 captions, and of how many captions (in percent) the right clip
scores higher than its partner, which is shown backwards; a tie is half. Guessing gives 50.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def right_of_two(scores: NDArray[np.float32]) -> float:
    """Return the share in percent; clips `2 i` and `2 i + 1` are partners, each with its own caption."""
    rows = np.arange(len(scores))
    own, partner = scores[rows, rows], scores[rows, rows ^ 1]
    return 100 * float(np.mean((own > partner) + 0.5 * (own == partner)))


def recall(scores: NDArray[np.float32], k: int) -> float:
    """Return R@k in percent, equal scores in the average of their orders."""
    own = scores.diagonal()[:, None]
    above, equal = (scores > own).sum(1), (scores == own).sum(1)
    return 100 * float(np.clip((k - above) / equal, 0, 1).mean())


def main(runs: Sequence[str]) -> None:
    """Print a row for each run."""
    print("| system | R@1 | R@2 | R@10 | right of the two |")
    print("|---|---|---|---|---|")
    for run in map(Path, runs):
        scores = np.load(run / "similarity.npy")
        name = json.loads((run / "report.json").read_text(encoding="utf-8"))["name"].removesuffix("-moving-order")
        cells = [f"{value:.1f}" for value in (*(recall(scores, k) for k in (1, 2, 10)), right_of_two(scores))]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(sys.argv[1:])
