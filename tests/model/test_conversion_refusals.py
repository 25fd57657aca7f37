"""`fdakit weights convert` loses no tensor and tells what safetensors cannot hold."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fdakit import CheckpointError
from fdakit.model.weight_conversion import convert_weights

TOWER = {
    "visual.conv1.weight": torch.zeros(64, 3, 16, 16),
    "visual.class_embedding": torch.zeros(64),
    "visual.proj": torch.ones(64, 64),
    "logit_scale": torch.zeros(()),
}
CONVOLUTION = "fusion.convolutions"


def converted(folder: Path, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    torch.save(state, folder / "in.pt")
    convert_weights(folder / "in.pt", folder / "out.safetensors")
    return load_file(folder / "out.safetensors")


@pytest.mark.parametrize(
    "tied",
    [lambda value: value, lambda value: value.view(64, 64), lambda value: value.view(-1), lambda value: value.T],
    ids=["same", "view", "flat", "transposed"],
)
def test_tied_weights_are_written_apart(tmp_path: Path, tied: Callable[[torch.Tensor], torch.Tensor]) -> None:
    shared = torch.arange(4096.0).reshape(64, 64)
    found = converted(tmp_path, {**TOWER, "visual.proj": shared, "text_projection": tied(shared)})
    assert torch.equal(found["visual.proj"], shared)
    assert torch.equal(found["text_projection"], tied(shared))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"visual.q": torch.zeros(1, dtype=torch.complex128)}, r"'visual\.q' is complex128, which safetensors does"),
        ({"visual.\ud800": torch.zeros(1)}, r"names a tensor 'visual\.\\ud800', which is no text"),
        ({"__metadata__": torch.zeros(1)}, "names a tensor '__metadata__'"),
        (
            {"visual.a.attn.in_proj.weight": torch.zeros(1), "visual.a.attn.in_proj_weight": torch.ones(1)},
            r"'visual\.a\.attn\.in_proj\.weight' and 'visual\.a\.attn\.in_proj_weight' are two names",
        ),
        ({"clip.visual.proj": torch.ones(1)}, r"two of its tensors.+'visual\.proj'"),
    ],
    ids=["type", "text", "reserved", "renamed", "prefix"],
)
def test_what_would_be_lost_or_cannot_be_held_is_named(
    tmp_path: Path, more: dict[str, torch.Tensor], said: str
) -> None:
    with pytest.raises(CheckpointError, match=rf"/in\.pt: .*{said}.*; "):
        converted(tmp_path, {**TOWER, **more})
    assert not (tmp_path / "out.safetensors").exists()


def test_a_path_of_several_convolutions_is_not_cut_to_one(tmp_path: Path) -> None:
    state = {f"encoder.clip.{name}": value for name, value in TOWER.items()}
    state |= {f"{CONVOLUTION}.{place}.weight": torch.ones(1) for place in range(2)}
    with pytest.raises(CheckpointError, match="alpha path has 2 convolutions"):
        converted(tmp_path, state)


def test_names_with_and_without_a_prefix_are_both_kept(tmp_path: Path) -> None:
    both = {"conv1.weight": torch.ones(1), "visual.conv1.weight": torch.ones(2), "class_embedding": torch.ones(1)}
    with pytest.raises(CheckpointError, match=r"not the weights of a CLIP \(class_embedding, conv1\.weight, visual"):
        converted(tmp_path, both)


def test_a_converted_file_may_be_read_by_whom_other_files_may(tmp_path: Path) -> None:
    converted(tmp_path, TOWER)
    (tmp_path / "other").write_text("")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("other", "out.safetensors")}
    assert len(modes) == 1
