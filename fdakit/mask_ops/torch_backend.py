"""torch, on the clip's device: bit-identical to the reference, for masks made on the model's device."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from .backend import Connectivity, MaskBackend

Footprint = NDArray[np.uint8]


class TorchBackend:
    """See `MaskBackend`. Frames are uint8 `(t, 3, h, w)`."""

    def grey(self, frames: torch.Tensor) -> torch.Tensor:
        red, green, blue = frames.to(torch.int32).unbind(1)
        return ((299 * red + 587 * green + 114 * blue + 500) // 1000).to(torch.uint8)

    def channels(self, frames: torch.Tensor) -> torch.Tensor:
        return frames.movedim(1, 0)

    def difference(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return torch.maximum(one, other) - torch.minimum(one, other)

    def largest(self, layers: torch.Tensor) -> torch.Tensor:
        return layers.amax(0)

    def smallest(self, layers: torch.Tensor) -> torch.Tensor:
        return layers.amin(0)

    def stack(self, layers: list[torch.Tensor]) -> torch.Tensor:
        return torch.stack(layers)

    def counts(self, levels: torch.Tensor) -> NDArray[np.int64]:
        found = [torch.bincount(frame.flatten().to(torch.int64), minlength=256) for frame in levels]
        return torch.stack(found).cpu().numpy()

    def above(self, levels: torch.Tensor, thresholds: NDArray[np.float64]) -> torch.Tensor:
        limits = torch.from_numpy(np.floor(thresholds).astype(np.int16)).to(levels.device)
        return levels.to(torch.int16) > limits[:, None, None]

    def close(self, masks: torch.Tensor, footprint: Footprint) -> torch.Tensor:
        return ~_reached(~_reached(masks, footprint), footprint)

    def open(self, masks: torch.Tensor, footprint: Footprint) -> torch.Tensor:
        return _reached(~_reached(~masks, footprint), footprint)

    def dilate(self, masks: torch.Tensor, footprint: Footprint) -> torch.Tensor:
        return _reached(masks, footprint)

    def drop_small(self, masks: torch.Tensor, area: int, connectivity: Connectivity) -> torch.Tensor:
        labels = _labels(masks, connectivity)
        areas = torch.bincount(labels.flatten(), minlength=masks.numel() + 1)
        return masks & (areas[labels] >= area)

    def fill_holes(self, masks: torch.Tensor, connectivity: Connectivity) -> torch.Tensor:
        ground = functional.pad(~masks, (1, 1, 1, 1), value=True)  # all background outside the frame is connected
        labels = _labels(ground, 4 if connectivity == 8 else 8)
        outside = labels == labels[:, :1, :1]
        return ~outside[:, 1:-1, 1:-1]

    def numpy(self, array: torch.Tensor) -> NDArray[np.generic]:
        return array.cpu().numpy()


def _reached(masks: torch.Tensor, footprint: Footprint) -> torch.Tensor:
    """Return the dilation; outside the frame nothing is set.

    Of the background it is an erosion that ignores pixels outside the frame.
    """
    weight = torch.from_numpy(footprint).to(masks.device, torch.float32)[None, None]
    pad = footprint.shape[0] // 2
    return functional.conv2d(masks[:, None].to(torch.float32), weight, padding=pad)[:, 0] > 0.5


def _labels(masks: torch.Tensor, connectivity: Connectivity) -> torch.Tensor:
    """Return int64 `(t, h, w)`: a number for each component, 0 outside.

    Every pixel starts with its own number and repeatedly takes the largest among its neighbours, then that of the
    pixel whose number it holds (pointer jumping), until nothing changes.
    """
    numbers = torch.arange(1, masks.numel() + 1, device=masks.device).view(masks.shape)
    labels = torch.where(masks, numbers, 0)
    while True:
        largest = _around(labels, connectivity) * masks
        jumped = torch.where(masks, largest.flatten()[largest.flatten() - 1].view(masks.shape), 0)
        if torch.equal(jumped, labels):
            return labels
        labels = jumped


def _around(labels: torch.Tensor, connectivity: Connectivity) -> torch.Tensor:
    """Return the largest label among each pixel and its neighbours; in int64, as floats do not hold it exactly."""
    wide = functional.pad(labels, (1, 1))
    across = torch.stack([wide[..., :-2], wide[..., 1:-1], wide[..., 2:]]).amax(0)
    tall = functional.pad(across if connectivity == 8 else labels, (0, 0, 1, 1))
    along = torch.stack([tall[:, :-2], tall[:, 1:-1], tall[:, 2:]]).amax(0)
    return torch.maximum(along, across)


BACKEND: MaskBackend = TorchBackend()
