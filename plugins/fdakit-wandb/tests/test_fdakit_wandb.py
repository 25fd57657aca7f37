"""A run followed in W&B's offline mode, and read back from its file."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fdakit_wandb
import numpy as np
import pytest
from fdakit_wandb import WANDB

from fdakit.plugin import MaskedExample, PluginError, RunInfo, StepInfo
from fdakit.testing.building import build_part

needs_wandb = pytest.mark.skipif(not find_spec("wandb"), reason="wandb is not installed")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")


def info(folder: Path | None) -> RunInfo:
    example = MaskedExample("v", "a shape", np.full((2, 8, 8, 3), 90, np.uint8), np.ones((2, 8, 8), np.float32))
    run = RunInfo("trial", folder, seed=7, epochs=1, steps=2, parameters=9, device="cpu")
    return replace(run, examples=lambda count: [example])


def logged(folder: Path) -> Iterator[dict[str, Any]]:
    """What was logged, a step a dictionary, from the file of the offline run."""
    import wandb
    from wandb.proto.wandb_internal_pb2 import Record

    wandb.teardown()  # its process writes on after a run has finished
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    for data in records(path.read_bytes()):
        record = Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            yield {one.key or "/".join(one.nested_key): json.loads(one.value_json) for one in record.history.item}


def records(content: bytes) -> Iterator[bytes]:
    """The records of a LevelDB log after W&B's header: blocks of 32 KB, each piece with checksum, length and kind."""
    place, whole, block, header = 7, b"", 32768, 7
    while place + header <= len(content):
        if block - place % block < header:
            place += block - place % block
            continue
        _, length, kind = struct.unpack_from("<IHB", content, place)
        whole += content[place + header : place + header + length]
        place += header + length
        if kind in (1, 4):  # a whole record, or its last piece
            yield whole
            whole = b""


@needs_wandb
def test_an_offline_run_holds_losses_validation_and_masks(tmp_path: Path) -> None:
    watching = build_part(WANDB, every=0.0)
    watching.run_started(info(tmp_path))
    for number, loss in ((1, 4.0), (2, 3.0)):
        watching.step_finished(
            StepInfo(number, 2, 1, loss, {"a.one": loss}, 1e-3, 16, seconds=number, clips=16 * number)
        )
    watching.epoch_finished({"epoch": 1, "step": 2, "loss": 3.5, "val_t2v_R@1": 50.0})
    watching.run_finished({"t2v": {"R@1": 12.5}, "v2t": {"R@1": 25.0}})
    watching.close()
    rows = list(logged(tmp_path))
    losses = {row["_step"]: row["loss"] for row in rows if "loss" in row}
    assert losses == {1: 4.0, 2: 3.0}
    assert [row["clips_a_second"] for row in rows if "clips_a_second" in row] == [16.0, 16.0]
    assert [row["epoch/val_t2v_R@1"] for row in rows if "epoch/val_t2v_R@1" in row] == [50.0]
    assert any(name.partition("/")[0] == "masks" for row in rows for name in row)
    assert len((tmp_path / "wandb-id.txt").read_text()) == 8


@needs_wandb
def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    watching = build_part(WANDB)
    watching.run_started(info(None))
    watching.close()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fdakit_wandb, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match="wandb is not installed; pip install wandb"):
        build_part(WANDB)
