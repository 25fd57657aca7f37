"""Training: it learns, it says what is wrong, and stopping it anywhere changes nothing."""

from __future__ import annotations

import io
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.training_pairs import pairs_of

from fdakit import DatasetError, FdakitError, PluginError, VideoError
from fdakit.builtin.batchers.distinct_videos import DistinctVideos
from fdakit.errors import PartError
from fdakit.inference.factory import build_objectives, build_retriever
from fdakit.inference.observers import ObserverGroup
from fdakit.plugin import Split, StepInfo, VideoFeatures
from fdakit.random_keys import keyed_rng
from fdakit.recipe.recipe import Recipe
from fdakit.training import shared_loading
from fdakit.training.trainer import Stopped, Trainer

pytestmark = pytest.mark.integration

CPU = torch.device("cpu")
MakeRecipe = Callable[..., Recipe]
MakeSplit = Callable[..., Split]


@pytest.fixture
def toy(split: MakeSplit) -> Split:
    """Seven videos with two captions each."""
    names = ("red-across", "green-across", "blue-across", "blue-down", "yellow-down", "white-across", "pink-down")
    pairs = [(name, text) for name in names for text in (name.replace("-", " "), f"a {name.split('-')[0]} thing")]
    return split(*pairs, name="train")


class Heard:
    """An observer that keeps what it hears, and presses Ctrl-C after a step."""

    def __init__(self, stop: int = 0) -> None:
        self.stop = stop
        self.facts: list[Mapping[str, float]] = []

    def progressed(self, what: str, done: int, total: int) -> None:
        if done == self.stop:
            os.kill(os.getpid(), signal.SIGINT)

    def epoch_finished(self, facts: Mapping[str, float]) -> None:
        self.facts.append({name: value for name, value in facts.items() if name != "seconds"})


def trainer(recipe: Recipe, split: Split, heard: Heard | None = None) -> Trainer:
    retriever = build_retriever(recipe, device=CPU)
    objectives = build_objectives(recipe, retriever, CPU)
    return Trainer.of(
        recipe, split, retriever, objectives, device=CPU, watchers=ObserverGroup([("heard", heard or Heard())])
    )


def none(trainer: Trainer, epoch: int) -> Mapping[str, float]:
    """Nothing after an epoch."""
    return {}


def weights(of: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in of.retriever.state_dict().items()}


def test_the_loss_falls_on_a_toy_set(make_recipe: MakeRecipe, toy: Split) -> None:
    heard = Heard()
    recipe = make_recipe(train={"epochs": 8, "batch_size": 7, "learning_rate": 1e-3})
    trainer(recipe, toy, heard).run(none)
    losses = [facts["loss"] for facts in heard.facts]
    assert [facts["epoch"] for facts in heard.facts] == list(range(1, 9))
    assert [facts["step"] for facts in heard.facts] == list(range(2, 17, 2))
    assert losses[-1] < 0.8 * losses[0]
    # two of sixteen steps rise, and the last step of an epoch is every second one
    wanted = [1.0, *(0.5 + 0.5 * np.cos(np.pi * (step - 2) / 14) for step in range(3, 16, 2))]
    assert [facts["learning_rate"] / 1e-3 for facts in heard.facts] == pytest.approx(wanted)


def test_training_reaches_every_weight_that_is_trained(make_recipe: MakeRecipe, toy: Split) -> None:
    made = trainer(make_recipe(train={"epochs": 4, "schedule": "constant"}), toy)
    before = weights(made)
    made.run(none)
    same = [name for name, value in weights(made).items() if torch.equal(value, before[name])]
    assert same == ["encoder.clip.logit_scale"]  # the objective has its own


def test_epochs_are_as_many_as_asked_though_their_lengths_differ(make_recipe: MakeRecipe, split: MakeSplit) -> None:
    counts = {"red-across": 5, "green-across": 3, "blue-across": 2, "blue-down": 2}
    pairs = [(name, f"{name} {k}") for name, count in counts.items() for k in range(count)]
    heard = Heard()
    made = trainer(make_recipe(train={"epochs": 6, "batch_size": 2}), split(*pairs, name="train"), heard)
    whole = pairs_of(list(counts.values()))
    lengths = [len(DistinctVideos()(whole, 2, epoch, keyed_rng(3, "order", epoch))) for epoch in range(6)]
    assert len(set(lengths)) > 1
    made.run(none)
    assert [facts["step"] for facts in heard.facts] == np.cumsum(lengths).tolist()
    assert made.steps == sum(lengths)


