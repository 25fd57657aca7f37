"""What a clip of `moving-order` shows: one shape that goes one way, or one way and then another.

Clips come in pairs, of which the second is the first one backwards: the same frames in the opposite order, with the
caption of what is seen then. "moves left, then up" backwards is "moves down, then right".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from fdakit.plugin import keyed_rng

from .scene import KINDS, RADIUS, Floats, Look, Scene, Shape, other_kinds, still_places

Ways = tuple[str, ...]

STEPS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
)
_BACK: Mapping[str, str] = MappingProxyType({"left": "right", "right": "left", "up": "down", "down": "up"})
FORWARD: tuple[Ways, ...] = (
    *(("left",), ("up",)),
    *(("left", "up"), ("left", "down"), ("right", "up"), ("right", "down")),
)
"""The motions of the first clip of a pair; the second one's are these backwards."""
PAIRS = len(KINDS) * len(FORWARD)
CAPTIONS = 2 * PAIRS
_TRAVEL = (0.5, 0.8)  # of a way, as shares of the room


def backwards(ways: Ways) -> Ways:
    """Return the motion seen when the clip is played backwards."""
    return tuple(_BACK[way] for way in reversed(ways))


def motion_of(index: int) -> Ways:
    """Return the motion of one clip; `index` and `index + CAPTIONS` have the same."""
    ways = FORWARD[index // 2 % len(FORWARD)]
    return backwards(ways) if index % 2 else ways


def caption_of(index: int) -> str:
    """Return the caption of one clip."""
    colour, form = KINDS[index // 2 % PAIRS // len(FORWARD)]
    article = "an" if colour[0] in "aeiou" else "a"
    return f"{article} {colour} {form} moves {', then '.join(motion_of(index))}"


def plan_pair(look: Look, split: str, pair: int) -> Scene:
    """Return the scene of the first clip of a pair, which is clip `2 * pair`; the second is its frames backwards."""
    rng = keyed_rng(look.seed, "order", split, pair)
    named = KINDS[pair % PAIRS // len(FORWARD)]
    kinds = [named, *other_kinds(named, look.distractors, rng)]
    radii = look.size * rng.uniform(*RADIUS, size=len(kinds))
    path = _path(motion_of(2 * pair), look, float(radii[0]), rng)
    centres = still_places(radii, None, path, look.size, rng)
    mover, *still = (Shape(k, float(r), c) for k, r, c in zip(kinds, radii, [path, *centres], strict=True))
    return Scene(caption_of(2 * pair), mover, tuple(still), look.frames)


def _path(ways: Ways, look: Look, radius: float, rng: np.random.Generator) -> Floats:
    """Return centres `(t, 2)`, each way gone in an equal part of the time, all of it inside the picture."""
    low = radius + 1
    room = look.size - 1 - 2 * low
    lengths = room * rng.uniform(*_TRAVEL, size=len(ways))
    corners = np.zeros((len(ways) + 1, 2))
    corners[1:] = np.cumsum(lengths[:, None] * np.array([STEPS[way] for way in ways]), axis=0)
    least, most = corners.min(axis=0), corners.max(axis=0)
    start = low - least + rng.random(2) * (room - (most - least))
    phase, turns = np.linspace(0, 1, look.frames), np.linspace(0, 1, len(corners))
    return np.stack([start[axis] + np.interp(phase, turns, corners[:, axis]) for axis in (0, 1)], axis=-1)
