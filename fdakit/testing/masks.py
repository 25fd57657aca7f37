"""Laws of mask generators."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fdakit.plugin.clip_abilities import ReadsFiles, RemarksOnFrames
from fdakit.values import Clip

from .building import Part, build_kind, example_clip
from .device_masks import check_device_mask


def check_mask(component: Part, clip: Clip | None = None, **options: Any) -> None:
    """Check a mask: float32 `(t, h, w)`, finite, in [0, 1], deterministic, input untouched.

    Also for one frame and for a still clip; the version of files that it reads is text, and the same again. Of a mask
    on the device: float `(v, t, h, w)` of a batch of clips of different lengths, whatever pads them and whichever
    clips lie beside them; and a gradient for every weight that trains, if it is a module.
    """
    mask = build_kind("mask", component, **options)
    still = example_clip(frames=1)
    still = Clip("still", np.repeat(still.frames, 4, axis=0), np.arange(4.0))
    if mask.place == "device":
        first = clip or example_clip()
        for clips in ([first, _part(first, 2), _part(first, 1)], [example_clip(), example_clip(1), still]):
            check_device_mask(mask, [_with_needs(example, mask.needs) for example in clips])
        return
    for example in (clip or example_clip(), example_clip(1), example_clip(2, 97), still):
        _check_mask_on(mask, _with_needs(example, mask.needs))


def _part(clip: Clip, count: int) -> Clip:
    return Clip(clip.id, clip.frames[-count:], clip.times[-count:])


def _with_needs(clip: Clip, needs: Any) -> Clip:
    neighbours = {gap: np.roll(clip.frames, gap, axis=2) for gap in needs.neighbours}
    luma = {gap: frames[..., 1] for gap, frames in {0: clip.frames, **neighbours}.items()} if needs.luma else {}
    vectors = None
    if needs.motion_vectors:  # none, no row, and some, in turn
        rows = np.array([[8, 8, 16, 16, 3, 0], [40, 24, 16, 8, -2.5, 7]], np.float32)
        vectors = tuple((None, rows[:0], rows)[place % 3] for place in range(len(clip.frames)))
    clip = replace(clip, neighbours=neighbours, motion_vectors=vectors, luma=luma)
    return clip.placed(np.arange(len(clip.frames))) if needs.placement else clip


def _check_mask_on(mask: Any, clip: Clip) -> None:
    shape = clip.frames.shape[:3]
    before = np.asarray(clip.frames).copy()
    alpha = np.asarray(mask(clip))
    assert alpha.shape == shape, f"alpha has the shape {alpha.shape}; wanted {shape}"
    assert alpha.dtype == np.float32, f"alpha is {alpha.dtype}; wanted float32"
    assert np.isfinite(alpha).all(), "alpha holds values that are not finite"
    assert alpha.min() >= 0, f"alpha falls to {alpha.min()}; wanted 0 to 1"
    assert alpha.max() <= 1, f"alpha rises to {alpha.max()}; wanted 0 to 1"
    assert (np.asarray(clip.frames) == before).all(), "the mask changed the clip's frames"
    assert (np.asarray(mask(clip)) == alpha).all(), "the same clip gave another alpha"
    if isinstance(mask, ReadsFiles):
        versions = [mask.version(clip.id) for _ in range(2)]
        assert isinstance(versions[0], str), f"version is {versions[0]!r}; wanted text"
        assert versions[0] == versions[1], "the same files have another version the second time"
    if isinstance(mask, RemarksOnFrames):
        said = mask.remarks(clip)
        assert len(said) == shape[0], f"{len(said)} remarks on {shape[0]} frames; wanted one a frame"
        assert all(isinstance(word, str) for word in said), f"remarks are {said!r}; wanted strings"
