"""The difference of two frames after compensating camera motion and brightness change."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .camera_motion import estimate_similarity, estimate_translation
from .medians import lower_median
from .warping import Camera, Frame, warp

CameraRule = Literal["none", "translation", "similarity"]
BrightnessRule = Literal["none", "bias", "gain-bias"]

_ROUNDS = 2  # of the brightness fit: the second without the outliers of the first
_GAIN = (0.5, 2.0)


def compensated_difference(
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    *,
    camera: CameraRule = "translation",
    brightness: BrightnessRule = "gain-bias",
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the compensated difference, uint8 `(h, w)`, and where it is known, bool `(h, w)`.

    It is the absolute difference of `after` and `before`, warped by the camera's motion and adjusted to its
    brightness. Pixels that `before` does not show are unknown; their level is 0.
    """
    one, other = before.astype(np.float32), after.astype(np.float32)
    warped, valid = warp(one, _camera(one, other, camera))
    if brightness != "none" and valid.any():
        gain, bias = brightness_between(warped, other, valid, gain=brightness == "gain-bias")
        warped = gain * warped + bias
    levels = np.abs(other - warped)
    levels[~valid] = 0
    return np.minimum(levels + np.float32(0.5), 255).astype(np.uint8), valid


def _camera(before: Frame, after: Frame, rule: CameraRule) -> Camera:
    if rule == "none":
        return Camera(np.eye(2), np.zeros(2))
    return estimate_translation(before, after) if rule == "translation" else estimate_similarity(before, after)


def brightness_between(
    before: Frame, after: Frame, valid: NDArray[np.bool_], *, gain: bool = True
) -> tuple[np.float32, np.float32]:
    """Return gain and bias with `after = gain * before + bias` on most pixels, from a subset of them.

    Moving objects are excluded by their residuals: beyond three deviations by MAD of the first fit.
    """
    # A few thousand are enough for a median; all of a small frame.
    step = max(1, int((before.size / 4000) ** 0.5))
    seen = valid[::step, ::step]
    x, y = before[::step, ::step][seen], after[::step, ::step][seen]
    if not x.size:
        return np.float32(1), np.float32(0)
    slope, bias = np.float32(1), lower_median(y - x)
    for _ in range(_ROUNDS if gain else 0):
        rest = y - slope * x - bias
        limit = 3 * max(1.4826 * lower_median(np.abs(rest)), 1.0)
        near = np.abs(rest) <= limit
        u, v = x[near], y[near]
        spread = float(u.var()) if u.size else 0.0
        if spread < 4:  # a flat frame determines no gain
            return np.float32(1), np.float32(lower_median(y - x))
        slope = np.float32(np.clip(float(((u - u.mean()) * (v - v.mean())).mean()) / spread, *_GAIN))
        bias = lower_median(y - slope * x)
    return slope, np.float32(bias)
