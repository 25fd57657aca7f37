"""Parity with the reference preprocessing: CLIP's pictures exactly, alpha's levels, picture and mask together."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from helpers.parity import cases, fixtures
from numpy.typing import NDArray
from safetensors.numpy import load_file

from fdakit.plugin.contracts import Preprocess
from fdakit.settings import ViewSettings
from fdakit.values import Clip
from fdakit.video.transform import FrameTransform

CASES = [case for case in cases("preprocess") if (case / "preprocess.safetensors").is_file()]


def test_parity_preprocess_fixtures_are_there() -> None:
    assert CASES, f"{fixtures('preprocess')} holds no case"


def seen(
    picture: NDArray[np.uint8], *, size: int, resize: str = "shortest", interpolation: str = "bicubic"
) -> NDArray[np.uint8]:
    view = FrameTransform(ViewSettings(), Preprocess(size, (0, 0, 0), (1, 1, 1), interpolation, resize))
    clip = Clip("picture", picture[None], np.zeros(1))
    frames: NDArray[np.uint8] = view(clip, training=False, rng=np.random.default_rng(0)).frames
    return frames[0]


def normalised(picture: NDArray[np.uint8], config: dict[str, list[float]]) -> NDArray[np.float32]:
    mean, std = np.float32(config["mean"]), np.float32(config["std"])
    found: NDArray[np.float32] = ((np.float32(picture) / np.float32(255) - mean) / std).transpose(2, 0, 1)
    return found


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_parity_preprocess_pictures(case) -> None:  # type: ignore[no-untyped-def]
    meta, tensors = json.loads((case / "meta.json").read_text()), load_file(case / "preprocess.safetensors")
    size = meta["config"]["n_px"]
    names = [name for name in tensors if f"{name}.out" in tensors]
    assert names
    for name in names:
        picture = tensors[name]
        if picture.ndim == 2:
            picture = np.repeat(picture[..., None], 3, axis=2)
        found = normalised(seen(picture, size=size), meta["config"])
        np.testing.assert_allclose(found, tensors[f"{name}.out"], atol=meta["tolerance"]["pillow_path"]["atol"])
    if "big" in tensors:
        np.testing.assert_array_equal(seen(tensors["big"], size=224), tensors["big.cropped_uint8"])


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_parity_preprocess_alpha_levels(case) -> None:  # type: ignore[no-untyped-def]
    """A mask is 0 or 1 at every pixel the reference resized from one value; its levels are the reference's."""
    from fdakit.builtin.fusions.alpha_conv import ALPHA_CONV
    from fdakit.plugin.component import BuildContext
    from fdakit.testing.building import build_part
    from fdakit.testing.towers import ExampleStem

    tensors = load_file(case / "preprocess.safetensors")
    level = build_part(ALPHA_CONV, BuildContext(stem=ExampleStem().convolutions))
    found = {float(((torch.tensor(value) - level.mean) / level.std).float()) for value in (0.0, 1.0)}
    for name in (n for n in tensors if n.startswith("mask") and n.endswith(".out.antialias")):
        ends = tensors[name].min(), tensors[name].max()
        np.testing.assert_allclose(sorted(found), ends, rtol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_parity_preprocess_picture_and_mask_share_one_geometry(case) -> None:  # type: ignore[no-untyped-def]
    """The reference's evaluation code: the middle square of both, then one resize of each.

    fdakit resizes uint8 with Pillow, the reference floats on tensors: equal but for the rounding to a grey
    level and for overshoot beyond black and white, which uint8 cannot hold.
    """
    meta, tensors = json.loads((case / "meta.json").read_text()), load_file(case / "preprocess.safetensors")
    if "joint.image" not in tensors:
        pytest.skip("this folder has no joint case")
    size, mask = meta["config"]["square"], tensors["joint.mask"]
    found = normalised(seen(middle(tensors["joint.image"]), size=size), meta["config"])
    low, high = (normalised(np.full((1, 1, 3), end, np.uint8), meta["config"]) for end in (0, 255))
    wanted = np.clip(tensors["joint.crop.image.antialias"], low, high)
    np.testing.assert_allclose(found, wanted, atol=1 / 255 / min(meta["config"]["std"]))
    white = np.uint8(255 if mask.max() == 1 else 1)
    grey = middle(np.repeat((mask * white)[..., None], 3, axis=2))
    alpha = (seen(grey, size=size, interpolation="bilinear")[..., 0] / 255 - 0.5) / 0.26
    np.testing.assert_allclose(alpha, tensors["joint.crop.alpha.antialias"][0], atol=1 / 255 / 0.26)


def middle(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The middle square, where the reference cuts it."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = height // 2 - side // 2, width // 2 - side // 2
    return picture[top : top + side, left : left + side]
