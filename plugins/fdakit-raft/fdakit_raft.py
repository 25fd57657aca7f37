"""The mask `raft`: where the optical flow to a native neighbour differs from the camera's motion.

Flow by RAFT (Teed and Deng, ECCV 2020) as implemented in torchvision, on the model's device; the dominant motion of
the frame is subtracted. Its weights are a file of yours: nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fdakit.mask_ops import (
    CameraRule,
    ClipwiseMask,
    Masks,
    PostprocessOptions,
    by_scenes,
    get_backend,
    grey_layers,
    histogram_cuts,
    neighbour_cuts,
    postprocess_masks,
    replace_masks,
    residual_motion,
)
from fdakit.plugin import (
    BuildContext,
    CheckpointError,
    Clip,
    Component,
    DeviceMaskGenerator,
    Needs,
    PluginError,
    hookimpl,
)

if TYPE_CHECKING:
    import torch

_SOURCES = {
    "small": "https://download.pytorch.org/models/raft_small_C_T_V2-01064c6d.pth",
    "large": "https://download.pytorch.org/models/raft_large_C_T_SKHT_V2-ff5fadd5.pth",
}
_LEAST = 128  # px of a side: RAFT halves an eighth of it three times over


class RaftOptions(PostprocessOptions):
    """Declared once: checked, shown by `fdakit show mask raft`, and part of the editor schema."""

    model: Literal["small", "large"] = Field("small", description="torchvision's raft_small or raft_large")
    weights: Path | None = Field(
        None, description="file of that model's weights (.pth or .safetensors); never fetched"
    )
    gap: int = Field(2, ge=1, le=250, description="native frames to the neighbour before, at a file's start after")
    working_size: int = Field(
        224, ge=_LEAST, le=2048, multiple_of=8, description="shorter side in px at which flow is sought"
    )
    updates: int = Field(12, ge=1, le=100, description="times that flow is corrected")
    batch: int = Field(8, ge=1, le=100_000, description="pairs of frames in the network at once")
    threshold: float = Field(1.5, ge=0, le=224, description="px at 224 that a place must move by, strictly more")
    camera: CameraRule = Field(
        "similarity", description="motion taken off: a shift, turn and zoom (similarity); a shift; or none"
    )
    backend: Literal["auto", "scikit-image", "numpy", "opencv"] = Field(
        "auto", description="what masks are cleaned with, equal to the bit; see frame-difference"
    )


class Raft(ClipwiseMask):
    """The mask. Loads its weights at the first batch.

    A frame that equals its neighbours has no flow; a clip of one such frame is marked whole.
    """

    def __init__(self, options: RaftOptions, weights: Path) -> None:
        super().__init__(self._masks, Needs(neighbours=(-options.gap, options.gap)))
        self.options = options
        self.weights = weights
        self.backend = get_backend(options.backend)
        self._network: Any = None

    def _masks(self, clip: Clip) -> Masks:
        """Return the masks of torch frames `(t, 3, h, w)`.

        Remarks say why a frame has a fallback: "cut", "empty", "full", "alone" (one frame, no change).
        """
        import torch

        options, torches = self.options, get_backend("torch")
        grey = grey_layers(clip, backend=torches)
        before, after = clip.neighbours[-options.gap], clip.neighbours[options.gap]
        lacks = (clip.frames == before).flatten(1).all(1)
        near = torch.where(lacks[:, None, None, None], after, before)
        differs = (clip.frames != near).flatten(1).any(1)
        moved = self._moved(clip.frames, near, differs)
        limit = options.threshold * min(clip.frames.shape[-2:]) / 224
        seen = torch.where(lacks[:, None, None], grey[options.gap][0], grey[-options.gap][0])
        masks = postprocess_masks(
            moved > limit,
            options=options,
            backend=self.backend,
            shape=clip.frames.shape[-2:],
            strength=np.minimum(moved / max(2 * limit, 1e-6), 1) if options.alpha == "soft" else None,
            cut=neighbour_cuts(clip.frames, near)
            if by_scenes(options)
            else histogram_cuts(torches.counts(torches.difference(grey[0][0], seen)), options.cut),
        )
        alone = np.array([len(moved) == 1 and not bool(differs.any())] * len(moved))
        return replace_masks(masks, alone, alpha=1.0, remark="alone")

    def _moved(self, now: torch.Tensor, near: torch.Tensor, differs: torch.Tensor) -> NDArray[np.float32]:
        """Return the px by which each pixel moved relative to the camera, `(t, *size)` at the network's size."""
        height, width = now.shape[-2:]
        size = network_size((height, width), self.options.working_size)
        found = np.zeros((len(now), *size), np.float32)
        y, x = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
        places = np.stack([x.ravel(), y.ravel()], axis=1)
        per_pixel = np.array([width / size[1], height / size[0]], np.float32)
        wanted = differs.nonzero()[:, 0]
        for first in range(0, len(wanted), self.options.batch):
            some = wanted[first : first + self.options.batch]
            flows = self._flow(now[some], near[some], size)
            for place, flow in zip(some.tolist(), flows * per_pixel, strict=True):
                rest = residual_motion(places * per_pixel, flow.reshape(-1, 2), camera=self.options.camera)
                found[place] = rest.reshape(size)
        return found

    def _flow(self, now: torch.Tensor, near: torch.Tensor, size: tuple[int, int]) -> NDArray[np.float32]:
        """Return where the content of `now` is in `near`, `(n, *size, 2)` in px of that size; finite."""
        import torch
        from torch.nn.functional import interpolate

        if self._network is None:
            self._network = load_network(self.options.model, self.weights).to(now.device)
        with torch.inference_mode():
            one, other = (
                interpolate(pictures.float(), size, mode="bilinear", antialias=True) / 127.5 - 1
                for pictures in (now, near)
            )
            flow = self._network(one, other, num_flow_updates=self.options.updates)[-1]
        found: NDArray[np.float32] = torch.nan_to_num(flow, 0, 0, 0).permute(0, 2, 3, 1).cpu().numpy()
        return found


