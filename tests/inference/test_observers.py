"""The group of a run's observers: who is told of steps, and how often."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fdakit.inference import observers
from fdakit.inference.observers import ObserverGroup
from fdakit.plugin import ObservesSomeSteps, ObservesSteps, StepInfo


class Every:
    """Observes every step."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def step_finished(self, step: StepInfo) -> None:
        self.seen.append(step.step)


class Some(Every):
    """Observes a step in ten seconds."""

    step_seconds = 10.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A clock that stands where it is set."""

    class Clock:
        now = 0.0

        def monotonic(self) -> float:
            return self.now

    stands = Clock()
    monkeypatch.setattr(observers, "time", stands)
    return stands


def train(group: ObserverGroup, clock: Any, *, steps: int, seconds: float) -> int:
    """Take steps; return for how many of them losses had to be fetched."""
    fetched = 0
    for step in range(1, steps + 1):
        clock.now += seconds
        if group.observe_steps:
            fetched += 1
            group.step_finished(StepInfo(step, steps, 1, 1.0, {}, 0.1, 2))
    return fetched


def test_an_observer_of_some_steps_costs_some_steps_alone(clock: Any) -> None:
    some = Some()
    assert isinstance(some, ObservesSomeSteps) and isinstance(some, ObservesSteps)
    assert train(ObserverGroup([("some", some)]), clock, steps=50, seconds=1.0) == 5
    assert some.seen == [1, 11, 21, 31, 41]


def test_another_that_observes_every_step_changes_nothing_for_it(clock: Any) -> None:
    some, every = Some(), Every()
    group = ObserverGroup([("some", some), ("every", every)])
    assert train(group, clock, steps=20, seconds=1.0) == 20
    assert (some.seen, every.seen) == ([1, 11], list(range(1, 21)))


def test_steps_slower_than_that_are_all_told(clock: Any) -> None:
    some = Some()
    assert train(ObserverGroup([("some", some)]), clock, steps=3, seconds=11.0) == 3


def test_nobody_is_told_where_nobody_observes(clock: Any) -> None:
    assert train(ObserverGroup([("none", object())]), clock, steps=3, seconds=1.0) == 0


def step_of(number: int) -> StepInfo:
    return StepInfo(number, 9, 1, 1.0, {}, 0.1, 2)


class Answering(Every):
    """Answers every step with the same value."""

    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer

    def step_finished(self, step: StepInfo) -> Any:
        return self.answer


@pytest.mark.parametrize(
    ("answer", "stops"), [(True, True), (np.bool_(True), True), (np.bool_(False), False), (None, False)]
)
def test_a_bool_of_numpy_is_an_answer_too(answer: object, stops: bool, recwarn: pytest.WarningsRecorder) -> None:
    group = ObserverGroup([("observer 'x'", Answering(answer))])
    assert group.step_finished(step_of(1)) == ("observer 'x'" if stops else "")
    assert not recwarn.list


def test_an_answer_that_is_neither_true_nor_false_is_told_once() -> None:
    group = ObserverGroup([("observer 'x'", Answering("yes"))])
    with pytest.warns(UserWarning, match="observer 'x' answered 'yes' in step_finished, which stops nothing") as told:
        assert [group.step_finished(step_of(number)) for number in (1, 2)] == ["", ""]
    assert len(told) == 1
