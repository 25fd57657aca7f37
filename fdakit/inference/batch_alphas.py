"""The alpha of a batch under each control: from the loader, or made on the device by the retriever's own mask."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from fdakit.choices import Control
from fdakit.data_pipeline.loaded_batch import LoadedBatch
from fdakit.data_pipeline.travelling_alphas import as_held
from fdakit.features import ClipBatch
from fdakit.mask_ops.controls import apply_control
from fdakit.model.retriever import Retriever

Clips = list[NDArray[np.float32]]


def batch_alphas(retriever: Retriever, batch: LoadedBatch, clips: ClipBatch) -> Mapping[str, torch.Tensor]:
    """Return alpha float32 `(v, t, 1, h, w)` by control, on the device of `clips`, which are those of the batch.

    Gradients reach the weights of a mask through control `none` alone: the others take another mask in its place, and
    pass through numpy as they do in the loader. Raises `PartError` if the mask fails.
    """
    device = clips.frames.device
    if retriever.mask is None:
        plain = retriever.pixel_steps.plain_alpha
        return {control: plain(alpha.to(device)) for control, alpha in as_held(batch.alphas).items()}
    alpha = retriever.alphas(clips.for_mask)
    if batch.controls == ("none",):
        return {"none": alpha}
    own = _apart(alpha, batch.valid)
    partners = _partner_masks(retriever, batch, device)
    return {
        control: alpha if control == "none" else _controlled(own, partners, batch, control).to(device)
        for control in batch.controls
    }


def _partner_masks(retriever: Retriever, batch: LoadedBatch, device: torch.device) -> Clips:
    if batch.partners is None:
        return []
    with torch.no_grad():
        return _apart(retriever.alphas(ClipBatch.of(batch.partners, device).for_mask), batch.partners.valid)


def _apart(alpha: torch.Tensor, valid: torch.Tensor) -> Clips:
    """Return the masks `(t, h, w)` of each clip, of its own frames alone."""
    found = alpha.detach().squeeze(2).cpu().numpy()
    return [masks[there] for masks, there in zip(found, valid.cpu().numpy(), strict=True)]


def _controlled(own: Clips, partners: Clips, batch: LoadedBatch, control: Control) -> torch.Tensor:
    """Return the control's masks of a whole batch, `(v, t, 1, h, w)`, 0 where a clip was padded."""
    count, length = batch.valid.shape
    found = torch.zeros(count, length, 1, *own[0].shape[1:])
    for row, (name, alpha) in enumerate(zip(batch.ids, own, strict=True)):
        partner = partners[row] if control == "other-video" else None
        masks = apply_control(alpha, control=control, seed=batch.seed, video_id=name, partner=partner)
        found[row, batch.valid[row], 0] = torch.from_numpy(np.ascontiguousarray(masks))
    return found
