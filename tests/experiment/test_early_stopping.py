"""Early stopping: when it ends a training, what the run says of it, and that a resumed run ends at the same epoch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from fdakit.errors import RecipeError
from fdakit.experiment.checkpoint_evaluation import evaluate_checkpoint
from fdakit.experiment.early_stopping import early_stop
from fdakit.experiment.model_selection import ModelSelection
from fdakit.experiment.run import run_recipe
from fdakit.experiment.training_run import Interrupted
from fdakit.inference.checkpoint import Checkpoint
from fdakit.recipe.recipe import Recipe
from fdakit.report.evaluation_report import BothMetrics

MakeRecipe = Callable[..., Recipe]
Epochs = list[dict[str, float]]
WHY = "stopped early after epoch 4: 2 validations without a better R@1 text to video than the 50.0 of epoch 2"


def epochs_of(*recalls: float | None) -> Epochs:
    """The history of a training of ten steps an epoch; None where it was not validated."""
    found: Epochs = [{"epoch": float(number), "step": 10.0 * number} for number, _ in enumerate(recalls, 1)]
    for epoch, recall in zip(found, recalls, strict=True):
        if recall is not None:
            epoch["val_t2v_R@1"] = recall
    return found


def test_it_says_after_which_epoch_and_since_when() -> None:
    assert early_stop(epochs_of(40, 50, 50, 30), patience=2, steps=90) == WHY
    one = early_stop(epochs_of(40, 30), patience=1, steps=90)
    assert one.startswith(
        "stopped early after epoch 2: 1 validation without a better R@1 text to video than the 40.0"
    )


@pytest.mark.parametrize(
    ("epochs", "patience", "steps"),
    [
        ([], 1, 90),
        (epochs_of(None, None), 1, 90),
        (epochs_of(50, 40, 30, 20), 0, 90),  # no patience was set
        (epochs_of(50, 40, 30), 3, 90),
        (epochs_of(50, 40, 51), 2, 90),  # a better one starts the count anew
        (epochs_of(50, None, None, 40, None), 2, 90),  # validations count, not epochs
        (epochs_of(50, 40, 30), 2, 30),  # at its end anyway
    ],
)
def test_a_training_goes_on(epochs: Epochs, patience: int, steps: int) -> None:
    assert early_stop(epochs, patience=patience, steps=steps) == ""


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.integers(1, 4))
def test_it_ends_where_counting_by_hand_ends(recalls: list[int], patience: int) -> None:
    best, waited, ends = -1, 0, []
    for recall in recalls:
        best, waited = (recall, 0) if recall > best else (best, waited + 1)
        ends.append(waited >= patience)
    found = [bool(early_stop(epochs_of(*recalls[:n]), patience=patience, steps=999)) for n in range(1, len(ends) + 1)]
    assert found == ends


def test_a_data_set_without_validation_is_refused(make_recipe: MakeRecipe, manifest: Path, tmp_path: Path) -> None:
    path = manifest.with_name("unvalidated.csv")
    path.write_text("".join(line for line in manifest.open() if not line.endswith(",val\n")))
    recipe = make_recipe(train={"patience": 2}, dataset={"path": str(path)})
    with pytest.raises(RecipeError, match=r"train\.patience: found 2, but dataset 'manifest' has no split 'val'"):
        run_recipe(recipe, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What validations still to come find as R@1: 40, 50, 50, 30, and then 60, whatever the weights."""
    measure, coming = ModelSelection.measure, [40.0, 50.0, 50.0, 30.0, 60.0, 60.0]

    def stated(self: ModelSelection, retriever: Any) -> BothMetrics | None:
        found = measure(self, retriever)
        assert found is not None
        return found.model_copy(update={"t2v": {**found.t2v, "R@1": coming.pop(0)}})

    monkeypatch.setattr(ModelSelection, "measure", stated)
    return coming


@pytest.fixture
def patient(make_recipe: MakeRecipe) -> Recipe:
    return make_recipe(train={"epochs": 6, "patience": 2}, observer=[{"use": "jsonl"}])


