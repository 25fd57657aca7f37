"""A batch as a loader would give it, of noise: nothing is read."""

from __future__ import annotations

from dataclasses import replace

import torch

from fdakit.data_pipeline.loaded_batch import LoadedBatch
from fdakit.model.retriever import Retriever
from fdakit.recipe.recipe import Recipe


def synthetic_batch(recipe: Recipe, retriever: Retriever, pairs: int, *, training: bool = True) -> LoadedBatch:
    """Return `pairs` clips of noise with captions, a tenth marked, in the shapes of training or of evaluation."""
    size, generator = retriever.preprocess.size, torch.Generator().manual_seed(recipe.seed)
    shapes = replace(retriever.encoder.shapes, image_size=size)
    frames = recipe.sampler.build(shapes).frames(training)
    shape = (pairs, frames, 3, size, size)
    needs, on_device = retriever.mask_needs, retriever.mask is not None

    def noise(*wanted: int) -> torch.Tensor:
        return torch.randint(0, 256, wanted, dtype=torch.uint8, generator=generator)

    near = needs.neighbours if on_device and needs is not None else ()
    planes = (0, *near) if on_device and needs is not None and needs.luma else ()
    marked = (torch.rand(pairs, frames, 1, size, size, generator=generator) > 0.9).float()
    return LoadedBatch(
        ids=tuple(f"noise-{number}" for number in range(pairs)),
        frames=noise(*shape),
        alphas={} if on_device else {recipe.control: marked},
        valid=torch.ones(pairs, frames, dtype=torch.bool),
        times=torch.arange(frames, dtype=torch.float64).repeat(pairs, 1),
        texts=tuple(f"noise number {number}" for number in range(pairs)),
        neighbours={gap: noise(*shape) for gap in near},
        luma={gap: noise(pairs, frames, size, size) for gap in planes},
        controls=(recipe.control,) if on_device else (),
        seed=recipe.seed,
        places=tuple(range(pairs)),
    )
