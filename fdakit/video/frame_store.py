"""Clips kept in memory between epochs, where nothing in them is drawn anew. Hard masks are bit-packed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class StoredClip:
    """A viewed clip and its mask: frames uint8 `(t, s, s, 3)`, alpha float32 `(t, s, s)`, times `(t,)` s."""

    frames: NDArray[np.uint8]
    alpha: NDArray[np.float32]
    times: NDArray[np.float64]


@dataclass(frozen=True)
class _Packed:
    frames: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | NDArray[np.float32]
    hard: bool
    times: NDArray[np.float64]


class FrameStore:
    """At most `limit_mb` of clips; what does not fit is simply read again. 0 keeps nothing."""

    def __init__(self, *, limit_mb: int) -> None:
        self._room = limit_mb * 1_000_000
        self._clips: dict[str, _Packed] = {}

    def get(self, key: str) -> StoredClip | None:
        """The clip as it was put, or None."""
        found = self._clips.get(key)
        if found is None:
            return None
        alpha = found.alpha
        if found.hard:
            count = int(np.prod(found.frames.shape[:3]))
            alpha = np.unpackbits(alpha.view(np.uint8), count=count).reshape(found.frames.shape[:3])
        return StoredClip(found.frames, alpha.astype(np.float32), found.times)

    def put(self, key: str, clip: StoredClip) -> None:
        """Keep the clip if there is room. Masks of 0 and 1 take a bit a pixel, others stay float32."""
        hard = bool(np.isin(clip.alpha, (0.0, 1.0)).all())
        alpha = np.packbits(clip.alpha.astype(np.bool_)) if hard else clip.alpha
        size = clip.frames.nbytes + alpha.nbytes + clip.times.nbytes
        if size <= self._room:
            self._room -= size
            self._clips[key] = _Packed(clip.frames, alpha, hard, clip.times)

    def __len__(self) -> int:
        return len(self._clips)