def events(run: Path) -> Iterator[Mapping[str, Any]]:
    """The epochs and the end of a run as its log tells them, without times."""
    for line in (run / "metrics.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event"] != "run_started":
            yield {key: value for key, value in event.items() if key != "seconds"}


@pytest.mark.integration
@pytest.mark.usefixtures("measured")
def test_a_run_ends_as_if_finished_and_report_and_log_say_why(patient: Recipe, tmp_path: Path) -> None:
    report = run_recipe(patient, out=tmp_path / "run").report.to_json()
    *_, last, finished = events(tmp_path / "run")
    assert last["epoch"] == 4
    assert report["stopped_early"] == finished["stopped_early"] == WHY
    assert report["provenance"]["epoch"] == 2  # the best one
    assert f"- training {WHY}\n" in (tmp_path / "run" / "report.md").read_text()
    assert evaluate_checkpoint(patient, tmp_path / "run").report.to_json() == report


@pytest.mark.integration
@pytest.mark.parametrize("stop", [10, 12])  # within the fourth epoch of three steps, and at its end
def test_a_resumed_run_keeps_the_count(
    make_recipe: MakeRecipe, measured: list[float], tmp_path: Path, stop: int
) -> None:
    recalls = list(measured)
    train, log = {"epochs": 6, "patience": 2}, {"use": "jsonl"}
    patient = make_recipe(train=train, observer=[log])
    whole = run_recipe(patient, out=tmp_path / "whole").report.to_json()
    measured[:] = recalls
    pressing = {"use": "watching", "step": stop, "file": str(tmp_path / "heard")}
    with pytest.raises(Interrupted, match=f"after step {stop} of 18"):
        run_recipe(make_recipe(train=train, observer=[pressing, log]), out=tmp_path / "run")
    assert run_recipe(patient, resume=tmp_path / "run").report.to_json() == whole
    assert list(events(tmp_path / "run")) == list(events(tmp_path / "whole"))


@pytest.mark.integration
def test_with_more_patience_a_run_that_was_stopped_goes_on(
    make_recipe: MakeRecipe, measured: list[float], tmp_path: Path
) -> None:
    run_recipe(make_recipe(train={"epochs": 6, "patience": 2}), out=tmp_path / "run")
    assert Checkpoint.open(tmp_path / "run").info.stopped_early
    measured[:] = [45.0, 45.0]
    longer = make_recipe(train={"epochs": 6, "patience": 5})
    report = run_recipe(longer, resume=tmp_path / "run", allowed=("recipe",)).report.to_json()
    assert (report["provenance"]["epoch"], measured, "stopped_early" in report) == (2, [], False)


@pytest.mark.integration
def test_whether_anything_was_learnt_is_judged_where_a_training_is_stopped(
    make_recipe: MakeRecipe, measured: list[float], tmp_path: Path
) -> None:
    dark = {"mean": [40.0] * 3, "std": [20.0] * 3}
    more = {"view": dark, "mask": {"use": "whole-frame"}}
    train = {"epochs": 6, "learning_rate": 1e-4, "warmup": 0.9}  # the warm-up takes the first five
    with pytest.warns(UserWarning, match="after epoch 4 this training has learnt nothing") as caught:
        report = run_recipe(make_recipe(train={**train, "patience": 2}, **more), out=tmp_path / "run").report
    assert [str(one.message) for one in caught if "learnt" in str(one.message)] == [report.finding]
    infos = [Checkpoint.open(tmp_path / "run" / "checkpoints" / name).info for name in ("best", "last")]
    assert [info.finding for info in infos] == [report.finding] * 2
    measured[:] = [45.0, 45.0]
    longer = make_recipe(train={**train, "patience": 5}, **more)
    with pytest.warns(UserWarning, match="after epoch 6 this training has learnt nothing"):
        again = run_recipe(longer, resume=tmp_path / "run", allowed=("recipe",)).report
    assert again.finding.startswith("after epoch 6")
