"""The last steps of a mask: morphology, component filtering, fallback, hard or soft alpha.

Source: FDA-CLIP (arXiv 2510.21806), section 2.3, for closing, opening and component filtering in this order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .backend import MaskBackend
from .options import PostprocessOptions

Levels = NDArray[np.uint8]


@dataclass(frozen=True)
class Masks:
    """Alpha float32 `(t, h, w)` in [0, 1], and for each frame the reason of its fallback: a word, or ""."""

    alpha: NDArray[np.float32]
    remarks: tuple[str, ...]


def postprocess_masks(
    changed: Any,
    *,
    options: PostprocessOptions,
    backend: MaskBackend,
    shape: tuple[int, int],
    strength: NDArray[np.float32] | None = None,
    cut: NDArray[np.bool_] | None = None,
    scale: float | None = None,
) -> Masks:
    """Return alpha of `shape (h, w)` from a backend's change masks, bool `(t, h, w)`.

    `strength (t, h, w)` in [0, 1] is the soft alpha inside the mask. `cut (t,)` marks frames that were compared with
    another scene. `scale` is as in `apply_morphology`. Remarks are "cut", "empty" and "full" if a fallback was
    requested.
    """
    cleaned = backend.numpy(apply_morphology(changed, options=options, backend=backend, scale=scale))
    return apply_fallback(cleaned, options=options, shape=shape, strength=strength, cut=cut)


def apply_fallback(
    masks: NDArray[np.bool_],
    *,
    options: PostprocessOptions,
    shape: tuple[int, int],
    strength: NDArray[np.float32] | None = None,
    cut: NDArray[np.bool_] | None = None,
) -> Masks:
    """Return the final alpha of cleaned masks, as `postprocess_masks` does."""
    remarks = _remarks(masks, options, cut)
    alpha = masks.astype(np.float32)
    if options.alpha == "soft" and strength is not None:
        alpha *= strength
    for place, remark in enumerate(remarks):
        if remark:
            alpha[place] = 1
    return Masks(stretched(alpha, shape), remarks)


def apply_morphology(
    changed: Any, *, options: PostprocessOptions, backend: MaskBackend, scale: float | None = None
) -> Any:
    """Apply closing, opening, hole filling, component filtering, dilation to bool `(t, h, w)`, in this order.

    `scale` is how many px of these masks one px at 224 corresponds to; if left out, it follows from their shorter
    side.
    """
    scale = min(changed.shape[-2:]) / 224 if scale is None else scale
    for step, radius in ((backend.close, options.closing), (backend.open, options.opening)):
        if round(radius * scale):
            changed = step(changed, footprint(round(radius * scale), options.element))
    if options.fill_holes:
        changed = backend.fill_holes(changed, options.connectivity)
    area = round(options.min_area * scale**2)
    if area > 1:
        changed = backend.drop_small(changed, area, options.connectivity)
    if round(options.dilation * scale):
        changed = backend.dilate(changed, footprint(round(options.dilation * scale), options.element))
    return changed


def footprint(radius: int, element: str) -> Levels:
    """Return a disk (distance at most the radius) or a square of ones, uint8 `(2 radius + 1, 2 radius + 1)`."""
    away = np.arange(-radius, radius + 1) ** 2
    inside = away[:, None] + away <= radius * radius if element == "disk" else np.ones((len(away),) * 2)
    return inside.astype(np.uint8)


def stretched(alpha: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return masks of another size resized to `(t, *shape)`, each pixel with the value of the cell it lies in."""
    height, width = alpha.shape[1:]
    if (height, width) == shape:
        return alpha
    rows = ((np.arange(shape[0]) + 0.5) * height / shape[0]).astype(np.int64)
    columns = ((np.arange(shape[1]) + 0.5) * width / shape[1]).astype(np.int64)
    return alpha[:, rows[:, None], columns]


def _remarks(masks: NDArray[np.bool_], options: PostprocessOptions, cut: NDArray[np.bool_] | None) -> tuple[str, ...]:
    if options.fallback == "none":
        return ("",) * len(masks)
    said = []
    for place, coverage in enumerate(masks.mean(axis=(1, 2)).tolist()):
        if cut is not None and cut[place]:
            said.append("cut")
        elif coverage < options.min_coverage:
            said.append("empty")
        else:
            said.append("full" if coverage > options.max_coverage else "")
    return tuple(said)
