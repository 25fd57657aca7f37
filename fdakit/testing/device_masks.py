"""Laws of masks that work on the model's device, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fdakit.features import ClipBatch
from fdakit.values import Clip

if TYPE_CHECKING:
    import torch

_CLOSE = 1e-5


def check_device_mask(mask: Any, clips: Sequence[Clip]) -> None:
    """Check a mask on a batch of clips of one size and several lengths, with the neighbours and luma it needs."""
    import torch
    from torch import nn

    batch = _batch(clips)
    if isinstance(mask, nn.Module):
        _check_gradient(mask, batch)
        mask.eval()
    with torch.no_grad():
        alpha = _made(mask, batch)
        _check_values(alpha[batch.valid])
        assert torch.equal(_made(mask, batch)[batch.valid], alpha[batch.valid]), "the same batch gave another alpha"
        _check_padding(mask, batch, alpha)
        _check_clips_alone(mask, clips, alpha)
        _check_remarks(mask, batch)


def _batch(clips: Sequence[Clip]) -> ClipBatch:
    """Return the clips padded with zeros, as a loader's batch is."""
    import torch

    length = max(len(clip.frames) for clip in clips)

    def stacked(arrays: Sequence[Any]) -> torch.Tensor:
        found = np.zeros((len(arrays), length, *arrays[0].shape[1:]), arrays[0].dtype)
        for row, array in enumerate(arrays):
            found[row, : len(array)] = array
        return torch.from_numpy(found)

    def pictures(arrays: Sequence[Any]) -> torch.Tensor:
        return stacked(arrays).permute(0, 1, 4, 2, 3).contiguous()

    return ClipBatch(
        frames=pictures([clip.frames for clip in clips]),
        valid=stacked([np.ones(len(clip.frames), np.bool_) for clip in clips]),
        times=stacked([clip.times for clip in clips]),
        neighbours={gap: pictures([clip.neighbours[gap] for clip in clips]) for gap in clips[0].neighbours},
        luma={gap: stacked([clip.luma[gap] for clip in clips]) for gap in clips[0].luma},
    )


def _pixels(batch: ClipBatch) -> list[torch.Tensor]:
    return [batch.frames, *batch.neighbours.values(), *batch.luma.values()]


def _made(mask: Any, batch: ClipBatch) -> torch.Tensor:
    """Return the mask's alpha; the clips must stay untouched."""
    import torch

    before = [pixels.clone() for pixels in _pixels(batch)]
    alpha = mask(batch)
    assert isinstance(alpha, torch.Tensor), f"alpha is {type(alpha).__name__}; wanted a tensor"
    wanted = (*batch.frames.shape[:2], *batch.frames.shape[-2:])
    assert tuple(alpha.shape) == wanted, f"alpha has the shape {tuple(alpha.shape)}; wanted {wanted}, (v, t, h, w)"
    assert alpha.is_floating_point(), f"alpha is {alpha.dtype}; wanted float32"
    assert all(map(torch.equal, before, _pixels(batch))), "the mask changed the clips' frames"
    return alpha


def _check_values(alpha: torch.Tensor) -> None:
    assert bool(alpha.isfinite().all()), "alpha holds values that are not finite"
    low, high = float(alpha.min()), float(alpha.max())
    assert low >= 0, f"alpha falls to {low}; wanted 0 to 1"
    assert high <= 1, f"alpha rises to {high}; wanted 0 to 1"


def _check_padding(mask: Any, batch: ClipBatch, alpha: torch.Tensor) -> None:
    """Check that frames that are not valid change no mask of those that are."""
    import torch

    generator = torch.Generator().manual_seed(0)

    def noisy(pixels: torch.Tensor) -> torch.Tensor:
        noise = torch.randint(0, 256, pixels.shape, generator=generator, dtype=torch.uint8)
        return torch.where(batch.valid.view(*batch.valid.shape, *[1] * (pixels.ndim - 2)), pixels, noise)

    other = replace(
        batch,
        frames=noisy(batch.frames),
        neighbours={gap: noisy(near) for gap, near in batch.neighbours.items()},
        luma={gap: noisy(grey) for gap, grey in batch.luma.items()},
    )
    away = float((_made(mask, other) - alpha)[batch.valid].abs().max())
    assert away <= _CLOSE, f"alpha of valid frames changes by {away} with what pads a clip"


def _check_clips_alone(mask: Any, clips: Sequence[Clip], alpha: torch.Tensor) -> None:
    for row, clip in enumerate(clips):
        own = _made(mask, _batch([clip]))[0]
        away = float((own - alpha[row, : len(own)]).abs().max())
        assert away <= _CLOSE, f"alpha of a clip changes by {away} with the batch that it is in"


def _check_gradient(mask: Any, batch: ClipBatch) -> None:
    """Check that every weight that trains has a gradient, in training mode."""
    import torch

    trained = {name: weight for name, weight in mask.named_parameters() if weight.requires_grad}
    mask.train()
    alpha = _made(mask, batch)
    _check_values(alpha.detach()[batch.valid])
    if not trained:
        return
    assert alpha.requires_grad, "alpha has no gradient, though the mask has weights that train"
    weights = torch.rand(alpha.shape, generator=torch.Generator().manual_seed(0))
    (alpha * weights)[batch.valid].sum().backward()  # type: ignore[no-untyped-call]
    silent = [name for name, weight in trained.items() if weight.grad is None or not bool(weight.grad.any())]
    assert not silent, f"no gradient reaches {', '.join(silent)}"
    mask.zero_grad(set_to_none=True)


def _check_remarks(mask: Any, batch: ClipBatch) -> None:
    if not hasattr(mask, "remarks"):
        return
    said = mask.remarks(batch)
    counts, wanted = [len(words) for words in said], batch.valid.sum(1).tolist()
    assert counts == wanted, f"remarks on {counts} frames; wanted {wanted}, one a valid frame of each clip"
    assert all(isinstance(word, str) for words in said for word in words), f"remarks are {said!r}; wanted strings"