def network_size(shape: tuple[int, int], short_side: int) -> tuple[int, int]:
    """Return (h, w) with a shorter side of about `short_side`, both multiples of 8 and large enough for RAFT."""
    scale = short_side / min(shape)
    height, width = (max(_LEAST, 8 * round(side * scale / 8)) for side in shape)
    return height, width


def load_network(model: str, weights: Path) -> Any:
    """Return torchvision's RAFT with the weights of a file.

    Raises `CheckpointError` if they belong to another model.
    """
    from torchvision.models.optical_flow import raft_large, raft_small

    from fdakit.model import read_weights  # not at the top: it imports torch

    network = (raft_small if model == "small" else raft_large)(weights=None)
    try:
        network.load_state_dict(read_weights(weights))
    except RuntimeError as error:
        raise CheckpointError(
            f"{weights.absolute()}: not the weights of raft_{model}; set mask.model to the one they are of, or fetch "
            f"{_SOURCES[model]}"
        ) from error
    return network.eval().requires_grad_(False)


def build(options: RaftOptions, shapes: BuildContext) -> DeviceMaskGenerator:
    """Return the mask. Raises `PluginError` if torchvision is missing, `CheckpointError` without a weights file."""
    if not find_spec("torchvision"):
        raise PluginError(
            "mask 'raft': torchvision is not installed; pip install torchvision in the version of torch"
        )
    fetch = f"fetch {_SOURCES[options.model]} yourself (nothing is downloaded)"
    if options.weights is None:
        raise CheckpointError(f"mask 'raft': no weights are named; {fetch} and set mask.weights to the file")
    if not options.weights.is_file():
        where = options.weights.absolute()
        raise CheckpointError(f"mask 'raft': {where}: no such weights file; {fetch} or correct mask.weights")
    return Raft(options, options.weights)


RAFT = Component(
    "raft",
    "where RAFT's optical flow is otherwise than the camera's motion",
    RaftOptions,
    build,
    when="the camera moves, a GPU is at hand, and masks may cost more than the encoder",
    declares={"place": "device"},
)


@hookimpl
def fdakit_masks() -> Iterable[Component[Any, DeviceMaskGenerator]]:
    """Offer this package's parts; fdakit finds them by the entry point in pyproject.toml."""
    return (RAFT,)