@pytest.mark.parametrize(("limit", "steps"), [(1, [1]), (4, [3, 4]), (6, [3, 6]), (99, [3, 6])])
def test_the_steps_can_be_limited(make_recipe: MakeRecipe, toy: Split, limit: int, steps: list[int]) -> None:
    heard = Heard()
    made = trainer(make_recipe(train={"max_steps": limit}), toy, heard)
    assert made.steps == steps[-1]
    made.run(none)
    assert [facts["step"] for facts in heard.facts] == steps


def copied(state: Mapping[str, Any]) -> Any:
    """The state as it comes back from a file that may hold no code."""
    file = io.BytesIO()
    torch.save(dict(state), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.fixture(scope="module")
def dropping() -> dict[str, Any]:
    """Tables of a training that also draws from torch's generator and has a scale of its own."""
    return {"aggregator": {"use": "dropping"}, "train": {"schedule": "constant"}}


def test_every_epoch_trains_in_training_mode_whatever_came_after_the_last(
    make_recipe: MakeRecipe, toy: Split
) -> None:
    made = trainer(make_recipe(aggregator={"use": "dropping"}, train={"epochs": 3}), toy)
    modes: list[bool] = []
    made.retriever.aggregator.register_forward_pre_hook(lambda part, given: modes.append(part.training))

    def validate(trainer: Trainer, epoch: int) -> Mapping[str, float]:
        trainer.retriever.eval()  # as an evaluation does
        return {}

    made.retriever.eval()
    made.run(validate)
    assert len(modes) == made.steps
    assert all(modes)


ALL_DRAWN: dict[str, Any] = {
    "train": {"captions": "one", "batch_size": 3, "epochs": 3},
    "batcher": {"use": "random"},
    "view": {"crop_scale": [0.5, 1.0], "contrast": 0.3, "hue": 0.2},
}


@pytest.mark.integration
@pytest.mark.parametrize(("tables", "stops"), [({}, range(1, 7)), (ALL_DRAWN, (1, 4))])
def test_stopping_after_any_step_and_going_on_changes_no_bit(
    make_recipe: MakeRecipe, toy: Split, dropping: dict[str, Any], tables: dict[str, Any], stops: Sequence[int]
) -> None:
    recipe = make_recipe(**{**dropping, **tables})
    unbroken = Heard()
    whole = trainer(recipe, toy, unbroken)
    whole.run(none)
    assert whole.steps == 6
    for stop in stops:
        heard = Heard(stop)
        stopped = trainer(recipe, toy, heard)
        with pytest.raises(Stopped):
            stopped.run(none)
        assert stopped.position.done == stop
        state = copied(stopped.state())
        torch.manual_seed(stop)  # whatever happened between
        taken_up = trainer(recipe, toy, heard)
        taken_up.retriever.load_state_dict(weights(stopped))
        taken_up.restore(state)
        heard.stop = 0
        taken_up.run(none)
        ended = weights(taken_up)
        assert all(torch.equal(value, ended[name]) for name, value in weights(whole).items()), f"stop {stop}"
        scales = [made.state()["objectives"]["0.logit_scale"] for made in (taken_up, whole)]
        assert torch.equal(*scales)
        assert heard.facts == unbroken.facts, f"stop {stop}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_an_epoch_is_closed_stops_after_it(
    make_recipe: MakeRecipe, toy: Split, number: signal.Signals
) -> None:
    made, closed = trainer(make_recipe(), toy), []

    def press(trainer: Trainer, epoch: int) -> Mapping[str, float]:
        os.kill(os.getpid(), number)
        closed.append(epoch)
        return {}

    with pytest.raises(Stopped) as caught:
        made.run(press)
    assert caught.value.signal == number
    assert closed == [0]
    assert (made.position.epoch, made.position.step, made.position.done) == (1, 0, 3)


