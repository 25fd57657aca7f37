"""Run by torchrun: gradients of several processes, beside those that each computes as one process alone."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from helpers.exact_steps import CPU, Towers, close, example_batch, gradients

from fdakit.features import ClipBatch
from fdakit.system.process_ranks import connected_ranks
from fdakit.system.ranks import Ranks
from fdakit.system.sharded_tensors import is_sharded
from fdakit.training.sharded_blocks import divide_blocks

CASES: tuple[dict[str, Any], ...] = (
    {"pool": "batch norm", "tokens": True, "micro_batch": None},
    {"pool": "transformer", "tokens": True, "micro_batch": 2, "captions": True},
    {"pool": "batch norm", "tokens": False, "micro_batch": 3, "captions": True, "lost": (6, 7, 8, 9, 10)},
    {"pool": "linear", "tokens": True, "micro_batch": None, "captions": True},  # a weight shared by single chunks
    {"pool": "linear", "tokens": True, "micro_batch": 4},  # on two ranks one chunk and two
    {"pool": "dropout", "tokens": True, "micro_batch": 2, "dropout": 0.3, "lost": (3,)},
)
STEPS = (5, 6, 7)  # the first is summed without DDP, the others with it


def divided(towers: Towers, ranks: Ranks) -> None:
    """Divide the weights of the towers of images, as `train.shard` does those of an encoder's blocks.

    Then validate, as a resumed run may before its first step: each rank encodes another number of batches.
    """
    clips = ClipBatch.of(example_batch(), CPU)
    (alpha,) = example_batch().alphas.values()
    wanted = towers.eval().encode_videos(clips, alpha).vectors
    sharded = divide_blocks(towers, list(towers.image), CPU, ranks)
    assert any(is_sharded(weight) for weight in towers.parameters())
    with sharded.whole(), torch.no_grad():
        for _ in range(ranks.rank):
            assert torch.equal(towers.encode_videos(clips, alpha).vectors, wanted)
    towers.train()


if __name__ == "__main__":
    torch.set_num_threads(1)
    with connected_ranks(CPU) as ranks:
        for case in CASES:
            chunks = {"micro_batch": case["micro_batch"] if case.get("dropout") else None}
            alone = gradients(**{**case, **chunks}, steps=STEPS)
            close(gradients(**case, ranks=ranks, steps=STEPS), alone)
            divide = partial(divided, ranks=ranks)
            close(gradients(**case, ranks=ranks, steps=STEPS, divide=divide), alone)
        if ranks.leads:
            print(f"{len(CASES)} cases on {ranks.size} ranks")
