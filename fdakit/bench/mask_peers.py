"""Masks as people write them by hand with OpenCV, to stand beside the parts on offer.

Areas and elements are in the pixels of the picture, as such code has them; a part of fdakit scales its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.errors import FdakitError, nearest
from fdakit.plugin.contracts import MaskGenerator
from fdakit.system.optional_libraries import library_fault
from fdakit.values import Clip, Needs, Place

Picture = NDArray[np.uint8]
Alpha = NDArray[np.float32]

_AREA = 64  # smallest component kept


class OpencvDifference:
    """Grey, absolute difference to the sampled frame before, above 25, closed, opened, components from 64 px.

    The first frame has the mask of the second one.
    """

    needs = Needs()
    place: Place = "worker"

    def __call__(self, clip: Clip) -> Alpha:
        """Return uint8 `(t, h, w, 3)` -> float32 `(t, h, w)`."""
        import cv2

        greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in clip.frames]
        made = []
        for before, now in pairwise([greys[0], *greys]):
            _, changed = cv2.threshold(cv2.absdiff(now, before), 25, 1, cv2.THRESH_BINARY)
            made.append(_cleaned(changed))
        return _stacked([*made[1:2], *made[1:]] or made)


class OpencvAligned:
    """Difference to the native frame before, which is warped onto this one.

    Corners (200), followed by Lucas-Kanade; similarity by RANSAC; difference where the warped frame reaches, less
    its median; above max(20, median + 3 x 1.4826 x MAD); opened by 3 x 3, closed by 7 x 7, components from 64 px.
    """

    needs = Needs(neighbours=(-1,))
    place: Place = "worker"

    def __call__(self, clip: Clip) -> Alpha:
        """Return uint8 `(t, h, w, 3)` -> float32 `(t, h, w)`."""
        return _stacked([_aligned_mask(*pair) for pair in zip(clip.neighbours[-1], clip.frames, strict=True)])


class OpencvMog2:
    """MOG2 over the eight native frames before each one, shadows off, cleaned as `opencv-difference`."""

    needs = Needs(neighbours=tuple(range(-8, 0)))
    place: Place = "worker"

    def __call__(self, clip: Clip) -> Alpha:
        """Return uint8 `(t, h, w, 3)` -> float32 `(t, h, w)`."""
        import cv2

        made = []
        for place, frame in enumerate(clip.frames):
            model = cv2.createBackgroundSubtractorMOG2(detectShadows=False)
            for gap in self.needs.neighbours:
                model.apply(clip.neighbours[gap][place])
            made.append(_cleaned(np.minimum(model.apply(frame), 1)))
        return _stacked(made)


MASK_PEERS: Mapping[str, Callable[[], MaskGenerator]] = MappingProxyType(
    {"opencv-difference": OpencvDifference, "opencv-aligned": OpencvAligned, "opencv-mog2": OpencvMog2}
)


def find_mask_peers(names: Sequence[str] | None) -> dict[str, MaskGenerator]:
    """Return those of `names`; where it is None all, or none where OpenCV is not installed or cannot be loaded.

    Raises `FdakitError` for a name that is not on offer, or where one is asked for without OpenCV.
    """
    for name in names or ():
        if name not in MASK_PEERS:
            raise FdakitError(f"bench: no peer {name!r}; {nearest(name, MASK_PEERS)}")
    if not find_spec("cv2"):
        if names:
            raise FdakitError(
                f"bench: peer {names[0]!r}: OpenCV is not installed; "
                'pip install "fdakit[bench]", or leave it out of --peers'
            )
        return {}
    if fault := library_fault("cv2"):
        if names:
            raise FdakitError(f"bench: peer {names[0]!r}: {fault}, or leave it out of --peers")
        return {}
    return {name: MASK_PEERS[name]() for name in (MASK_PEERS if names is None else names)}


def _aligned_mask(before: Picture, now: Picture) -> Picture:
    import cv2

    old, new = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (before, now))
    size = (new.shape[1], new.shape[0])
    warp = _camera_motion(old, new)
    warped = cv2.warpAffine(old, warp, size)
    reached = cv2.warpAffine(np.ones_like(old), warp, size) > 0
    changes = new.astype(np.float32) - warped
    changes = np.abs(changes - np.median(changes[reached]))
    middle = np.median(changes[reached])
    spread = np.median(np.abs(changes[reached] - middle))
    changed = (reached & (changes > max(20.0, middle + 3 * 1.4826 * spread))).astype(np.uint8)
    changed = cv2.morphologyEx(changed, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return _large(cv2.morphologyEx(changed, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8)))


def _camera_motion(old: Picture, new: Picture) -> NDArray[np.float64]:
    """Return the similarity `(2, 3)` that takes pixels of the old picture to the new one.

    None if it is not found.
    """
    import cv2

    still = np.eye(2, 3)
    corners = cv2.goodFeaturesToTrack(old, maxCorners=200, qualityLevel=0.01, minDistance=7)
    if corners is None:
        return still
    found, seen, _ = cv2.calcOpticalFlowPyrLK(old, new, corners, None)
    good = seen.ravel() == 1
    if good.sum() < 3:
        return still
    warp, _ = cv2.estimateAffinePartial2D(corners[good], found[good], method=cv2.RANSAC, ransacReprojThreshold=1.0)
    return still if warp is None else np.asarray(warp, np.float64)


def _cleaned(changed: Picture) -> Picture:
    """Return masks closed by a disk of radius 2, opened by one of 1, components from 64 px."""
    import cv2

    changed = cv2.morphologyEx(changed, cv2.MORPH_CLOSE, _disk(2))
    return _large(cv2.morphologyEx(changed, cv2.MORPH_OPEN, _disk(1)))


def _disk(radius: int) -> Picture:
    squares = np.arange(-radius, radius + 1) ** 2
    return (squares[:, None] + squares <= radius**2).astype(np.uint8)


def _large(mask: Picture) -> Picture:
    import cv2

    _, labels, facts, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    keep: Any = (facts[:, cv2.CC_STAT_AREA] >= _AREA).astype(np.uint8)
    keep[0] = 0
    large: Picture = keep[labels]
    return large


def _stacked(masks: Sequence[Picture]) -> Alpha:
    return np.stack(masks).astype(np.float32)
