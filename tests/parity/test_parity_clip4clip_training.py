"""Parity of `plugins/fdakit-clip4clip` with CLIP4Clip: which frames it looks at, and the steps of its optimiser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.parity import cases, fixtures
from helpers.shipped import beside
from safetensors.torch import load_file

from fdakit.plugin import BuildContext, VideoError
from fdakit.settings import TrainSettings
from fdakit.testing.building import build_part
from fdakit.training.optimisation.grouped_optimiser import GroupedOptimiser
from fdakit.training.optimisation.schedule import Schedule

PACKAGE: Any = beside("fdakit-clip4clip")
CHOICES = ("head", "tail", "uniform")  # slice_framepos 0, 1, 2
CHOSEN = [
    (path, found)
    for path in sorted(fixtures("clip4clip").glob("*/*.json"))
    if "uniform_and_slices" in (found := json.loads(path.read_text()))
]
METAS = {case: json.loads((case / "meta.json").read_text()) for case in cases("clip4clip")}
OPTIMISERS = [case for case, meta in METAS.items() if "t_total" in meta.get("config", {})]


def test_parity_clip4clip_fixtures_of_training_are_there() -> None:
    assert CHOSEN, f"{fixtures('clip4clip')} holds no choice of frames"
    assert OPTIMISERS, f"{fixtures('clip4clip')} holds no steps of an optimiser"


def chosen(known: dict[str, Any], *, rate: str) -> list[int]:
    """The frames that the sampler chooses, with the options of a row of the fixture."""
    most = known["max_frames"]
    sampler = build_part(
        PACKAGE.CLIP4CLIP,
        train_frames=most,
        eval_frames=most,
        per_second=known.get("frames_per_second", 1),
        choice=CHOICES[known["slice_framepos"]],
        rate=rate,
    )
    times = np.arange(known["frames"]) / known["fps"]
    found = [sampler(known["frames"], times, training, np.random.default_rng(0)) for training in (False, True)]
    assert found[0].tolist() == found[1].tolist()
    return list(found[0].tolist())


@pytest.mark.parametrize(("path", "known"), CHOSEN, ids=[path.parent.name for path, _ in CHOSEN])
def test_parity_clip4clip_frames(path: Path, known: dict[str, Any]) -> None:
    for row in known["uniform_and_slices"]:
        assert chosen(row, rate="whole") == row["picked"], row
        assert len(PACKAGE.frames.reference_frames(row["frames"], row["fps"])) == row["one_per_second"], row
    for row in known.get("rates", ()):
        per_second = row["frames_per_second"]
        found = PACKAGE.frames.reference_frames(row["frames"], row["fps"], per_second=per_second)
        assert found.tolist() == row["before_slicing"], row
        assert chosen(row, rate="whole") == row["picked"], row


@pytest.mark.parametrize(("path", "known"), CHOSEN, ids=[path.parent.name for path, _ in CHOSEN])
def test_parity_clip4clip_frames_of_windows(path: Path, known: dict[str, Any]) -> None:
    for row in known.get("windows", ()):
        window = {"start": row["start_second"], "end": row["end_second"]}
        found = PACKAGE.frames.reference_frames(row["frames"], row["fps"], **window)
        assert found.tolist() == row["before_slicing"], row
        picked = PACKAGE.frames.sliced(found, row["max_frames"], CHOICES[row["slice_framepos"]])
        assert picked.tolist() == row["picked"], row


@pytest.mark.parametrize(("path", "known"), CHOSEN, ids=[path.parent.name for path, _ in CHOSEN])
def test_parity_clip4clip_where_the_reference_fails_its_rule_says_so(path: Path, known: dict[str, Any]) -> None:
    for row in known.get("odd_inputs", ()):
        if "error" in row:
            with pytest.raises(VideoError, match=r'set sampler\.rate = "times"'):
                PACKAGE.frames.reference_frames(row["frames"], row["fps"])
        else:
            assert PACKAGE.frames.reference_frames(row["frames"], row["fps"]).tolist() == row["result"]


@pytest.mark.parametrize(("path", "known"), CHOSEN, ids=[path.parent.name for path, _ in CHOSEN])
def test_parity_clip4clip_at_whole_rates_the_rule_by_time_chooses_the_same(path: Path, known: dict[str, Any]) -> None:
    whole = [row for row in known["uniform_and_slices"] if row["fps"] == int(row["fps"])]
    assert whole
    for row in whole:
        assert chosen(row, rate="times") == row["picked"], row


@pytest.mark.parametrize("case", OPTIMISERS, ids=[case.name for case in OPTIMISERS])
def test_parity_clip4clip_steps_of_the_optimiser(case: Path) -> None:
    meta = METAS[case]
    config, rule = meta["config"], meta["tolerance"]
    tensors: dict[str, torch.Tensor] = {}
    for file in sorted(case.glob("*.safetensors")):
        tensors |= load_file(file)
    assert config["schedule"] == "warmup_cosine"
    weights = {name: tensors[f"{name}.start"].clone().requires_grad_() for name in config["groups"]}
    decay = max(group["weight_decay"] for group in config["groups"].values())
    assert {group["weight_decay"] for group in config["groups"].values()} <= {0.0, decay}
    factory = build_part(
        PACKAGE.BERT_ADAM,
        BuildContext(),
        beta1=config["b1"],
        beta2=config["b2"],
        eps=config["e"],
        weight_decay=decay,
        tensor_norm=config["max_grad_norm"],
    )
    groups = [
        {"params": [weights[name]], "name": name, "lr": group["lr"], "decays": group["weight_decay"] > 0}
        for name, group in config["groups"].items()
    ]
    optimiser = GroupedOptimiser(factory(groups), label="optimiser 'bert-adam'")
    factor = Schedule(TrainSettings(schedule="bert-cosine", warmup=config["warmup"]), steps=config["t_total"])
    for step in range(config["steps"]):
        optimiser.begin(factor(step))
        if step:  # before that the reference tells of no group
            rates = [group["lr"] for group in optimiser.groups]
            np.testing.assert_allclose(rates, meta["lr"][step], rtol=1e-6)
        for number, weight in enumerate(weights.values()):
            weight.grad = tensors[f"step{step}.grad{number}"].clone()
        optimiser.step(clip_norm=0, where=f"at step {step}", loss=torch.zeros(()))
        for name, weight in weights.items():
            wanted = tensors[f"step{step}.{name}"]
            torch.testing.assert_close(weight.detach(), wanted, atol=rule["atol"], rtol=rule["rtol"])
