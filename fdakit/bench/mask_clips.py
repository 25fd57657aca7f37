"""The clips of `fdakit bench masks`: conditions under which masks are tried, rendered once, their truth known."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.errors import FdakitError, nearest
from fdakit.synthetic.render import VERSION, codec, draw_clip, mover_masks, mover_speeds, write_clip
from fdakit.synthetic.scene import Look
from fdakit.system.atomic_files import atomic_file, write_errors
from fdakit.values import VideoRef

from .mask_staging import Staging, staged

LENGTH = 40
"""Frames of a clip."""

_SPLIT = "masks"  # draws of their own: no clip is one of the data set's
_STRIDE = 41  # between the data set's numbers of two clips: their movers differ in colour, shape and motion
_SLOWEST = 1.5  # px a frame of a 240-px clip at which the mover must go beside the ground...
_SLOW_SHARE = 0.1  # ... but in this share of the frames
_TRIES = 200
_CRF = 20
_USUAL: Mapping[str, Any] = MappingProxyType(
    {
        "frames": LENGTH,
        "distractors": 7,
        "pan": 0.0,
        "flicker": 0.0,
        "still_share": 0.0,
        "contrast": 1.0,
        "shadow": 0.0,
        "zoom": 0.0,
        "rotation": 0.0,
        "shake": 0.0,
        "cut": False,
        "seed": 0,
        "ground_level": 90.0,
        "ground_texture": 22.0,
        "texture": 25.0,
        "texture_scales": 4,
        "noise": 2.0,
    }
)


@dataclass(frozen=True)
class Condition:
    """What is made harder, in words, the options of `moving-shapes` that say so, and how its clips are shown."""

    name: str
    summary: str
    changes: Mapping[str, Any] = field(default_factory=dict, hash=False)
    staging: Staging = "as drawn"

    def look(self, size: int) -> Look:
        """Return what decides the pixels: these changes, and what all conditions share."""
        changes = {name: value for name, value in self.changes.items() if name != "crf"}
        return Look(**{**_USUAL, "size": size, **changes})

    @property
    def crf(self) -> int:
        """How coarsely x264 encodes."""
        return int(self.changes.get("crf", _CRF))


CONDITIONS = (
    Condition("still", "the camera is still; ground and shapes are textured, as in all others but the last two"),
    Condition("pan-0.8", "the camera pans by 0.8 px a frame", {"pan": 0.8}),
    Condition("pan-2", "the camera pans by 2 px a frame", {"pan": 2.0}),
    Condition("pan-4", "the camera pans by 4 px a frame", {"pan": 4.0}),
    Condition("shake", "the camera is off by up to 3 px either way, anew in each frame", {"shake": 3.0}),
    Condition("zoom", "the camera zooms by 1 % a frame", {"zoom": 0.01}),
    Condition("rotation", "the camera turns by half a degree a frame", {"rotation": 0.5}),
    Condition("flicker", "brightness changes by up to 15 grey levels, anew in each frame", {"flicker": 15.0}),
    Condition("pan-flicker", "both pan-0.8 and flicker", {"pan": 0.8, "flicker": 15.0}),
    Condition("noise", "grain of 8 grey levels", {"noise": 8.0}),
    Condition("crf-30", "encoded by x264 at CRF 30; the others at 20", {"crf": 30}),
    Condition("crf-40", "encoded by x264 at CRF 40", {"crf": 40}),
    Condition("cut", "in the middle a cut to another ground and other still shapes", {"cut": True}),
    Condition(
        "repeated",
        "pan-2, its 25 pictures a second shown as 30",
        {"pan": 2.0},
        "repeated",
    ),
    Condition("letterbox", "shake, with black bars above and below", {"shake": 3.0}, "bars"),
    Condition("low-contrast", "the mover's colour is 15 % as far from the ground's", {"contrast": 0.15}),
    Condition("shadow", "a soft shadow that takes 60 % of the light follows the mover", {"shadow": 0.6}),
    Condition("flat-object", "shapes without texture", {"texture": 0.0}),
    Condition("flat-ground", "ground without texture", {"ground_texture": 0.0}),
)


def find_conditions(names: Sequence[str]) -> tuple[Condition, ...]:
    """Return those of these names, in the order of the table; all where there is no name. Raises `FdakitError`."""
    known = {condition.name: condition for condition in CONDITIONS}
    for name in names:
        if name not in known:
            raise FdakitError(f"bench: no condition {name!r}; {nearest(name, known)}")
    return tuple(condition for condition in CONDITIONS if not names or condition.name in names)


@dataclass(frozen=True)
class MaskClip:
    """A rendered clip: where it lies, and where its mover lies in each frame, bool `(t, h, w)`."""

    video: VideoRef
    truth: NDArray[np.bool_]


def make_clip(condition: Condition, number: int, *, size: int, cache: Path) -> MaskClip:
    """Return the clip of that number, rendered below `cache` if it is not there.

    Raises `FdakitError` if it cannot be written.
    """
    path = _path(condition, number, size, cache)
    if not path.is_file():
        _write(condition, number, size, path)
    truth = mover_masks(condition.look(size), _SPLIT, _index(condition, number, size))
    return MaskClip(VideoRef(f"{condition.name}-{number}", path), staged(truth, condition.staging))


def make_clips(
    conditions: Sequence[Condition], *, clips: int, size: int, cache: Path, progress: Callable[[int, int], None]
) -> None:
    """Render what is not there of all `clips` clips a condition, so that no measuring waits for it."""
    total = len(conditions) * clips
    wanted = [(condition, number) for condition in conditions for number in range(clips)]
    missing = [one for one in wanted if not _path(*one, size, cache).is_file()]
    for done, (condition, number) in enumerate(missing, total - len(missing) + 1):
        _write(condition, number, size, _path(condition, number, size, cache))
        progress(done, total)


@cache
def _index(condition: Condition, number: int, size: int) -> int:
    """Return which clip of the data set it is. One whose mover goes along with the ground is passed over."""
    before = _index(condition, number - 1, size) if number else -_STRIDE
    look = condition.look(size)
    for index in range(before + _STRIDE, before + _STRIDE * _TRIES, _STRIDE):
        slow = mover_speeds(look, _SPLIT, index) < _SLOWEST * size / 240
        if slow.mean() <= _SLOW_SHARE:
            return index
    raise FdakitError(f"bench masks: condition {condition.name!r}: every mover goes along with the ground")


def _path(condition: Condition, number: int, size: int, cache: Path) -> Path:
    """In a folder named by everything that decides the clips' bytes, among those that `fdakit cache` knows."""
    facts = json.dumps(
        [
            asdict(condition.look(size)),
            condition.crf,
            condition.staging,
            _STRIDE,
            _SLOWEST,
            _SLOW_SHARE,
            VERSION,
            codec(),
        ],
        sort_keys=True,
    )
    return cache / "bench" / f"masks-{blake2b(facts.encode(), digest_size=8).hexdigest()}" / f"{number:03d}.mp4"


def _write(condition: Condition, number: int, size: int, path: Path) -> None:
    drawn = draw_clip(condition.look(size), _SPLIT, _index(condition, number, size))
    with write_errors(path, advice="free space or set FDAKIT_CACHE"), atomic_file(path) as part:
        write_clip(staged(drawn, condition.staging), part, crf=condition.crf)
