"""A few clips of a split with their masks, for observers that show them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.data_pipeline.loading.clip_loader import batches
from fdakit.features import ClipBatch
from fdakit.model.retriever import Retriever
from fdakit.plugin.observers import MaskedExample
from fdakit.recipe.recipe import Recipe
from fdakit.values import Split

from .batch_alphas import batch_alphas


@torch.no_grad()
def masked_examples(
    count: int, *, recipe: Recipe, split: Split, retriever: Retriever, device: torch.device
) -> list[MaskedExample]:
    """Return the first clips of a split as evaluation reads them, with a caption; fewer if some cannot be read."""
    texts = {caption.video_id: caption.text for caption in reversed(split.captions)}
    source = ClipDataset(
        ClipSettings.of(recipe),
        split.videos,
        training=False,
        preprocess=retriever.preprocess,
        shapes=replace(retriever.encoder.shapes, device=str(device)),
        device_needs=retriever.mask_needs,
    )
    plan = [[ClipRequest(place)] for place in range(min(count, len(split.videos)))]
    found = []
    for batch in batches(source, plan, workers=0, prefetch=1):
        if not batch.ids:
            continue
        alpha = batch_alphas(retriever, batch, ClipBatch.of(batch, device))[recipe.control]
        shown = batch.valid[0].cpu()
        frames = batch.frames[0].cpu()[shown].permute(0, 2, 3, 1).numpy().astype(np.uint8)
        masks = alpha[0].squeeze(1).float().cpu()[shown].numpy()
        found.append(MaskedExample(batch.ids[0], texts.get(batch.ids[0], ""), frames, masks))
    return found
