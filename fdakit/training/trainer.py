"""Training: batches of distinct videos, weighted objectives, warm-up and cosine schedule, a state to resume from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn

from fdakit.data_pipeline.loaded_batch import LoadedBatch
from fdakit.data_pipeline.loading.clip_loader import ClipLoader
from fdakit.errors import VideoError
from fdakit.inference.factory import WeightedObjective
from fdakit.inference.observers import ObserverGroup
from fdakit.model.retriever import Retriever
from fdakit.recipe.recipe import Recipe
from fdakit.settings import LoaderSettings, TrainSettings
from fdakit.system.ranks import Ranks
from fdakit.system.stop_signals import StopRequest, stop_request
from fdakit.values import Split

from .collapse_detection import CollapseSigns
from .compilation import TrainingCompilation
from .forward_pass import Forward
from .optimisation.evaluated_weights import EvaluatedWeights
from .optimisation.freezing import check_chunks, frozen_batch_norms, warn_of_blocked
from .optimisation.grouped_optimiser import GroupedOptimiser, build_optimiser
from .optimisation.schedule import Schedule
from .progress.epoch_course import EpochCourse
from .progress.pace import Pace
from .progress.step_facts import step_facts
from .recomputation import recompute_activations
from .sharded_blocks import ShardedBlocks, copy_weights
from .shared_loading import SharedLoading
from .shares import SharedBatch
from .step_losses import EpochLosses, StepLosses
from .stopping import Stopped as Stopped, stop_if_asked
from .training_data import TrainingData, training_clips
from .training_step import TrainingStep

AfterEpoch = Callable[["Trainer", int], Mapping[str, float]]
AfterStep = Callable[["Trainer"], object]


@dataclass
class Position:
    """The position in a training: the next step is `step` of `epoch`; `done` steps are complete."""

    epoch: int = 0
    step: int = 0
    done: int = 0


class Trainer:
    """Trains a retriever on a split; `state` and `restore` make it continue exactly as if it had never stopped."""

    def __init__(
        self,
        retriever: Retriever,
        objectives: Sequence[WeightedObjective],
        *,
        data: TrainingData,
        optimiser: GroupedOptimiser,
        train: TrainSettings,
        loader: LoaderSettings,
        device: torch.device,
        watchers: ObserverGroup,
        ranks: Ranks,
        clip_loader: ClipLoader | None = None,
        sharded: ShardedBlocks | None = None,
    ) -> None:
        self.retriever = retriever
        self.sharded = sharded or ShardedBlocks()
        self.position = Position()
        self._ended = False
        self.history: list[dict[str, float]] = []  # what observers receive for each epoch
        self.skipped: dict[str, str] = {}  # the fault by video id, of those seen so far
        self.repaired: dict[str, str] = {}
        self._signs = CollapseSigns()
        self._losses, self._pace, self.course = EpochLosses(), Pace(), EpochCourse()
        self._objectives = objectives
        self._modules = nn.ModuleList([o.part for o in objectives if isinstance(o.part, nn.Module)])
        self._data = data
        self._train, self._loader = train, loader
        self._device, self._ranks = device, ranks
        self._watchers = watchers
        self._loading = SharedLoading(
            data,
            loader=loader,
            micro_batch=train.micro_batch,
            device=device,
            ranks=ranks,
            clip_loader=clip_loader,
        )
        self._compilation = TrainingCompilation.of(retriever, train.compile, device=device)
        self._still = frozen_batch_norms([retriever, self._modules])
        forward = Forward(
            retriever, objectives, device=device, precision=train.precision, seed=data.seed, ranks=ranks
        )
        self._step = TrainingStep(
            retriever,
            objectives,
            forward=forward,
            optimiser=optimiser,
            clip_norm=train.clip_norm,
            signs=self._signs,
            ema=train.ema,
        )

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        data: Split | TrainingData,
        retriever: Retriever,
        objectives: Sequence[WeightedObjective],
        *,
        device: torch.device,
        watchers: ObserverGroup,
        ranks: Ranks | None = None,
        clip_loader: ClipLoader | None = None,
        sharded: ShardedBlocks | None = None,
    ) -> Trainer:
        """Return the trainer of a recipe on a split, or other data; it reads by `clip_loader`, else by own workers.

        `sharded` is what `shard_blocks` gave. Raises what `known_damage`, `build_optimiser` and `check_chunks` raise.
        """
        if isinstance(data, Split):
            data = TrainingData.of(
                recipe, training_clips(recipe, data, retriever, device=device), data, objectives, device=device
            )
        parts = [objective.part for objective in objectives]
        optimiser = build_optimiser(recipe.optimiser, retriever, parts, recipe.train)
        check_chunks(retriever, recipe.train, ranks=(ranks or Ranks()).size)  # after it, which freezes
        if recipe.train.grad_checkpointing:
            recompute_activations(retriever)
        warn_of_blocked(retriever)
        return cls(
            retriever,
            objectives,
            data=data,
            optimiser=optimiser,
            train=recipe.train,
            loader=recipe.loader,
            device=device,
            watchers=watchers,
            ranks=ranks or Ranks(),
            clip_loader=clip_loader,
            sharded=sharded,
        )

    @property
    def objectives(self) -> tuple[Any, ...]:
        """The objectives, without their weights."""
        return tuple(objective.part for objective in self._objectives)

    @property
    def evaluated(self) -> EvaluatedWeights:
        """The weights that are validated and saved."""
        return self._step.evaluated

    @cached_property
    def steps(self) -> int:
        """The number of steps of the whole training."""
        return self._data.steps(self._train.epochs, limit=self._train.max_steps)

    def end(self) -> None:
        """Make this epoch the last: `run` returns after it, or at once if it has not begun one."""
        self._ended = True

    def run(self, after_epoch: AfterEpoch, after_step: AfterStep = lambda trainer: None) -> None:
        """Train to the end. On Ctrl-C or SIGTERM the current step is finished, then `Stopped` is raised.

        After a step and after an epoch the state is complete and can be saved.
        """
        steps = self.steps
        copy_weights([self.retriever, self._modules], self._ranks)
        with stop_request() as asked:
            # After a stop at the last step of an epoch, that epoch is yet to be completed.
            while not self._ended and (self.position.done < steps or self.position.step > 0):
                epoch = self.position.epoch
                self.course.begin()
                with self._compilation.on():
                    losses = self._epoch(steps, asked, after_step)
                facts = {
                    "epoch": epoch + 1,
                    "step": self.position.done,
                    **losses,
                    "learning_rate": self._train.learning_rate * self._factor(self.position.done - 1),
                    "seconds": self.course.close(),
                    **self._signs.close(),
                }
                self.history.append(facts)
                with self.evaluated.shown():
                    facts.update(after_epoch(self, epoch))
                self._watchers.epoch_finished(facts)
                stop_if_asked(asked, self._ranks)

    def _epoch(self, steps: int, asked: StopRequest, after_step: AfterStep) -> dict[str, float]:
        plan = self._data.plan(self.position.epoch)[self.position.step :][: steps - self.position.done]
        self.course.plan(self.position.step + len(plan))
        self.retriever.train()
        for norm in self._still:
            norm.eval()
        for batch in self._pace.counted(self._loading.batches(plan, asked)):
            self._take_stock(batch.whole)
            losses = self._change(batch)
            self.position.step += 1
            self.position.done += 1
            asking = ""
            if losses is not None:
                self._losses.see(losses)
                asking = self._tell(losses, steps, pairs=len(batch.whole.ids))
            self._watchers.progressed("training", self.position.done, steps)
            after_step(self)
            stop_if_asked(asked, self._ranks, observer=asking)
        self._step.settle()
        if not len(self._losses):
            reasons = "\n".join(list(self.skipped.values())[:3])
            raise VideoError(f"train: no video of epoch {self.position.epoch + 1} could be read:\n{reasons}")
        self.position.epoch, self.position.step = self.position.epoch + 1, 0
        return self._losses.close(named=len(self._objectives) > 1)

    def _change(self, batch: SharedBatch) -> StepLosses | None:
        """Return the losses of a step, None if no clip of its batch could be read."""
        if not batch.whole.ids:
            return None
        done = self.position.done
        return self._step(batch, number=done + 1, factor=self._factor(done))

    def _tell(self, losses: StepLosses, steps: int, *, pairs: int) -> str:
        """Notify the observers of a step, of which nothing is fetched from the device unless some observe steps.

        Return the label of one that asks the run to stop, or "".
        """
        if not self._watchers.observe_steps:
            return ""
        done = self.position.done
        step = step_facts(
            losses,
            self.objectives,
            self._pace,
            device=self._device,
            step=done,
            steps=steps,
            epoch=self.position.epoch + 1,
            learning_rate=self._train.learning_rate * self._factor(done - 1),
            pairs=pairs,
        )
        return self._watchers.step_finished(step)

    @cached_property
    def _factor(self) -> Schedule:
        return Schedule(self._train, steps=self.steps)

    def _take_stock(self, batch: LoadedBatch) -> None:
        """Count the damaged videos of a batch; with `fail` they end the training."""
        lost = {video.id: video.reason for video in batch.lost}
        if lost and self._loader.damage == "fail":
            remedy = 'set loader.damage = "skip" or "repair" to train without what is damaged'
            raise VideoError("\n".join([*lost.values(), remedy]))
        self.skipped |= lost
        self.repaired |= batch.repaired

    def damage(self) -> dict[str, dict[str, str]]:
        """Damaged videos seen so far, `skipped` and `repaired`: the fault by id."""
        return {"skipped": dict(self.skipped), "repaired": dict(self.repaired)}

    def state(self) -> dict[str, Any]:
        """Return tensors and plain values only, so that it loads with `weights_only=True`.

        Raises `FdakitError` if the last step was not finite: nothing of it must be saved.
        """
        return {
            **self._step.state(),
            "objectives": self._modules.state_dict(),
            "position": [self.position.epoch, self.position.step, self.position.done],
            **self._losses.state(),
            "damage": self.damage(),
            "signs": self._signs.state(),
            "history": [dict(facts) for facts in self.history],
            "seconds": self.course.seconds,
            "rng": torch.get_rng_state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state()`; the retriever's weights are loaded separately."""
        self._modules.load_state_dict(state["objectives"])
        self._step.restore(state)
        self.position = Position(*state["position"])
        self.history = [dict(facts) for facts in state.get("history", [])]  # older checkpoints hold none
        self._signs.restore(state.get("signs", []))
        self._losses.restore(state, self._device)
        self.course.restore(state.get("seconds", 0.0))
        torch.set_rng_state(state["rng"])
        damage = state.get("damage", {})  # older checkpoints hold none
        self.skipped, self.repaired = dict(damage.get("skipped", {})), dict(damage.get("repaired", {}))
