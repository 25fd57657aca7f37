"""`check_observer`: every built-in keeps it, and each assertion rejects an observer that breaks it."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from helpers.sample_plugins import component

from fdakit.catalog import load_catalog
from fdakit.plugin import RunInfo, StepInfo
from fdakit.testing import check_observer

OFFERED = [pytest.param(offer.component, id=offer.component.name) for offer in load_catalog().of_kind("observer")]


@pytest.mark.parametrize("observer", OFFERED)
def test_every_observer_keeps_the_laws(observer: Any) -> None:
    check_observer(observer)


class Quiet:
    """Bears everything."""

    def run_started(self, run: RunInfo) -> None: ...

    def progressed(self, what: str, done: int, total: int) -> None: ...

    def epoch_finished(self, facts: Any) -> None: ...

    def run_finished(self, report: Any) -> None: ...


class WithoutFolder(Quiet):
    def run_started(self, run: RunInfo) -> None:
        assert run.folder is not None
        (run.folder / "note.txt").write_text("started")


class Resumed(Quiet):
    def run_started(self, run: RunInfo) -> None:
        if run.past:
            raise ValueError("cannot go on")


class Evaluated(Quiet):
    def run_started(self, run: RunInfo) -> None:
        self.share = 1 / run.steps


class Validated(Quiet):
    def epoch_finished(self, facts: Any) -> None:
        assert facts["val_t2v_R@1"] >= 0


class Closing(Quiet):
    def run_started(self, run: RunInfo) -> None:
        self.file = run.name

    def close(self) -> None:
        assert self.file


class Interrupted(Quiet):
    """Expects an end once it has begun."""

    begun = ended = False

    def run_started(self, run: RunInfo) -> None:
        self.begun = True

    def run_finished(self, report: Any) -> None:
        self.ended = True

    def close(self) -> None:
        assert self.ended or not self.begun


class Rounding(Quiet):
    def epoch_finished(self, facts: Any) -> None:
        facts["loss"] = round(facts["loss"])


class Taking(Quiet):
    def run_finished(self, report: Any) -> None:
        report["t2v"].pop("R@1")


class Stepping(Quiet):
    """Answers after each step."""

    def __init__(self, answer: Any = None, spoil: bool = False) -> None:
        self.answer, self.spoil = answer, spoil

    def step_finished(self, step: StepInfo) -> Any:
        if self.spoil:
            dict.clear(step.losses)  # type: ignore[arg-type]
        return self.answer if step.losses or self.spoil else 1 / 0


class Drawing(Quiet):
    def __init__(self, draw: Any) -> None:
        self.draw = draw

    def progressed(self, what: str, done: int, total: int) -> None:
        self.draw()


class Silent:
    """Has no event but one."""

    def progressed(self, what: str, done: int, total: int) -> None: ...


@pytest.mark.parametrize(
    ("observer", "words"),
    [
        (Silent(), r"lacks run_started\(\), epoch_finished\(\), run_finished\(\)"),
        (WithoutFolder(), r"run_started\(RunInfo\(.*folder=None.* raised AssertionError"),
        (Resumed(), r"past=\(.* raised ValueError: cannot go on"),
        (Evaluated(), r"steps=0.* raised ZeroDivisionError"),
        (Validated(), r"epoch_finished\({...}\) raised KeyError"),
        (Closing(), r"close\(\) raised AttributeError"),
        (Interrupted(), r"close\(\) raised AssertionError"),
        (Rounding(), "epoch_finished changed what it was given"),
        (Taking(), "run_finished changed what it was given"),
        (Stepping("stop"), "step_finished gave 'stop'; wanted True to stop the run, or nothing"),
        (Stepping(None, True), "step_finished changed what it was given"),
        (Drawing(lambda: torch.rand(1)), "drew from torch's generator"),
        (Drawing(lambda: np.random.random()), "drew from numpy's generator"),
        (Drawing(random.random), "drew from random's generator"),
    ],
)
def test_an_observer_that_breaks_a_law_is_rejected(observer: Any, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_observer(component(build=lambda options, shapes: type(observer)(*vars(observer).values())))


def test_the_parts_above_break_nothing_else() -> None:
    for made in (Quiet, Stepping, partial(Stepping, True)):
        check_observer(component(build=lambda options, shapes, made=made: made()))
