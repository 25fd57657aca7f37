"""Parity with Alpha-CLIP's reference code: features, logits, loss and gradients on every fixture of the folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.clip_batches import clip_batch
from helpers.parity import base_files, build_clip, cases, fixtures, tower_files
from safetensors.torch import load_file

from fdakit.builtin.fusions.alpha_conv import ALPHA_CONV
from fdakit.model import ClipEncoder
from fdakit.model.architecture import read_architecture
from fdakit.model.weight_files import read_weights
from fdakit.model.weight_formats import ClipWeights, detect_format
from fdakit.model.weight_loading import load_towers
from fdakit.plugin import BuildContext, Fused, Preprocess
from fdakit.testing.building import build_part

KINDS = ("random_binary", "foreground", "background", "zeros", "soft")
CASES = [case for case in cases("alphaclip") if base_files(case) or tower_files(case)]
BASES = [case for case in CASES if base_files(case)]
PAIRS = [(case, base, tower) for case in BASES for base in base_files(case) for tower in tower_files(case)]
ALONE = [(case, tower) for case in CASES if not base_files(case) for tower in tower_files(case)]
RECIPES = [case for case in cases("alphaclip") if "recipe" in json.loads((case / "meta.json").read_text())]


def test_parity_alphaclip_fixtures_are_there() -> None:
    assert CASES, f"{fixtures('alphaclip')} holds no case"
    assert {case for case, *_ in (*PAIRS, *ALONE)} | set(BASES) == set(CASES)


class Model:
    """Our encoder and `alpha-conv`, fed with the fixture's already normalised alpha.

    Without a base the text tower is any, for a visual tower alone.
    """

    def __init__(self, base: ClipWeights | None, alpha: ClipWeights | None, *, where: Path) -> None:
        sizes = read_architecture(base or alpha)  # type: ignore[arg-type]
        if base is None:
            sizes = replace(sizes, text_width=64, text_layers=1, context_length=77, vocabulary=64)
        clip = build_clip(sizes, quick_gelu=True)
        if base is not None:
            load_towers(clip, base, where=where)
        if alpha is not None:
            load_towers(clip, alpha, where=where)
        grey = (0.5, 0.5, 0.5)
        size = sizes.image_size
        self.clip: Any = clip
        self.encoder = ClipEncoder(
            clip, tokenizer=Counting(), preprocess=Preprocess(size, grey, grey), shapes=BuildContext()
        ).eval()
        self.encoder.alpha_weights = alpha.alpha if alpha is not None else ()
        self.fusion = build_part(ALPHA_CONV, self.encoder.shapes, mean=0.0, std=1.0)
        self.fusion.start_from(self.encoder)

    def image(self, pixels: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
        def fuse(rgb: torch.Tensor, stem: Any) -> Fused:
            fused: Fused = self.fusion(rgb, alpha, stem)
            return fused

        valid = torch.ones(len(pixels), 1, dtype=torch.bool)
        return self.encoder.encode_videos(clip_batch(pixels.unsqueeze(1), valid), fuse).vectors[:, 0]

    def logits(self, pixels: torch.Tensor, alpha: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        left = torch.nn.functional.normalize(self.image(pixels, alpha), dim=-1)
        right = torch.nn.functional.normalize(self.clip.encode_text(text), dim=-1)
        return self.clip.logit_scale.exp() * left @ right.T


class Counting:
    """A tokeniser of small ids: the fixtures bring their own tokens."""

    context_length = 77

    def __call__(self, texts: list[str], context_length: int = 77) -> torch.Tensor:
        ids = torch.zeros(len(texts), context_length, dtype=torch.int64)
        ids[:, :3] = torch.tensor([1, 2, 3])
        return ids


def alpha_of(case: Path, io: dict[str, torch.Tensor], kind: str) -> torch.Tensor:
    stored = io.get(f"alpha.{kind}")
    if stored is not None:
        return stored
    level = json.loads((case / "meta.json").read_text())["alpha_constants"][f"alpha.{kind}"]
    batch, _, height, width = io["image"].shape
    return torch.full((batch, 1, height, width), level)


def close(case: Path, found: torch.Tensor, wanted: torch.Tensor) -> None:
    rule = json.loads((case / "meta.json").read_text())["tolerance"]["outputs"]
    torch.testing.assert_close(found, wanted, atol=rule["atol"], rtol=rule["rtol"])


def named(pair: tuple[Path, ...]) -> str:
    return "-".join([pair[0].name, *(path.stem for path in pair[1:])])


@pytest.mark.parametrize(("case", "base", "tower"), PAIRS, ids=map(named, PAIRS))
def test_parity_alphaclip_outputs(case: Path, base: Path, tower: Path) -> None:
    io = load_file(case / "io.safetensors")
    model = Model(detect_format(read_weights(base)), detect_format(read_weights(tower)), where=base)
    with torch.no_grad():
        for kind in KINDS:
            close(case, model.image(io["image"], alpha_of(case, io, kind)), io[f"image_features.{kind}"])
            if f"logits_per_image.{kind}" in io:
                found = model.logits(io["image"], alpha_of(case, io, kind), io["text"])
                close(case, found, io[f"logits_per_image.{kind}"])
        close(case, model.clip.encode_text(io["text"]), io["text_features"])


@pytest.mark.parametrize(("case", "tower"), ALONE, ids=map(named, ALONE))
def test_parity_alphaclip_outputs_of_a_tower_alone(case: Path, tower: Path) -> None:
    io = load_file(case / "io.safetensors")
    model = Model(None, detect_format(read_weights(tower)), where=tower)
    with torch.no_grad():
        for kind in KINDS:
            close(case, model.image(io["image"], alpha_of(case, io, kind)), io[f"image_features.{kind}"])


@pytest.mark.parametrize("case", BASES, ids=[case.name for case in BASES])
def test_parity_alphaclip_a_base_without_alpha_weights_ignores_alpha(case: Path) -> None:
    io = load_file(case / "io.safetensors")
    model = Model(detect_format(read_weights(base_files(case)[0])), None, where=case)
    with torch.no_grad():
        plain = model.clip.encode_image(io["image"])
        for kind in KINDS:
            assert torch.equal(model.image(io["image"], alpha_of(case, io, kind)), plain)
    close(case, plain, io["base_only.image_features"])
    close(case, plain, io["openai.image_features"])


@pytest.mark.parametrize(("case", "base", "tower"), PAIRS, ids=map(named, PAIRS))
def test_parity_alphaclip_loss_and_gradients(case: Path, base: Path, tower: Path) -> None:
    io, wanted = load_file(case / "io.safetensors"), load_file(case / "grads.safetensors")
    tolerance = json.loads((case / "meta.json").read_text())["tolerance"]
    model = Model(detect_format(read_weights(base)), detect_format(read_weights(tower)), where=case)
    model.clip.logit_scale.requires_grad_(True)
    alpha = alpha_of(case, io, "random_binary")
    logits = model.logits(io["image"], alpha, io["text"][: len(alpha)])
    target = torch.arange(len(logits))
    both = [torch.nn.functional.cross_entropy(side, target) for side in (logits, logits.T)]
    loss = sum(both) / 2  # type: ignore[operator]
    np.testing.assert_allclose(loss.item(), wanted["loss"].item(), rtol=tolerance["loss"]["rtol"])
    loss.backward()
    own = dict(model.clip.named_parameters())
    for name, gradient in wanted.items():
        if not name.startswith("grad."):
            continue
        parameter = name.removeprefix("grad.").replace(".attn.in_proj.", ".attn.in_proj_")
        found = model.fusion.convolutions[0].weight if "conv1_alpha" in parameter else own[parameter]
        limit = tolerance["gradients"]["rel"] * gradient.abs().max() + tolerance["gradients"]["abs"]
        assert found.grad is not None, name
        assert (found.grad - gradient).abs().max() <= limit, name
    smooth = logits.detach() / model.clip.logit_scale.exp().detach() * np.exp(4.6052)
    sides = [torch.nn.functional.cross_entropy(side, target, label_smoothing=0.1) for side in (smooth, smooth.T)]
    np.testing.assert_allclose((sum(sides) / 2).item(), wanted["loss_train_smoothing"].item(), rtol=1e-4)


def drawn(table: list[list[Any]], seed: int) -> dict[str, torch.Tensor]:
    rng = np.random.Generator(np.random.PCG64(seed))
    state = {}
    for key, shape, scale, offset in table:
        noise = rng.standard_normal(size=shape, dtype=np.float32)
        state[key] = torch.tensor(np.float32(offset) + np.float32(scale) * noise)
    return state


def inputs(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.Generator(np.random.PCG64(seed))
    coarse = rng.standard_normal((2, 3, 7, 7), dtype=np.float32).repeat(32, axis=2).repeat(32, axis=3)
    fine = rng.standard_normal((2, 3, 224, 224), dtype=np.float32)
    image = (0.8 * coarse + 0.4 * fine).astype(np.float32)
    mask = (rng.random((2, 1, 28, 28)) < 0.4).astype(np.float32).repeat(8, axis=2).repeat(8, axis=3)
    return torch.tensor(image), torch.tensor(((mask - 0.5) / 0.26).astype(np.float32))


@pytest.mark.integration
@pytest.mark.parametrize("case", RECIPES, ids=[case.name for case in RECIPES])
def test_parity_alphaclip_at_the_published_size(case: Path, tmp_path: Path) -> None:
    meta = json.loads((case / "meta.json").read_text())
    recipe, rule, io = meta["recipe"], meta["tolerance"], load_file(case / "io.safetensors")
    visual = drawn(recipe["visual"]["table"], recipe["visual"]["seed"])
    for name, probe in recipe["visual"]["probe"].items():
        np.testing.assert_array_equal(visual[name].flatten()[:3].numpy(), np.float32(probe))
    torch.save(visual, tmp_path / "alpha_visual.pth")
    text = drawn(recipe["text"]["table"], recipe["text"]["seed"])
    alpha = detect_format(read_weights(tmp_path / "alpha_visual.pth"))
    base = detect_format({**text, **alpha.clip})
    model = Model(base, alpha, where=case)
    image, mask = inputs(recipe["inputs_seed"])
    np.testing.assert_allclose(image.flatten()[:3], recipe["inputs_probe"]["image"], rtol=1e-6)
    limits = {"atol": rule["outputs"]["atol"], "rtol": rule["outputs"]["rtol"]}
    planes = {
        "random_binary": mask,
        "foreground": torch.full_like(mask, (1 - 0.5) / 0.26),
        "zeros": torch.zeros_like(mask),
    }
    with torch.no_grad():
        for kind, plane in planes.items():
            torch.testing.assert_close(model.image(image, plane), io[f"image_features.{kind}"], **limits)
        torch.testing.assert_close(model.clip.encode_text(io["text"]), io["text_features"], **limits)
        logits = model.logits(image, mask, io["text"])
        wanted = io["logits_per_image.random_binary"]
        torch.testing.assert_close(logits, wanted, atol=rule["logits"]["atol"], rtol=rule["logits"]["rtol"])
