"""Laws of observers."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from fdakit.plugin.abilities import ObservesSteps
from fdakit.plugin.observers import RunInfo, StepInfo

from .building import Part, build_kind

EVENTS = ("run_started", "progressed", "epoch_finished", "run_finished")


def check_observer(component: Part, **options: Any) -> None:
    """Check that it bears every event of every run, changes nothing it is given and draws no random number.

    Runs with and without a folder, resumed, of evaluation alone, stopped before their end and before their start.
    """
    with TemporaryDirectory() as name:
        for run in _example_runs(Path(name)):
            _live(_built(component, **options), run)
            stopped = _built(component, **options)
            _tell(stopped, "run_started", run)
            _close(stopped)
        _close(_built(component, **options))


def _built(component: Part, **options: Any) -> Any:
    observer = build_kind("observer", component, **options)
    lacking = [f"{name}()" for name in EVENTS if not callable(getattr(observer, name, None))]
    assert not lacking, f"{type(observer).__name__} lacks {', '.join(lacking)}"
    return observer


def _example_runs(folder: Path) -> Iterator[RunInfo]:
    trained = RunInfo("trial", None, seed=7, epochs=2, steps=40, parameters=1234, device="cpu", trained=1000)
    yield trained
    for name, run in (("trained", trained), ("evaluated", replace(trained, epochs=0, steps=0, trained=0))):
        (folder / name).mkdir()
        yield replace(run, folder=folder / name)
    yield replace(trained, folder=folder / "trained", past=tuple(_example_epochs(trained)[:1]))


def _example_epochs(run: RunInfo) -> list[dict[str, float]]:
    plain = {"loss": 4.2, "learning_rate": 1e-3, "seconds": 1.5}
    validated = {f"val_{direction}_{name}": 25.0 for direction in ("t2v", "v2t") for name in ("R@1", "R@5", "MdR")}
    epochs = [{"epoch": n + 1, "step": (n + 1) * run.steps // 2, **plain} for n in range(run.epochs)]
    return [epoch | (validated if epoch["epoch"] == run.epochs else {}) for epoch in epochs]


def _example_report() -> dict[str, Any]:
    metrics = {"R@1": 12.5, "R@5": 37.5, "R@10": 50.0, "R@50": 100.0, "MdR": 10.5, "MnR": 14.25}
    return {"name": "trial", "seed": 7, "t2v": dict(metrics), "v2t": dict(metrics), "videos": {"counted": 40}}


def _live(observer: Any, run: RunInfo) -> None:
    """Lead an observer through a whole run."""
    _tell(observer, "run_started", run)
    for epoch in _example_epochs(run):
        for done in range(int(epoch["step"]) - 1, int(epoch["step"]) + 1):
            _step(observer, run, done, epoch)
            _tell(observer, "progressed", "training", done, run.steps)
        _tell(observer, "epoch_finished", epoch)
    _tell(observer, "progressed", "encoding", 1, 1)
    _tell(observer, "run_finished", _example_report())
    _close(observer)


def _step(observer: Any, run: RunInfo, done: int, epoch: Mapping[str, float]) -> None:
    if isinstance(observer, ObservesSteps):
        losses = {"symmetric-contrastive.contrastive": epoch["loss"]}
        known = StepInfo(
            done, run.steps, int(epoch["epoch"]), epoch["loss"], losses, epoch["learning_rate"], pairs=16
        )
        step = replace(known, seconds=done / 4, waited=done / 40, clips=16 * done, memory=10**9, scale=14.3)
        answer = _tell(observer, "step_finished", step)
        told = answer is None or isinstance(answer, bool)
        assert told, f"step_finished gave {answer!r}; wanted True to stop the run, or nothing"


def _close(observer: Any) -> None:
    if hasattr(observer, "close"):
        _tell(observer, "close")


def _tell(observer: Any, event: str, *facts: Any) -> Any:
    kept, drawn = copy.deepcopy(facts), _generators()
    try:
        answer = getattr(observer, event)(*facts)
    except Exception as error:
        raise AssertionError(f"{event}{_worded(facts)} raised {type(error).__name__}: {error}") from error
    assert facts == kept, f"{event} changed what it was given"
    for name, state in _generators().items():
        assert state == drawn[name], f"{event} drew from {name}'s generator, which the training draws from"
    return answer


def _worded(facts: tuple[Any, ...]) -> str:
    return f"({', '.join('{...}' if isinstance(one, Mapping) else repr(one) for one in facts)})"


def _generators() -> Mapping[str, Any]:
    """Return the states of the generators that all code of a process shares."""
    import torch

    states: Mapping[str, Callable[[], Any]] = {
        "torch": lambda: torch.get_rng_state().tolist(),
        "numpy": lambda: [one.tolist() if isinstance(one, np.ndarray) else one for one in np.random.get_state()],
        "random": random.getstate,
    }
    return {name: state() for name, state in states.items()}
