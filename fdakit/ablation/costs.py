"""What a system costs: its weights, the operations and time of encoding a video, and what an index keeps of it."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from fdakit.bench.rounds import time_rounds
from fdakit.bench.training.flop_count import counted_operations, encode
from fdakit.bench.training.synthetic_batch import synthetic_batch
from fdakit.errors import FdakitError
from fdakit.inference.factory import build_objectives, build_retriever, count_parameters
from fdakit.model.retriever import Retriever
from fdakit.recipe.recipe import Recipe
from fdakit.report.ablation import SystemCost
from fdakit.system.atomic_files import write_text
from fdakit.system.devices import choose_device
from fdakit.system.regular_files import read_json
from fdakit.training.optimisation.grouped_optimiser import build_optimiser

_TIMED = 8  # clips of the batch that is timed
_ROUNDS = 5
_FLOAT32 = 4  # bytes; what is compared is kept in float32


def kept_cost(recipe: Recipe, path: Path) -> SystemCost:
    """Return what `path` says of the recipe's cost; if there is nothing, or a damaged file, measure and write it."""
    try:
        return SystemCost.from_json(read_json(path, error=FdakitError, advice="", what="a cost"))
    except (FdakitError, OSError, ValueError):
        cost = measure_cost(recipe)
        write_text(path, f"{cost.dumped()}\n", advice="free space or choose another folder with --out")
        return cost


def measure_cost(recipe: Recipe) -> SystemCost:
    """Return the cost of a recipe with random weights, on which it does not depend; clips are of noise.

    Operations are counted by torch on one clip with the frames of evaluation, encoder and aggregator together, a
    multiplication with its addition as two: see `counted_operations`. Seconds are the median of some rounds, for one
    clip of a batch. Decoding and masks of the data pipeline are no part of either.
    """
    device = choose_device(recipe.train.device)
    retriever = build_retriever(recipe, device=device, pretrained=False).train()
    parts = [one.part for one in build_objectives(recipe, retriever, device)]
    total, trained = count_parameters(retriever, parts)[0], 0
    if recipe.train.epochs:
        build_optimiser(recipe.optimiser, retriever, parts, recipe.train)  # it freezes what the recipe freezes
        trained = count_parameters(retriever, parts)[1]
    one = synthetic_batch(recipe, retriever, 1, training=False)
    with counted_operations() as counted, torch.no_grad():
        vectors = encode(retriever, one, device)
    return SystemCost(
        parameters=total,
        trained=trained,
        frames=one.frames.shape[1],
        flops=float(counted.get_total_flops()),
        encode_seconds=_seconds(recipe, retriever.eval(), device),
        index_bytes=_index_bytes(retriever, vectors),
        device=_named(device),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
    )


def _named(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type}, {os.cpu_count()} cores"


def _seconds(recipe: Recipe, retriever: Retriever, device: torch.device) -> float:
    batch = synthetic_batch(recipe, retriever, _TIMED, training=False)
    finish = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    with torch.inference_mode():
        timed = time_rounds({"encode": lambda: encode(retriever, batch, device)}, rounds=_ROUNDS, finish=finish)
    return timed.timed[0].median / _TIMED


def _index_bytes(retriever: Retriever, vectors: torch.Tensor) -> int | None:
    """Return the bytes of a video's vectors `(1, m, d)`; None if the matcher must see the video again."""
    stores = retriever.matcher.stores
    return None if stores == "nothing" else vectors[0].numel() * _FLOAT32