def test_a_second_ctrl_c_interrupts_at_once_and_says_so_by_its_kind(make_recipe: MakeRecipe, toy: Split) -> None:
    def press_twice(trainer: Trainer, epoch: int) -> Mapping[str, float]:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(0.01)
        raise AssertionError("not interrupted")

    with pytest.raises(KeyboardInterrupt) as caught:
        trainer(make_recipe(), toy).run(press_twice)
    assert type(caught.value) is KeyboardInterrupt


def test_a_loader_that_the_same_signal_ended_is_no_fault(
    make_recipe: MakeRecipe, toy: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Iterator[Any]:
        if wanted is Stopped:
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(0.01)
        raise FdakitError("loader.workers: a loader worker was killed (SIGTERM)")
        yield

    monkeypatch.setattr(shared_loading, "batches_by", broken)
    for wanted in (FdakitError, Stopped):
        with pytest.raises(wanted):
            trainer(make_recipe(), toy).run(none)


def test_ctrl_c_means_again_what_it_meant_before(make_recipe: MakeRecipe, toy: Split) -> None:
    before = signal.getsignal(signal.SIGINT)
    trainer(make_recipe(train={"max_steps": 1}), toy).run(none)
    assert signal.getsignal(signal.SIGINT) is before


def test_an_epoch_of_one_step_is_closed_after_a_stop_at_its_end(make_recipe: MakeRecipe, split: MakeSplit) -> None:
    pairs = split(("red-across", "a"), ("blue-down", "b"), name="train")
    recipe, closed = make_recipe(train={"epochs": 1, "batch_size": 2}), []
    stopped = trainer(recipe, pairs, Heard(1))
    with pytest.raises(Stopped):
        stopped.run(none)
    assert (stopped.position.epoch, stopped.position.step, stopped.position.done) == (0, 1, 1)
    heard = Heard()
    taken_up = trainer(recipe, pairs, heard)
    taken_up.restore(copied(stopped.state()))

    def close(trainer: Trainer, epoch: int) -> Mapping[str, float]:
        closed.append(epoch)
        return {}

    taken_up.run(close)
    assert closed == [0]
    assert [facts["step"] for facts in heard.facts] == [1]
    assert (taken_up.position.epoch, taken_up.position.step, taken_up.position.done) == (1, 0, 1)


def test_training_works_outside_the_main_thread(make_recipe: MakeRecipe, toy: Split) -> None:
    made = trainer(make_recipe(train={"max_steps": 1}), toy)
    thread = threading.Thread(target=made.run, args=(none,))
    thread.start()
    thread.join()
    assert made.position.done == 1


def test_a_loss_that_is_no_number_ends_the_training_in_words(make_recipe: MakeRecipe, toy: Split) -> None:
    made = trainer(make_recipe(objective=[{"use": "losing", "step": 3}]), toy)
    with pytest.raises(FdakitError, match=r"train: the loss became nan at step 3; lower train\.learning_rate"):
        made.run(none)
    assert made.position.done == 3  # it was looked at when the epoch ended
    assert all(bool(torch.isfinite(value).all()) for value in weights(made).values())


def test_objectives_are_summed_by_their_weights(make_recipe: MakeRecipe, toy: Split) -> None:
    def first_loss(*objectives: dict[str, Any]) -> float:
        heard = Heard()
        trainer(make_recipe(objective=list(objectives), train={"max_steps": 1}), toy, heard).run(none)
        return heard.facts[0]["loss"]

    one, smooth = {"use": "symmetric-contrastive"}, {"use": "symmetric-contrastive", "label_smoothing": 0.5}
    both = first_loss({**one, "weight": 2.0}, {**smooth, "weight": 0.25})
    assert both == pytest.approx(2 * first_loss(one) + 0.25 * first_loss(smooth), rel=1e-6)


def test_a_pooling_is_given_the_times_of_the_frames_it_learns_from(
    make_recipe: MakeRecipe, toy: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, given = trainer(make_recipe(train={"max_steps": 1}), toy), []
    pooled = made.retriever.aggregate

    def keep(frames: VideoFeatures) -> VideoFeatures:
        given.append(frames)
        return pooled(frames)

    monkeypatch.setattr(made.retriever, "aggregate", keep)
    made.run(none)
    (frames,) = given
    assert frames.valid.all()
    assert (frames.times[:, 1] > frames.times[:, 0]).all()
    assert torch.equal(frames.times * 8, (frames.times * 8).round())  # clips of eight frames a second
    assert frames.coverage.shape == frames.times.shape
    assert (frames.coverage > 0).any()


def test_objectives_have_their_say_after_each_step(make_recipe: MakeRecipe, toy: Split) -> None:
    objective = {"use": "symmetric-contrastive", "scale": 50.0, "max_scale": 2.0}
    made = trainer(make_recipe(objective=[objective], train={"max_steps": 1}), toy)
    made.run(none)
    assert made.state()["objectives"]["0.logit_scale"].exp().item() == pytest.approx(2.0)


@pytest.mark.parametrize("norm", [1e-3, 0.0])
def test_gradients_are_clipped_to_their_norm(make_recipe: MakeRecipe, toy: Split, norm: float) -> None:
    made = trainer(make_recipe(train={"max_steps": 1, "clip_norm": norm}), toy)
    made.run(none)
    found = torch.cat([p.grad.flatten() for p in made.retriever.parameters() if p.grad is not None]).norm()
    assert found == pytest.approx(1e-3, rel=1e-2) if norm else found > 0.01


def test_an_unreadable_video_ends_the_training_with_its_reason(
    make_recipe: MakeRecipe, split: MakeSplit, tmp_path: Any
) -> None:
    pairs = split(("red-across", "a"), ("gone", "b"), name="train")
    with pytest.raises(VideoError, match=r"gone\.mp4"):
        trainer(make_recipe(train={"batch_size": 2}), pairs).run(none)


def test_nothing_to_train_is_said_before_the_start(make_recipe: MakeRecipe, toy: Split) -> None:
    recipe = make_recipe()
    retriever = build_retriever(recipe, device=CPU).requires_grad_(False)
    with pytest.raises(FdakitError, match="nothing in this recipe has weights to train"):
        Trainer.of(recipe, toy, retriever, (), device=CPU, watchers=ObserverGroup())


def test_a_split_without_captions_is_said_before_the_start(make_recipe: MakeRecipe, toy: Split) -> None:
    empty = Split("train", toy.videos, ())
    with pytest.raises(DatasetError, match="found no pair of caption and video; give it captions"):
        trainer(make_recipe(), empty).run(none)


def test_a_failing_objective_is_named_with_the_step(
    make_recipe: MakeRecipe, toy: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = trainer(make_recipe(), toy)

    def fail(*_: Any) -> Any:
        raise IndexError("no such row")

    monkeypatch.setattr(made._objectives[0].part, "forward", fail)
    with pytest.raises(PluginError, match=r"objective 'symmetric-contrastive' \(fdakit .*\) failed at step 1: Index"):
        made.run(none)


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        (
            {"optimiser": {"use": "unruly"}},
            r"^optimiser 'unruly' .* was made: returned None, without param_gr",
        ),
        ({"optimiser": {"use": "unruly", "step": 1}}, r"^optimiser 'unruly' .* at step 1: ValueError: stumbled"),
        ({"objective": [{"use": "constant"}]}, r"^objective 'constant' .* at step 1: the losses have no gradient"),
    ],
)
def test_what_optimisers_and_objectives_must_give_is_said(
    make_recipe: MakeRecipe, toy: Split, tables: dict[str, Any], words: str
) -> None:
    with pytest.raises(PartError, match=words):
        trainer(make_recipe(**tables), toy).run(none)


def test_bf16_trains_over_fp32_weights(make_recipe: MakeRecipe, toy: Split) -> None:
    heard = Heard()
    made = trainer(make_recipe(train={"max_steps": 2, "precision": "bf16"}), toy, heard)
    made.run(none)
    assert all(value.dtype == torch.float32 for value in weights(made).values())
    plain = Heard()
    trainer(make_recipe(train={"max_steps": 2, "precision": "fp32"}), toy, plain).run(none)
    assert heard.facts[0]["loss"] == pytest.approx(plain.facts[0]["loss"], rel=0.05)
    assert heard.facts[0]["loss"] != plain.facts[0]["loss"]


class Counting(Heard):
    """An observer of every step, which asks to stop after one of them."""

    def __init__(self, stop_after: int = 0) -> None:
        super().__init__()
        self.steps: list[StepInfo] = []
        self.stop_after = stop_after

    def step_finished(self, step: StepInfo) -> bool | None:
        self.steps.append(step)
        return True if step.step == self.stop_after else None


def two_objectives(recipe: Recipe) -> Recipe:
    """The recipe with its objective twice, at weights of 1 and a half."""
    ((part, _),) = recipe.objectives
    return replace(recipe, objectives=((part, 1.0), (part, 0.5)))


def test_an_observer_of_steps_is_told_the_losses_of_each_objective(make_recipe: MakeRecipe, toy: Split) -> None:
    recipe, heard = two_objectives(make_recipe()), Counting()
    made = trainer(recipe, toy, heard)
    made.run(none)
    assert [(step.step, step.steps, step.epoch, step.pairs) for step in heard.steps] == [
        (n, 6, 1 + (n > 3), 4) for n in range(1, 7)
    ]
    first, second = "symmetric-contrastive.contrastive", "symmetric-contrastive-2.contrastive"
    for step in heard.steps:
        assert step.loss == pytest.approx(step.losses[first] + 0.5 * step.losses[second], rel=1e-6)
        assert 0 < step.learning_rate <= recipe.train.learning_rate
        assert (step.clips, step.scale) == (4 * step.step, pytest.approx(1 / 0.07, rel=0.05))
    for facts, steps in zip(heard.facts, (heard.steps[:3], heard.steps[3:]), strict=True):
        for name, values in (("loss", [step.loss for step in steps]), (first, [s.losses[first] for s in steps])):
            assert facts[name] == pytest.approx(np.mean(values), rel=1e-6)


def test_the_losses_of_one_objective_are_told_once(make_recipe: MakeRecipe, toy: Split) -> None:
    heard = Counting()
    trainer(make_recipe(train={"epochs": 1}), toy, heard).run(none)
    assert list(heard.steps[0].losses) == ["symmetric-contrastive.contrastive"]
    assert not [name for name in heard.facts[0] if "." in name]


@pytest.mark.parametrize("stop", [2, 3])
def test_an_observer_that_asks_to_stop_leaves_a_state_that_goes_on_to_the_same_end(
    make_recipe: MakeRecipe, toy: Split, stop: int
) -> None:
    recipe, unbroken, heard = two_objectives(make_recipe()), Heard(), Counting(stop)
    whole = trainer(recipe, toy, unbroken)
    whole.run(none)
    stopped = trainer(recipe, toy, heard)
    with pytest.raises(Stopped, match=r"^stopped by heard$") as caught:
        stopped.run(none)
    assert (caught.value.observer, caught.value.signal, stopped.position.done) == ("heard", signal.SIGINT, stop)
    taken_up = trainer(recipe, toy, heard)
    taken_up.retriever.load_state_dict(weights(stopped))
    taken_up.restore(copied(stopped.state()))
    heard.stop_after = 0
    taken_up.run(none)
    ended = weights(taken_up)
    assert all(torch.equal(value, ended[name]) for name, value in weights(whole).items())
    assert heard.facts == unbroken.facts


def test_an_observer_that_fails_in_a_step_is_left_out(make_recipe: MakeRecipe, toy: Split) -> None:
    class Broken(Counting):
        def step_finished(self, step: StepInfo) -> bool | None:
            self.steps.append(step)
            raise KeyError("no such plot")

    heard = Broken()
    with pytest.warns(UserWarning, match="^heard failed in step_finished and is left out: KeyError"):
        trainer(make_recipe(), toy, heard).run(none)
    assert len(heard.steps) == 1
