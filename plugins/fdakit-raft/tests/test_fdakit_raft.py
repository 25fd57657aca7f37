"""The laws of a mask, and errors where weights are missing; the network has random weights, so it finds nothing."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fdakit_raft import RAFT, Raft, RaftOptions, build, network_size
from numpy.typing import NDArray

from fdakit.plugin import BuildContext, CheckpointError, ClipBatch, PluginError
from fdakit.testing.building import build_part
from fdakit.testing.masks import check_mask

needs_torchvision = pytest.mark.skipif(not find_spec("torchvision"), reason="torchvision is not installed")
QUICK = {"updates": 1, "working_size": 128}


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of raft_small."""
    if not find_spec("torchvision"):
        pytest.skip("torchvision is not installed")
    import torch
    from safetensors.torch import save_file
    from torchvision.models.optical_flow import raft_small

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("raft") / "small.safetensors"
    save_file(raft_small(weights=None).state_dict(), path)
    return path


def batch_of(frames: Any, near: Mapping[int, Any]) -> ClipBatch:
    """Return one clip with its neighbours, torch `(t, 3, h, w)`, as a mask on the device sees it."""
    import torch

    valid = torch.ones(1, len(frames), dtype=torch.bool)
    times = torch.arange(len(frames))[None] / 25
    return ClipBatch(frames[None], valid, times, neighbours={gap: one[None] for gap, one in near.items()})


def clip_of(frames: NDArray[np.uint8], gap: int = 2) -> ClipBatch:
    """Return the middle frames of a film `(n, h, w, 3)`, with their neighbours, as a mask on the device sees them."""
    import torch

    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2)
    count = len(frames) - 2 * gap
    return batch_of(pictures[gap : gap + count], {-gap: pictures[:count], gap: pictures[2 * gap :]})


def film(count: int, shape: tuple[int, int] = (64, 80)) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(count).integers(0, 256, (count, shape[0] // 8, shape[1] // 8, 3), np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


class Known:
    """In place of the network: all moves 2 px to the right, but a square 12 px; in px of its own size."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, ...]] = []

    def __call__(self, one: object, other: object, num_flow_updates: int) -> list[object]:
        import torch

        assert isinstance(one, torch.Tensor)
        assert -1 <= one.min() <= one.max() <= 1
        self.sizes.append(tuple(one.shape))
        flow = torch.zeros(len(one), 2, *one.shape[-2:])
        flow[:, 0] = 2
        flow[:, 0, 32:96, 32:96] = 12
        return [flow]


@needs_torchvision
def test_it_obeys_the_laws_of_a_mask(weights: Path) -> None:
    check_mask(RAFT, weights=str(weights), **QUICK)


@needs_torchvision
def test_weights_come_from_torchs_own_files_too_and_give_the_same_masks(weights: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(weights), tmp_path / "small.pth")
    options = {**QUICK, "camera": "none", "threshold": 0.2, "min_area": 0}
    one, other = (build_part(RAFT, weights=str(path), **options) for path in (weights, tmp_path / "small.pth"))
    clip = clip_of(film(6))
    found = one(clip)
    assert 0 < found.mean() < 1
    np.testing.assert_array_equal(found, other(clip))


@needs_torchvision
def test_what_moves_otherwise_than_the_camera_is_marked(weights: Path) -> None:
    mask = build_part(RAFT, weights=str(weights), working_size=128, batch=2, camera="translation")
    assert isinstance(mask, Raft)
    mask._network = Known()
    (found,) = mask(clip_of(film(7, (128, 128)))).numpy()
    truth = np.zeros((128, 128), bool)
    truth[32:96, 32:96] = True
    assert ((found > 0.5) == truth).mean() > 0.99
    assert mask._network.sizes == [(2, 3, 128, 128), (1, 3, 128, 128)]
    mask._network = Known()
    still = clip_of(np.repeat(film(1, (128, 128)), 6, axis=0))
    assert mask(still).max() == 0
    assert mask._network.sizes == []


@needs_torchvision
def test_the_first_frame_of_a_file_is_compared_with_the_one_after_it(weights: Path) -> None:
    import torch

    mask = build_part(RAFT, weights=str(weights), working_size=128)
    assert isinstance(mask, Raft)
    mask._network = Known()
    frames = torch.from_numpy(film(3, (128, 128))).permute(0, 3, 1, 2)
    clip = batch_of(frames[:1], {-2: frames[:1], 2: frames[2:]})
    assert mask.remarks(clip) == (("",),)
    assert 0 < mask(clip).mean() < 1
    alone = batch_of(frames[:1], {-2: frames[:1], 2: frames[:1]})
    assert mask.remarks(alone) == (("alone",),)
    assert mask(alone).min() == 1


@pytest.mark.parametrize("shape", [(224, 224), (224, 398), (97, 97), (60, 400)])
def test_sizes_are_what_the_network_takes(shape: tuple[int, int]) -> None:
    for side in (128, 224):
        size = network_size(shape, side)
        assert all(one % 8 == 0 and one >= 128 for one in size)
        assert min(size) == side
        assert abs(size[0] / size[1] / (shape[0] / shape[1]) - 1) < 0.05


@needs_torchvision
def test_missing_weights_are_told_with_their_source(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"no weights are named; fetch https://download\.pytorch\.org.*raft_small"
    ):
        build(RaftOptions(), BuildContext())
    with pytest.raises(CheckpointError, match=r"absent\.pth: no such weights file; fetch .*raft_large"):
        build(RaftOptions(model="large", weights=tmp_path / "absent.pth"), BuildContext())


@needs_torchvision
def test_weights_of_another_model_are_told(weights: Path) -> None:
    mask = build_part(RAFT, weights=str(weights), model="large", working_size=128)
    with pytest.raises(CheckpointError, match=r"small\.safetensors: not the weights of raft_large; set mask\.model"):
        mask(clip_of(film(6)))


def test_without_torchvision_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fdakit_raft.find_spec", lambda name: None)
    with pytest.raises(PluginError, match="pip install torchvision"):
        build(RaftOptions(), BuildContext())
