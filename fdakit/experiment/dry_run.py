"""A run tried before it is made: everything is built, two steps and a batch of each evaluation are timed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import accumulate
from typing import Any

import torch

from fdakit.choices import Control
from fdakit.data_pipeline.cache_use import cached_clips_in_use
from fdakit.data_pipeline.loading.clip_loader import ClipLoader
from fdakit.data_pipeline.splits import Splits
from fdakit.errors import collect_errors
from fdakit.evaluation.evaluator import Evaluator
from fdakit.inference.factory import build_objectives, build_retriever
from fdakit.inference.observers import ObserverGroup
from fdakit.model.retriever import Retriever
from fdakit.plugin.contracts import Progress
from fdakit.plugin.observers import StepInfo
from fdakit.recipe.recipe import Recipe
from fdakit.system.devices import choose_device, loader_workers
from fdakit.system.memory import peak_memory
from fdakit.training.progress.timed_steps import timed_steps
from fdakit.training.trainer import Trainer
from fdakit.training.training_data import TrainingData, training_clips
from fdakit.values import Split

from .built_run import wanted_splits
from .early_stopping import check_patience
from .model_selection import VALIDATION
from .reading_pace import ReadingPace, reading_pace
from .run_folder import device_name

STEPS = 2
_READ = 32  # clips read to see how long one takes, at most


@dataclass(frozen=True)
class Training:
    """What a training would take: `step` computes so many seconds, `first` is the first step, `reading` of a clip.

    `seconds` in all, and `waiting`, the share of them spent waiting for data, follow from these for `workers`.
    """

    epochs: int
    steps: int
    pairs: int
    first: float
    step: float
    reading: ReadingPace
    workers: int
    seconds: float
    waiting: float


@dataclass(frozen=True)
class Evaluation:
    """What evaluations of a split would take, `times` of them: `first` and `again` are seconds of one."""

    split: str
    videos: int
    controls: int
    times: int
    first: float
    again: float

    @property
    def seconds(self) -> float:
        """The seconds of all of them."""
        return self.first + (self.times - 1) * self.again if self.times else 0.0


@dataclass(frozen=True)
class DryRun:
    """What a run would take, in seconds and bytes."""

    name: str
    device: str
    training: Training | None
    evaluations: tuple[Evaluation, ...]
    peak_memory: int

    @property
    def seconds(self) -> float:
        """The time to expect, without loading and saving weights."""
        trained = self.training.seconds if self.training else 0.0
        return trained + sum(one.seconds for one in self.evaluations)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "seconds": self.seconds}


def dry_run(recipe: Recipe, *, progress: Progress = lambda what, done, total: None) -> DryRun:
    """Build all parts of a run, take two steps of its training and evaluate a batch of each split it evaluates.

    Observers are built and told nothing; no run folder is written. Raises what `run_recipe` raises before a run.
    """
    device = choose_device(recipe.train.device)
    ObserverGroup.of(recipe)
    splits = Splits(recipe, device=device, progress=progress)
    wanted = wanted_splits(recipe, splits)
    *loaded, retriever = collect_errors(
        *(partial(splits.load, name) for name in wanted), partial(build_retriever, recipe, device=device)
    )
    by_name: dict[str, Split] = dict(zip(wanted, loaded, strict=True))
    check_patience(recipe, by_name)
    with cached_clips_in_use(loaded):
        training = validations = None
        if recipe.train.epochs:
            training = _train(recipe, by_name["train"], retriever, device)
            validations = -(-training.epochs // recipe.train.validate_every)
        own: tuple[Control, ...] = ()
        asked = [(VALIDATION, validations or 0, own), (recipe.eval.split, 1, recipe.eval.controls)]
        evaluations = tuple(
            _evaluate(recipe, by_name[name], retriever, device, times=times, controls=controls)
            for name, times, controls in asked
            if times and name in by_name
        )
    return DryRun(recipe.name, device_name(device), training, evaluations, peak_memory(device))


def _train(recipe: Recipe, split: Split, retriever: Retriever, device: torch.device) -> Training:
    objectives = build_objectives(recipe, retriever, device)
    own = replace(recipe, loader=recipe.loader.model_copy(update={"workers": 0}))
    source = training_clips(own, split, retriever, device=device)
    data = TrainingData.of(own, source, split, objectives, device=device)
    reading = reading_pace(source, data.plan(0)[0][:_READ])
    told = timed_steps(
        lambda watchers: Trainer.of(own, split, retriever, objectives, device=device, watchers=watchers), STEPS
    )
    lengths = [len(data.plan(epoch)) for epoch in range(recipe.train.epochs)]
    steps = data.steps(recipe.train.epochs, limit=recipe.train.max_steps)
    return expected_training(told, lengths, steps, reading, loader_workers(recipe.loader.workers, device))


def expected_training(
    told: Sequence[StepInfo], lengths: Sequence[int], steps: int, reading: ReadingPace, workers: int
) -> Training:
    """Return what a training would take, after the first two of its steps (or its only one)."""
    first = told[0].seconds - told[0].waited
    last = told[-1].seconds - told[-1].waited - (first if len(told) > 1 else 0.0)
    pairs = told[-1].pairs
    early = min(lengths[0], steps)
    seconds = (
        first
        - last
        + sum(
            count * reading.step_seconds(last, pairs, workers=workers, first=new)
            for count, new in ((early, True), (steps - early, False))
        )
    )
    computing = first + (steps - 1) * last
    return Training(
        epochs=next(epoch for epoch, done in enumerate(accumulate(lengths), 1) if done >= steps),
        steps=steps,
        pairs=pairs,
        first=first,
        step=last,
        reading=reading,
        workers=workers,
        seconds=seconds,
        waiting=max(0.0, 1 - computing / seconds),
    )


def _evaluate(
    recipe: Recipe,
    split: Split,
    retriever: Retriever,
    device: torch.device,
    *,
    times: int,
    controls: Sequence[Control],
) -> Evaluation:
    """Return what evaluating a split would take, after one batch of its videos, twice: the second is read already.

    Loader workers are started before that by two videos, as a run starts them once.
    """
    with ClipLoader(loader_workers(recipe.loader.workers, device), device=device) as clip_loader:

        def timed(some: Split, evaluator: Evaluator) -> float:
            started = time.perf_counter()
            evaluator.run(retriever)
            return (time.perf_counter() - started) * len(split.videos) / len(some.videos)

        def evaluator_of(some: Split) -> Evaluator:
            return Evaluator.of(
                recipe,
                some,
                retriever,
                device=device,
                progress=lambda what, done, total: None,
                controls=controls,
                clip_loader=clip_loader,
            )

        if loader_workers(recipe.loader.workers, device):
            evaluator_of(_some(split, 2)).run(retriever)
        some = _some(split, max(2, recipe.eval.batch_size))
        evaluator = evaluator_of(some)
        seconds = [timed(some, evaluator) for _ in range(2)]
    return Evaluation(split.name, len(split.videos), len(set(controls)), times, *seconds)


def _some(split: Split, count: int) -> Split:
    """Return the first videos of a split that have captions, with those."""
    described = {caption.video_id for caption in split.captions}
    videos = tuple(video for video in split.videos if video.id in described)[:count]
    kept = {video.id for video in videos}
    return replace(split, videos=videos, captions=tuple(one for one in split.captions if one.video_id in kept))
