"""A mask on the device, called with a batch: what it returns is checked, so that errors name it."""

from __future__ import annotations

import torch
from torch import nn

from fdakit.errors import PartError, attribute_errors
from fdakit.features import ClipBatch
from fdakit.plugin.contracts import DeviceMaskGenerator
from fdakit.values import describe

_NOISE = 0.01  # mean difference of two masks of one clip that a GPU's order of summation may cause
_WHERE = "while masking a batch"


def device_alpha(mask: DeviceMaskGenerator, clips: ClipBatch, *, label: str) -> torch.Tensor:
    """Return the alpha float32 `(v, t, h, w)` of a batch; its values are not looked at.

    Raises `PartError` if the mask fails or returns something else.
    """
    with attribute_errors(label, _WHERE):
        alpha = mask(clips)
    wanted = (*clips.frames.shape[:2], *clips.frames.shape[-2:])
    if not isinstance(alpha, torch.Tensor) or tuple(alpha.shape) != wanted or not alpha.is_floating_point():
        raise PartError(f"{label} failed {_WHERE}: returned {describe(alpha)}; wanted float32{wanted}")
    return alpha.float()


def tried_device_alpha(mask: DeviceMaskGenerator, clips: ClipBatch, *, label: str) -> torch.Tensor:
    """Return `device_alpha` and look at its values; but for a module in training, which may drop out, call it twice.

    Raises `PartError` if alpha is not in [0, 1], the second differs from it, or the frames were changed.
    """
    frames = clips.frames.clone()
    alpha = device_alpha(mask, clips, label=label)
    low, high = (float(value) for value in clips.packed(alpha.detach()).aminmax())
    if not (low >= 0 and high <= 1):
        raise PartError(f"{label} failed {_WHERE}: values from {low} to {high}; wanted 0 to 1")
    if not torch.equal(clips.frames, frames):
        raise PartError(f"{label} failed {_WHERE}: changed the frames it was given; work on a copy")
    if isinstance(mask, nn.Module) and mask.training:
        return alpha
    with torch.no_grad():
        again = device_alpha(mask, clips, label=label)
    if float(clips.packed((again - alpha.detach()).abs()).mean()) > _NOISE:
        raise PartError(
            f"{label} failed {_WHERE}: two calls on the same batch gave different masks; draw nothing at random, and "
            "keep nothing between calls"
        )
    return alpha
