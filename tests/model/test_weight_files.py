"""Weights files: both forms, every kind of damage in words, and the layout of Alpha-CLIP's published towers."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fdakit import CheckpointError
from fdakit.builtin.fusions.alpha_conv import ALPHA_CONV
from fdakit.model import ClipEncoder, read_clip_weights
from fdakit.model.weight_files import load_strictly, read_weights
from fdakit.testing.building import build_part

pytestmark = pytest.mark.integration

State = dict[str, torch.Tensor]
STATE = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.tensor([1.5, -2.0])}


def write(path: Path, state: Any, *, zipped: bool = True) -> Path:
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=zipped)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("w.safetensors", STATE),
        ("w.pth", STATE),
        ("w.bin", {"state_dict": STATE, "epoch": 3}),
        ("w.pt", {"model": STATE}),
    ],
)
def test_both_forms_and_the_usual_wrappings_are_read(tmp_path: Path, name: str, content: Any) -> None:
    found = read_weights(write(tmp_path / name, content))
    assert list(found) == list(STATE)
    assert all(torch.equal(found[key], STATE[key]) for key in STATE)


def test_absent_file_and_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"gone\.pth: no such weights file"):
        read_weights(tmp_path / "gone.pth")
    with pytest.raises(CheckpointError, match="a folder; name the weights file inside it"):
        read_weights(tmp_path)


@pytest.mark.parametrize(("name", "zipped"), [("w.safetensors", True), ("w.pth", True), ("w.pth", False)])
def test_a_file_cut_anywhere_is_an_error_in_words(tmp_path: Path, name: str, zipped: bool) -> None:
    whole = write(tmp_path / name, STATE, zipped=zipped).read_bytes()
    for length in {0, 1, 7, 64, *range(0, len(whole), max(1, len(whole) // 40)), len(whole) - 1}:
        (tmp_path / name).write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=name):
            read_weights(tmp_path / name)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "zipped"), [("w.safetensors", True), ("w.pth", True), ("w.pth", False)])
def test_a_file_damaged_anywhere_is_read_or_refused_in_words(tmp_path: Path, name: str, zipped: bool) -> None:
    whole = write(tmp_path / name, STATE, zipped=zipped).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] = rng.integers(256)
        (tmp_path / name).write_bytes(damaged)
        try:
            assert all(isinstance(value, torch.Tensor) for value in read_weights(tmp_path / name).values())
        except CheckpointError as error:
            assert name in str(error)


def test_a_file_that_is_something_else_is_an_error_in_words(tmp_path: Path) -> None:
    for content in (
        b"<html>404 not found</html>",
        b"\x00" * 100,
        b"PK\x03\x04 not really",
        np.random.default_rng(0).bytes(300),
    ):
        (tmp_path / "w.pth").write_bytes(content)
        with pytest.raises(CheckpointError, match=r"w\.pth"):
            read_weights(tmp_path / "w.pth")


def test_a_file_without_tensors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no tensors"):
        read_weights(write(tmp_path / "w.pth", {"epoch": 3}))


class Mischief:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("how", ["zip", "legacy", "bare"])
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path: Path, how: str) -> None:
    content = {"extra": Mischief(tmp_path / "made")}
    if how == "bare":
        (tmp_path / "w.pth").write_bytes(pickle.dumps(content, protocol=2))
    else:
        write(tmp_path / "w.pth", content, zipped=how == "zip")
    with pytest.raises(CheckpointError, match=r"it asks for \w+\.mkdir.*runs no code from files"):
        read_weights(tmp_path / "w.pth")
    assert not (tmp_path / "made").exists()


@pytest.fixture
def encoder(make_encoder: Callable[..., ClipEncoder]) -> ClipEncoder:
    return make_encoder("vit")


def load_visual(encoder: ClipEncoder, path: Path) -> None:
    encoder.load(read_clip_weights(path).visual_part(), where=path)


def visual_state(encoder: ClipEncoder) -> State:
    visual: Any = encoder.clip.visual
    return {name: value.clone() for name, value in visual.state_dict().items()}


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda s: s.pop("proj"), "missing proj"),
        (lambda s: s.update(extra=torch.zeros(1)), "unexpected extra"),
        (lambda s: s.update(proj=torch.zeros(64, 31)), r"proj is \(64, 31\), wanted \(64, 32\)"),
    ],
)
def test_another_architecture_is_named_and_nothing_is_loaded(
    tmp_path: Path, encoder: ClipEncoder, damage: Callable[[State], Any], words: str
) -> None:
    before = visual_state(encoder)
    state = {name: value + 1 for name, value in before.items()}
    damage(state)
    state["conv1_alpha.weight"] = torch.ones(64, 1, 8, 8)
    with pytest.raises(CheckpointError, match=words):
        load_visual(encoder, write(tmp_path / "w.pth", state))
    after = visual_state(encoder)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert encoder.alpha_weights == ()


def test_many_faults_are_counted_rather_than_listed(tmp_path: Path, encoder: ClipEncoder) -> None:
    state = visual_state(encoder)
    strange = {f"strange.{k}": torch.zeros(1) for k in range(9)}
    with pytest.raises(CheckpointError, match=r"unexpected strange\.3; and 5 more"):
        load_strictly(encoder.clip.visual, {**state, **strange}, where=tmp_path)


def alpha_clip_layout(state: State, prefix: str) -> State:
    """The published layout: attention's input projection as a linear layer, and the alpha convolution."""
    renamed = {name.replace("attn.in_proj_", "attn.in_proj."): value for name, value in state.items()}
    renamed["conv1_alpha.weight"] = torch.linspace(-1, 1, 64 * 64).view(64, 1, 8, 8)
    return {prefix + name: value for name, value in renamed.items()}


