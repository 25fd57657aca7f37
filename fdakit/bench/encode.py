"""`fdakit bench encode`: what encoding frames costs with each fusion, beside plain open_clip."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch

from fdakit.catalog import Catalog
from fdakit.errors import FdakitError
from fdakit.features import ClipBatch, Fused
from fdakit.inference.factory import build_retriever
from fdakit.model.retriever import Retriever
from fdakit.plugin.contracts import Stem
from fdakit.recipe.document import Document, apply_settings
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import read_recipe, validate
from fdakit.system.devices import autocast, choose_device

from .rounds import Rival, Rounds, time_rounds

FUSIONS = ("alpha-conv", "motion-tokens keep_share=0.3")
PLAIN = "open_clip"


def bench_document(model: str) -> Document:
    """Return a recipe whose encoder is open_clip's `model`."""
    return {"name": "bench", "dataset": {"use": "moving-shapes"}, "encoder": {"use": "open-clip", "model": model}}


def read_bench(
    source: str | None, *, model: str, fusions: Sequence[str], settings: Sequence[str], catalog: Catalog
) -> dict[str, Recipe]:
    """Return one recipe for each fusion, by its label `"NAME key=value ..."`, from `source`, or from `model` alone.

    Raises `RecipeError` with every fault of the first that has any.
    """
    recipes = {}
    for label in fusions:
        name, *options = label.split() or [""]
        own = [*settings, f"fusion.use={name}", *(f"fusion.{option}" for option in options)]
        if source is None:
            recipes[label] = validate(apply_settings(bench_document(model), own), where="bench", catalog=catalog)
        else:
            recipes[label] = read_recipe(source, settings=own, catalog=catalog)
    return recipes


@torch.inference_mode()
def bench_encode(
    recipes: Mapping[str, Recipe],
    *,
    batch: int = 8,
    rounds: int = 15,
    device: str = "auto",
    precision: str = "auto",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Time one batch of frames through open_clip's own `encode_image` and through each recipe's fusion.

    The recipes differ in the fusion alone; all share one encoder of random weights, on which speed does not depend.
    A tenth of alpha is marked, by chance. `difference` is the largest from the plain vectors at alpha 0.5.
    """
    chosen = choose_device(device)
    recipe = next(iter(recipes.values()))
    first = build_retriever(recipe, device=chosen, pretrained=False).eval()
    fusions = {label: _fusion(other, first, chosen) for label, other in recipes.items()}
    size = first.preprocess.size
    generator = torch.Generator().manual_seed(recipe.seed)
    rgb = torch.randn(batch, 1, 3, size, size, generator=generator).to(chosen)
    alpha = (torch.rand(batch, 1, size, size, generator=generator) > 0.9).float().to(chosen)
    plain = _plain(recipe, first).to(chosen)
    rivals: dict[str, Rival] = {PLAIN: lambda: plain.encode_image(rgb[:, 0])}
    rivals |= {label: _encoding(first, fusion, rgb, alpha) for label, fusion in fusions.items()}
    with autocast(chosen, precision):
        vectors = plain.encode_image(rgb[:, 0])
        neutral = torch.full_like(alpha, 0.5)
        differences = {
            label: float((_encoding(first, fusion, rgb, neutral)().float() - vectors.float()).abs().max())
            for label, fusion in fusions.items()
        }
        found = time_rounds(rivals, rounds=rounds, finish=_finisher(chosen), progress=progress)
    facts = {"size": size, "batch": batch, "rounds": found.done, "rounds_asked": found.asked}
    return {**surroundings(recipe, chosen, precision), **facts, "timed": _rows(found, batch, differences)}


def _fusion(recipe: Recipe, retriever: Retriever, device: torch.device) -> Any:
    fusion = recipe.fusion.build(replace(retriever.encoder.shapes, device=str(device)))
    return fusion.to(device).eval() if isinstance(fusion, torch.nn.Module) else fusion


def _plain(recipe: Recipe, retriever: Retriever) -> Any:
    """Return open_clip's own model, untouched by fdakit, with the same weights; else the encoder's inner one."""
    import open_clip

    part, clip = recipe.encoder, getattr(retriever.encoder, "clip", None)
    if clip is None:
        raise FdakitError(f"bench: {part.offer} is no open_clip model, so there is no plain one to put beside it")
    if part.offer.component.name != "open-clip":
        return clip
    quick = any(isinstance(module, open_clip.transformer.QuickGELU) for module in clip.modules())
    logging.disable(logging.WARNING)  # open_clip warns of random weights, which are wanted here
    try:
        model: str = part.options.model  # type: ignore[attr-defined]
        peer = open_clip.create_model(model, force_quick_gelu=quick, pretrained_text=False)
    finally:
        logging.disable(logging.NOTSET)
    peer.load_state_dict(clip.state_dict())
    return peer.eval()


def _encoding(retriever: Retriever, fusion: Any, rgb: torch.Tensor, alpha: torch.Tensor) -> Rival:
    valid = torch.ones(rgb.shape[:2], dtype=torch.bool, device=rgb.device)

    clips = ClipBatch(rgb, valid, torch.zeros(valid.shape, dtype=torch.float64))

    def fuse(pixels: torch.Tensor, stem: Stem | None) -> Fused:
        fused: Fused = fusion(pixels, alpha, stem)
        return fused

    return lambda: retriever.encoder.encode_videos(clips, fuse).vectors[:, 0]


def _finisher(device: torch.device) -> Callable[[], None]:
    return torch.cuda.synchronize if device.type == "cuda" else lambda: None


def surroundings(recipe: Recipe, device: torch.device, precision: str) -> dict[str, Any]:
    """Return the encoder, the device and the versions that a figure is of."""
    encoder, cuda = recipe.encoder, device.type == "cuda"
    return {
        "encoder": f"{encoder.name} {getattr(encoder.options, 'model', '')}".strip(),
        "device": torch.cuda.get_device_name(device) if cuda else f"{device.type}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads(),
        "precision": precision,
        "torch": torch.__version__,
    }


def _rows(found: Rounds, batch: int, differences: Mapping[str, float]) -> list[dict[str, Any]]:
    return [
        {**asdict(timed), "frames_a_second": batch / timed.median, "difference": differences.get(timed.name)}
        for timed in found.timed
    ]
