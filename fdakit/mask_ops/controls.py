"""Controls: replacements of a mask, to measure how much of a score depends on what the mask marks.

They act on the finished mask, so they fit any mask, also a plugin's. Every random choice is keyed by the seed and the
video, so a control is the same in each epoch, worker and batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from fdakit.choices import Control
from fdakit.errors import DatasetError
from fdakit.random_keys import keyed_rng

Alpha = NDArray[np.float32]

_NEUTRAL = 0.5  # alpha-conv subtracts 0.5, so its convolution sees exact zeros


def apply_control(alpha: Alpha, *, control: Control, seed: int, video_id: str, partner: Alpha | None = None) -> Alpha:
    """Return the control's masks `(t, h, w)` in [0, 1] in place of `alpha (t, h, w)`, which is not modified.

    `none`: alpha itself. `whole-frame`: 1. `zero`: 0.5, the value that alpha-conv ignores. `rolled`: all masks of a
    video rolled by one offset. `centre`: a hard ellipse in the centre, covering as many pixels as each mask.
    `inverse`: 1 - alpha. `other-video`: the masks of `partner (s, h, w)`, sampled at equal relative positions. Raises
    `ValueError` for `other-video` without a partner of the same height and width.
    """
    match control:
        case "none":
            return alpha
        case "whole-frame":
            return np.ones_like(alpha)
        case "zero":
            return np.full_like(alpha, _NEUTRAL)
        case "rolled":
            return _rolled(alpha, seed=seed, video_id=video_id)
        case "centre":
            return _centred(alpha)
        case "inverse":
            return 1 - alpha
        case "other-video":
            return _borrowed(alpha, partner=partner, video_id=video_id)
        case _:
            assert_never(control)


def partner_of(video_id: str, ids: Sequence[str], *, seed: int) -> str:
    """Return one of the split's `ids` other than `video_id`, the same for the same seed, id and split.

    Raises `DatasetError` if there is no other.
    """
    if all(other == video_id for other in ids):
        raise DatasetError(
            f"video {video_id!r}: the only one, so control 'other-video' has no other mask to take; "
            "give a split of at least two videos or leave that control out"
        )
    rng = keyed_rng(seed, "partner", video_id)
    while True:
        other = ids[int(rng.integers(len(ids)))]
        if other != video_id:
            return other


def _rolled(alpha: Alpha, *, seed: int, video_id: str) -> Alpha:
    """Return the masks rolled by one offset a video: a quarter to three quarters of each side, so they do move."""
    rng = keyed_rng(seed, "rolled", video_id)
    height, width = alpha.shape[1:]
    return np.roll(alpha, (_offset(height, rng), _offset(width, rng)), axis=(1, 2))


def _offset(side: int, rng: np.random.Generator) -> int:
    low, high = -(-side // 4), 3 * side // 4
    return int(rng.integers(low, max(low, high) + 1))


def _centred(alpha: Alpha) -> Alpha:
    """Return ellipses of the frame's aspect; each takes the round(coverage * h * w) pixels nearest the centre."""
    height, width = alpha.shape[1:]
    # Doubled coordinates and crossed sides keep the distances integers, so that ties are exact; they go to
    # the pixel that comes first, row by row.
    y = (2 * np.arange(height, dtype=np.int64) - height + 1) * width
    x = (2 * np.arange(width, dtype=np.int64) - width + 1) * height
    nearest = np.argsort((y[:, None] ** 2 + x**2).ravel(), kind="stable")
    flat = np.zeros((len(alpha), height * width), np.float32)
    for row, covered in zip(flat, alpha.sum(axis=(1, 2), dtype=np.float64), strict=True):
        row[nearest[: round(covered)]] = 1
    return flat.reshape(alpha.shape)


def _borrowed(alpha: Alpha, *, partner: Alpha | None, video_id: str) -> Alpha:
    """Return the partner's masks at the same relative positions."""
    if partner is None or partner.shape[1:] != alpha.shape[1:] or len(partner) == 0:
        given = None if partner is None else partner.shape
        raise ValueError(
            f"video {video_id!r}: control 'other-video' got partner masks {given} beside {alpha.shape}; "
            "give masks of the same height and width"
        )
    middles = np.arange(len(alpha)) + 0.5
    return partner[(middles * len(partner) / len(alpha)).astype(np.int64)]
