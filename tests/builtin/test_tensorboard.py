"""`tensorboard`: what its event file holds, read back by TensorBoard itself."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fdakit.builtin.observers import tensorboard as module
from fdakit.builtin.observers.tensorboard import TENSORBOARD
from fdakit.plugin import MaskedExample, PluginError, RunInfo, StepInfo
from fdakit.testing.building import build_part
from fdakit.testing.watching import check_observer


@pytest.fixture(autouse=True)
def library(request: pytest.FixtureRequest) -> None:
    if "missing" not in request.node.name:
        pytest.importorskip("tensorboard")


FRAMES = np.full((3, 8, 6, 3), 200, np.uint8)
ALPHA = np.zeros((3, 8, 6), np.float32)
ALPHA[:, :4] = 1.0
EPOCH = {"epoch": 1, "step": 20, "loss": 3.25, "seconds": 1.5, "learning_rate": 1e-3, "val_t2v_R@1": 50.0}


def info(folder: Path | None) -> RunInfo:
    run = RunInfo("trial", folder, seed=7, epochs=2, steps=40, parameters=9, device="cpu")
    return replace(
        run, examples=lambda count: [MaskedExample(f"v{k}", f"a {k}", FRAMES, ALPHA) for k in range(count)]
    )


def step(number: int, loss: float, **more: Any) -> StepInfo:
    return StepInfo(number, 40, 1, loss, {"a.one": loss / 2}, 1e-3 * number, 16, **more)


def written(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), purge_orphaned_data=True)
    found.Reload()
    return found


def scalars(found: Any, name: str) -> list[tuple[int, float]]:
    return [(event.step, round(event.value, 5)) for event in found.Scalars(name)]


def test_losses_rates_metrics_and_masks_are_read_back(tmp_path: Path) -> None:
    watching = build_part(TENSORBOARD, every=0.0, clips=2)
    watching.run_started(info(tmp_path))
    watching.step_finished(step(1, 4.0, seconds=2.0, waited=1.0, clips=16, scale=14.0, memory=2_000_000_000))
    watching.step_finished(step(2, 3.0, seconds=3.0, waited=1.25, clips=32, scale=14.5))
    watching.epoch_finished(EPOCH)
    watching.run_finished({"t2v": {"R@1": 12.5}, "v2t": {"R@1": 25.0}})
    watching.close()
    found = written(tmp_path / "tensorboard")
    assert scalars(found, "loss") == [(1, 4.0), (2, 3.0)]
    assert scalars(found, "loss/a.one") == [(1, 2.0), (2, 1.5)]
    assert scalars(found, "learning_rate") == [(1, 0.001), (2, 0.002)]
    assert scalars(found, "scale") == [(1, 14.0), (2, 14.5)]
    assert scalars(found, "pace/clips a second") == [(1, 8.0), (2, 16.0)]
    assert scalars(found, "pace/share waiting for data") == [(1, 0.5), (2, 0.25)]
    assert scalars(found, "validation/t2v_R@1") == [(20, 50.0)]
    assert scalars(found, "epoch/loss") == [(20, 3.25)]
    assert scalars(found, "report/v2t_R@1") == [(2, 25.0)]
    assert sorted(found.Tags()["images"]) == ["masks/v0", "masks/v1"]
    (event,) = found.Images("masks/v0")
    picture = np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))
    assert picture.shape == (16, 18, 3)
    assert (picture[:12] == 200).all() and (picture[12:] == 50).all()


def test_steps_that_come_again_after_a_kill_are_there_once(tmp_path: Path) -> None:
    for first, last in ((1, 4), (3, 5)):  # killed after step 4, resumed from the checkpoint of step 2
        watching = build_part(TENSORBOARD, every=0.0, clips=0)
        watching.run_started(info(tmp_path))
        for number in range(first, last + 1):
            watching.step_finished(step(number, float(10 * first + number)))
        watching.close()
    assert scalars(written(tmp_path / "tensorboard"), "loss") == [(1, 11), (2, 12), (3, 33), (4, 34), (5, 35)]


def test_it_obeys_the_laws_and_writes_nothing_without_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check_observer(TENSORBOARD)
    watching = build_part(TENSORBOARD)
    watching.run_started(info(None))
    watching.step_finished(step(1, 4.0))
    watching.close()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r'TensorBoard is not installed; pip install "fdakit\[tensorboard\]"'):
        build_part(TENSORBOARD)
