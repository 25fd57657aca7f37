"""The arrays that a clip is stored as, and back: frames in planes `(t, 3, s, s)`, as batches hold them.

Frames that are yet to be transformed are stored as they are decoded, `(t, h, w, 3)`; so were all before planes were.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.values import Clip

from .frame_store import Arrays

PLANES = "planes"
_FRAMES, _NEAR, _LUMA, _INDICES = "frames", "near ", "luma ", "indices"
Pictures = NDArray[np.uint8]


def stored_arrays(clip: Clip, *, planes: bool, beside: bool) -> dict[str, NDArray[Any]]:
    """Return the arrays of a clip by name, with what lies `beside` its frames: neighbours and luma."""
    pictures = {PLANES if planes else _FRAMES: clip.frames}
    rest: dict[str, NDArray[Any]] = {"times": clip.times, "pixel_aspect": np.array([clip.pixel_aspect])}
    if beside:
        pictures |= {f"{_NEAR}{gap}": frames for gap, frames in clip.neighbours.items()}
        rest |= {f"{_LUMA}{gap}": grey for gap, grey in clip.luma.items()}
        rest |= {} if clip.indices is None else {_INDICES: clip.indices}
    if planes:
        pictures = {name: frames.transpose(0, 3, 1, 2) for name, frames in pictures.items()}
    return {**pictures, **rest}


def stored_frames(found: Arrays) -> Pictures:
    """Return the frames of a record, read-only `(t, s, s, 3)`; stored planes are shown so, not copied."""
    return _interleaved(found[PLANES]) if PLANES in found else found[_FRAMES]


def stored_neighbours(found: Arrays) -> dict[int, Pictures]:
    """Return the neighbours by gap, as `stored_frames`."""
    near = _by_gap(found, _NEAR)
    return {gap: _interleaved(frames) for gap, frames in near.items()} if PLANES in found else near


def stored_luma(found: Arrays) -> dict[int, Pictures]:
    """Return the luma by gap, read-only `(t, s, s)`."""
    return _by_gap(found, _LUMA)


def stored_clip(found: Arrays, *, video_id: str, seed: int) -> Clip:
    """Return the clip of a record in arrays of its own, as they were before, which parts may write to.

    Frames whose numbers were stored are as they were read, and show the whole picture.
    """
    clip = Clip(
        video_id,
        np.array(stored_frames(found), order="C"),
        np.array(found["times"]),
        neighbours={gap: np.array(frames, order="C") for gap, frames in stored_neighbours(found).items()},
        luma={gap: np.array(grey) for gap, grey in stored_luma(found).items()},
        seed=seed,
        pixel_aspect=float(found["pixel_aspect"][0]),
    )
    return clip.placed(np.array(found[_INDICES])) if _INDICES in found else clip


def _interleaved(planes: Pictures) -> Pictures:
    return planes.transpose(0, 2, 3, 1)


def _by_gap(found: Arrays, prefix: str) -> dict[int, Pictures]:
    return {int(name.removeprefix(prefix)): array for name, array in found.items() if name.startswith(prefix)}
