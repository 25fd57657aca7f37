"""`fdakit bench train`: training and encoding beside the device's matrix products, and the loader."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median
from typing import Any, cast

import torch

from fdakit.data_pipeline.loaded_batch import LoadedBatch
from fdakit.data_pipeline.loading.clip_loader import ClipLoader
from fdakit.data_pipeline.splits import Splits
from fdakit.errors import FdakitError
from fdakit.experiment.reading_pace import reading_pace
from fdakit.inference.factory import build_objectives, build_retriever
from fdakit.inference.observers import ObserverGroup
from fdakit.model.retriever import Retriever
from fdakit.plugin.observers import StepInfo
from fdakit.recipe.recipe import Recipe
from fdakit.system.devices import autocast, choose_device, loader_workers
from fdakit.system.memory import peak_memory
from fdakit.training.progress.timed_steps import timed_steps
from fdakit.training.trainer import Trainer
from fdakit.training.training_data import TrainingData, training_clips

from .encode import surroundings
from .training.flop_count import count_flops, encode, training_modes
from .training.synthetic_batch import synthetic_batch

WARMUP = 2
_COUNTED = 2  # pairs whose operations are counted
_READ = 16  # clips read to see how long one takes
Progress = Callable[[str, int, int], None]


def bench_train(
    recipe: Recipe, *, steps: int = 10, loader: bool = True, progress: Progress = lambda what, done, total: None
) -> dict[str, Any]:
    """Train a recipe's model of random weights on a batch of noise, and time it beside encoding and matrix products.

    A round is a matrix product, an encoding of the batch's clips and a training step, each waited for; figures are
    medians of `steps` rounds after two. `share` is of the rate of the matrix products, operations being counted once.
    With `loader`, the recipe's videos are read and trained on too; without videos `loader` holds why not.
    """
    device = choose_device(recipe.train.device)
    recipe = replace(recipe, train=recipe.train.model_copy(update={"max_steps": None, "device": str(device)}))
    retriever = build_retriever(recipe, device=device, pretrained=False)
    training, encoding = count_flops(recipe, synthetic_batch(recipe, retriever, _COUNTED), device)
    batch = synthetic_batch(recipe, retriever, recipe.train.batch_size)
    rounds = _Rounds(recipe, retriever, batch, device, steps + WARMUP)
    told = rounds.train(lambda done, total: progress("round", done, total))
    pairs, rate = len(batch.ids), rounds.flops / median(rounds.products[WARMUP:])
    computing = [after - before for before, after in zip([0.0, *_computing(told)], _computing(told), strict=False)]
    found = {
        **surroundings(recipe, device, recipe.train.precision),
        "recipe": recipe.name,
        "batch": pairs,
        "frames": batch.frames.shape[1],
        "size": batch.frames.shape[-1],
        "rounds": len(told) - WARMUP,
        "matrix_tflops": rate / 1e12,
        "peak_memory": peak_memory(device),
        "train": _row(median(computing[WARMUP:]), pairs, training, rate),
        "encode": _row(median(rounds.encodings[WARMUP:]), pairs, encoding, rate),
    }
    if loader:
        try:
            found["loader"] = _with_loader(recipe, retriever, device, steps, found["train"]["clips_a_second"])
        except FdakitError as error:
            found["loader"] = {"fault": str(error)}
    return found


def _computing(told: list[StepInfo]) -> list[float]:
    return [step.seconds - step.waited for step in told]


def _row(seconds: float, pairs: int, flops: float, rate: float) -> dict[str, float]:
    done = flops * pairs
    return {
        "seconds": seconds,
        "clips_a_second": pairs / seconds,
        "tflop": done / 1e12,
        "share": done / seconds / rate,
    }


class _Rounds:
    """A loader of one batch of noise, again and again, which times what comes between two steps."""

    def __init__(
        self, recipe: Recipe, retriever: Retriever, batch: LoadedBatch, device: torch.device, count: int
    ) -> None:
        self.products: list[float] = []
        self.encodings: list[float] = []
        self._recipe, self._retriever, self._batch = recipe, retriever, batch
        self._device, self._count = device, count
        size = 8192 if device.type == "cuda" else 1024
        with autocast(device, recipe.train.precision):
            left, right = (torch.randn(size, size, device=device) for _ in range(2))
            kind = (left[:8] @ right).dtype
        self._factors = left.to(kind), right.to(kind)
        self._repeats = 8
        self.flops = 2.0 * size**3 * self._repeats

    def train(self, progress: Callable[[int, int], None]) -> list[StepInfo]:
        """Take the steps; return what was told of each."""
        objectives = build_objectives(self._recipe, self._retriever, self._device)

        def build(watchers: ObserverGroup) -> Trainer:
            return Trainer.of(
                self._recipe,
                cast(TrainingData, _Noise(self._recipe.seed, self._count, len(self._batch.ids))),
                self._retriever,
                objectives,
                device=self._device,
                watchers=watchers,
                clip_loader=cast(ClipLoader, self),
            )

        return timed_steps(build, self._count, progress=progress)

    def batches(self, source: object, plan: list[object], *, prefetch: int) -> Iterator[LoadedBatch]:
        """Yield the batch for each of a plan, after timing a matrix product and an encoding; as a loader does."""
        for _ in plan:
            self.products.append(self._timed(self._multiply))
            self.encodings.append(self._timed(self._encode))
            yield self._batch

    def _multiply(self) -> None:
        left, right = self._factors
        for _ in range(self._repeats):
            left @ right

    @torch.no_grad()
    def _encode(self) -> None:
        modes = training_modes(self._retriever)
        self._retriever.eval()
        with autocast(self._device, self._recipe.train.precision):
            encode(self._retriever, self._batch, self._device)
        for module, mode in modes.items():
            module.training = mode

    def _timed(self, work: Callable[[], None]) -> float:
        finish: Callable[[], object] = torch.cuda.synchronize if self._device.type == "cuda" else lambda: None
        finish()
        started = time.perf_counter()
        work()
        finish()
        return time.perf_counter() - started


class _Noise:
    """What a trainer asks of its data, of which there is none: so many steps in one epoch."""

    clips = None

    def __init__(self, seed: int, count: int, pairs: int) -> None:
        self.seed = seed
        self._plan = [[None] * pairs for _ in range(count)]

    def plan(self, epoch: int) -> list[list[None]]:
        """Return so many batches of nothing."""
        return self._plan

    def steps(self, epochs: int, *, limit: int | None) -> int:
        """Return the steps of all epochs."""
        return len(self._plan) * epochs

    def completed(self, batch: LoadedBatch) -> LoadedBatch:
        """Return the batch: no part knows more of its pairs."""
        return batch


def _with_loader(
    recipe: Recipe, retriever: Retriever, device: torch.device, steps: int, clips_a_second: float
) -> dict[str, Any]:
    """Return how fast the recipe's clips are read, and how long a training on them waits.

    Raises `FdakitError` if they cannot be read.
    """
    splits = Splits(recipe, device=device, progress=lambda what, done, total: None)
    split = splits.load("train")
    objectives = build_objectives(recipe, retriever, device)
    source = training_clips(recipe, split, retriever, device=device)
    draws = TrainingData.of(recipe, source, split, objectives, device=device).plan(0)[0][:_READ]
    reading = reading_pace(source, draws)
    told = timed_steps(
        lambda watchers: Trainer.of(recipe, split, retriever, objectives, device=device, watchers=watchers), steps
    )
    first, last = told[0], told[-1]
    seconds = last.seconds - first.seconds
    return {
        "workers": loader_workers(recipe.loader.workers, device),
        "steps": len(told) - 1,
        "waiting": (last.waited - first.waited) / seconds if seconds else 0.0,
        "clips_a_second": (last.clips - first.clips) / seconds if seconds else 0.0,
        "clips_a_second_a_core": {"first": 1 / reading.first, "again": 1 / reading.again},
        "cores": {"first": clips_a_second * reading.first, "again": clips_a_second * reading.again},
    }