@pytest.mark.parametrize("prefix", ["", "module.", "visual.", "module.visual."])
@pytest.mark.parametrize("name", ["tower.pth", "tower.safetensors"])
def test_an_alpha_clip_tower_fills_encoder_and_fusion(
    tmp_path: Path, encoder: ClipEncoder, prefix: str, name: str
) -> None:
    state = {key: value + 0.25 for key, value in visual_state(encoder).items()}
    written = alpha_clip_layout(state, prefix)
    assert f"{prefix}transformer.resblocks.0.attn.in_proj.weight" in written
    load_visual(encoder, write(tmp_path / name, written))
    assert all(torch.equal(value, state[key]) for key, value in visual_state(encoder).items())
    fusion = build_part(ALPHA_CONV, encoder.shapes)
    fusion.start_from(encoder)
    (weight,) = fusion.parameters()
    assert torch.equal(weight, written[f"{prefix}conv1_alpha.weight"])


def test_alpha_weights_of_another_patch_size_are_refused(encoder: ClipEncoder) -> None:
    fusion = build_part(ALPHA_CONV, encoder.shapes)
    encoder.alpha_weights = (torch.ones(64, 1, 16, 16),)
    with pytest.raises(CheckpointError, match=r"\(64, 1, 16, 16\); this stem needs \(64, 1, 8, 8\)"):
        fusion.start_from(encoder)
    assert all((weight == 0).all() for weight in fusion.parameters())


def test_alpha_weights_outlive_a_later_load_without_alpha(tmp_path: Path, encoder: ClipEncoder) -> None:
    state = visual_state(encoder)
    written = alpha_clip_layout(state, "")
    load_visual(encoder, write(tmp_path / "alpha.pth", written))
    load_visual(encoder, write(tmp_path / "plain.pth", {name: value + 1 for name, value in state.items()}))
    (kept,) = encoder.alpha_weights
    assert torch.equal(kept, written["conv1_alpha.weight"])
    other = {**written, "conv1_alpha.weight": written["conv1_alpha.weight"] + 1}
    load_visual(encoder, write(tmp_path / "other.pth", other))
    assert torch.equal(encoder.alpha_weights[0], other["conv1_alpha.weight"])


def test_a_plain_tower_leaves_the_fusion_at_zero(tmp_path: Path, encoder: ClipEncoder) -> None:
    load_visual(encoder, write(tmp_path / "plain.pth", visual_state(encoder)))
    fusion = build_part(ALPHA_CONV, encoder.shapes)
    fusion.start_from(encoder)
    assert all((weight == 0).all() for weight in fusion.parameters())
