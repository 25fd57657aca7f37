"""The masks of one clip, wherever its mask works: in this process, or on the device as a batch of one clip."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fdakit.catalog import Part
from fdakit.errors import PartError, attribute_errors
from fdakit.features import ClipBatch
from fdakit.plugin.clip_abilities import ReadsFiles, RemarksOnFrames
from fdakit.plugin.component import BuildContext
from fdakit.recipe.build_context import base_shapes
from fdakit.recipe.recipe import Recipe
from fdakit.values import Clip

from .output_checks import check_alpha


def build_mask(part: Part[Any], shapes: BuildContext) -> Any:
    """Return a mask; one that is a module lies on the device of `shapes`, in evaluation mode."""
    mask = part.build(shapes)
    return mask.to(shapes.device).eval() if isinstance(mask, nn.Module) else mask


def warn_of_untrained(mask: Any, *, label: str) -> None:
    """Warn that a mask is shown without the weights of a training, if it has any."""
    if isinstance(mask, nn.Module) and any(weight.requires_grad for weight in mask.parameters()):
        warnings.warn(f"{label}: its weights are those it is built with, before any training", stacklevel=2)


def mask_alpha(mask: Any, clip: Clip, *, label: str, device: str) -> NDArray[np.float32]:
    """Return the mask of a transformed clip, float32 `(t, h, w)`.

    Raises `PartError` if the mask fails or returns something else.
    """
    where = f"on video {clip.id!r}"
    with attribute_errors(label, where):
        alpha = _on_device(mask, clip, device) if mask.place == "device" else mask(clip)
    check_alpha(alpha, clip.frames.shape[:3], label=label, where=where)
    return np.asarray(alpha, np.float32)


def mask_remarks(mask: Any, clip: Clip, *, label: str, device: str) -> tuple[str, ...]:
    """Return the mask's remark on each frame of a transformed clip, "" for a mask without. Raises `PartError`."""
    where, count = f"on video {clip.id!r}", len(clip.frames)
    if not isinstance(mask, RemarksOnFrames):
        return ("",) * count
    with attribute_errors(label, f"in remarks {where}"), torch.no_grad():
        of_batch: Any = mask
        found = of_batch.remarks(clip_batch(clip, device))[0] if of_batch.place == "device" else mask.remarks(clip)
    said = tuple(found)
    if len(said) != count or not all(isinstance(word, str) for word in said):
        raise PartError(f"{label} failed {where}: remarks {said!r}; wanted {count} strings, one a frame")
    return said


def mask_versions(recipe: Recipe) -> Callable[[str], str] | None:
    """Return what gives the digest of the files that the mask reads for a video id; None if it reads none."""
    part = recipe.mask
    if part.offer.component.declares.get("place") == "device":  # it sees batches, whose clips have no ids
        return None
    mask: Any = part.build(base_shapes(recipe, torch.device("cpu")))
    return partial(mask_files_version, mask, label=str(part.offer)) if isinstance(mask, ReadsFiles) else None


def mask_files_version(mask: Any, video_id: str, *, label: str) -> str:
    """Return the digest of the files that a mask reads for a video, "" for a mask that reads none."""
    if not isinstance(mask, ReadsFiles):
        return ""
    with attribute_errors(label, f"in version of video {video_id!r}"):
        found = mask.version(video_id)
    if not isinstance(found, str):
        raise PartError(f"{label} failed on video {video_id!r}: version {found!r}; wanted text")
    return found


@torch.no_grad()
def _on_device(mask: Any, clip: Clip, device: str) -> Any:
    """Return the mask's output for the clip in float32 if it is one of a batch of one clip, else as it is."""
    alpha = mask(clip_batch(clip, device))
    if not isinstance(alpha, torch.Tensor) or alpha.ndim != 4 or len(alpha) != 1:
        return alpha
    return alpha[0].float().cpu().numpy()


# Arrays of the frame store are read-only, and a tensor of them would write into its memory.
_OWN: tuple[Literal["C"], Literal["W"]] = ("C", "W")


def clip_batch(clip: Clip, device: str) -> ClipBatch:
    """Return a transformed clip as the batch of one that a mask on the device sees."""

    def moved(frames: NDArray[np.uint8]) -> torch.Tensor:
        return torch.from_numpy(np.require(frames, requirements=_OWN)).to(device)[None]

    def pictures(frames: NDArray[np.uint8]) -> torch.Tensor:
        return moved(frames).permute(0, 1, 4, 2, 3)

    frames = pictures(clip.frames)
    times = torch.from_numpy(np.require(clip.times, requirements=_OWN))[None]
    return ClipBatch(
        frames=frames,
        valid=frames.new_ones(frames.shape[:2], dtype=torch.bool),
        times=(times.float() if frames.device.type == "mps" else times).to(device),
        neighbours={gap: pictures(near) for gap, near in clip.neighbours.items()},
        luma={gap: moved(grey) for gap, grey in clip.luma.items()},
    )
