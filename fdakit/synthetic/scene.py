"""What a clip of `moving-shapes` shows: words, colours, paths and places. No pixel is drawn here.

One shape moves, the others lie still. In any single frame the mover looks like the others: same colours,
shapes, sizes and places. Only a comparison of frames tells which one moves. Its path keeps off the
others as far as there is room; if there is none, it passes in front of them.

Every clip is drawn from its own keys (seed, split, index) and depends on no other clip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fdakit.plugin import keyed_rng

Floats = NDArray[np.float64]

# Every colour lies far more than 25 grey levels (BT.601) above the usual ground; the nearest is blue.
COLOURS: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {
        "red": (234, 52, 48),
        "orange": (246, 142, 30),
        "yellow": (250, 222, 60),
        "green": (52, 178, 74),
        "cyan": (70, 208, 222),
        "blue": (72, 112, 250),
        "pink": (244, 120, 184),
        "white": (240, 240, 236),
    }
)
SHAPES = ("circle", "square", "triangle", "cross")
MOTIONS = ("moves across", "falls down", "goes round")
PLACES = ("on the left", "in the middle", "on the right")
KINDS = tuple(product(COLOURS, SHAPES))
CAPTIONS = len(KINDS) * len(MOTIONS)  # 96 about movers; as many about still shapes, by their place

RADIUS = (0.1, 0.125)  # of a shape, as shares of the picture's side
_TRIES = 48  # places tried for a still shape before the roomiest is taken


@dataclass(frozen=True)
class Look:
    """What decides the pixels of a clip; the fields are the options of the same name."""

    frames: int
    size: int
    distractors: int
    pan: float
    flicker: float
    noise: float
    still_share: float
    ground_level: float
    ground_texture: float
    texture: float
    texture_scales: int
    contrast: float
    shadow: float
    zoom: float
    rotation: float
    shake: float
    cut: bool
    seed: int


@dataclass(frozen=True)
class Shape:
    """One shape: its colour and form, radius in pixels, and centres `(t, 2)` as x, y (t is 1 if still)."""

    kind: tuple[str, str]
    radius: float
    centres: Floats


@dataclass(frozen=True)
class Scene:
    """What a clip shows, before any pixel is drawn: `still` shapes in drawing order, then the `mover`.

    From frame `cut` on, `later` shapes lie there instead of `still` ones; without a cut that frame never comes.
    """

    caption: str
    mover: Shape
    still: tuple[Shape, ...]
    cut: int
    later: tuple[Shape, ...] = ()


def plan_scene(look: Look, split: str, index: int) -> Scene:
    """Return the scene of one clip. Captions run through all of them in turn: `index` and `index + 96` share one."""
    rng = keyed_rng(look.seed, "scene", split, index)
    number, which = divmod(index % CAPTIONS, len(MOTIONS))
    named, names_still = KINDS[number], rng.random() < look.still_share
    kinds = [named, *other_kinds(named, look.distractors, rng)]
    # The mover comes first, unless the caption names a still shape: then that one comes second.
    motion = which
    if names_still:
        kinds[0], kinds[1] = kinds[1], kinds[0]
        motion = int(rng.integers(len(MOTIONS)))
    radii = look.size * rng.uniform(*RADIUS, size=len(kinds))
    path = _points(np.array(motion), rng.random(5), np.linspace(0, 1, look.frames), radii[0], look.size)
    third = which if names_still else None
    centres = still_places(radii, third, path, look.size, rng)
    shapes = [Shape(k, float(r), c) for k, r, c in zip(kinds, radii, [path, *centres], strict=True)]
    does = f"rests {PLACES[which]}" if names_still else MOTIONS[which]
    article = "an" if named[0][0] in "aeiou" else "a"
    caption = f"{article} {' '.join(named)} {does}"
    if not look.cut:
        return Scene(caption, shapes[0], tuple(shapes[1:]), look.frames)
    later = _later_shapes(look, shapes[0], keyed_rng(look.seed, "scene after the cut", split, index))
    return Scene(caption, shapes[0], tuple(shapes[1:]), look.frames // 2, later)


def _later_shapes(look: Look, mover: Shape, rng: np.random.Generator) -> tuple[Shape, ...]:
    """Return as many still shapes for the scene after a cut, clear of the same mover's path."""
    kinds = other_kinds(mover.kind, look.distractors, rng)
    radii = np.array([mover.radius, *(look.size * rng.uniform(*RADIUS, size=len(kinds)))])
    places = still_places(radii, None, mover.centres, look.size, rng)
    return tuple(Shape(k, float(r), c) for k, r, c in zip(kinds, radii[1:], places, strict=True))


def other_kinds(named: tuple[str, str], count: int, rng: np.random.Generator) -> list[tuple[str, str]]:
    """Return `count` kinds, all of different colours: a colour seen twice would tell that it is not the named one."""
    colours = [c for c in COLOURS if c != named[0]]
    chosen = rng.permutation(len(colours))[:count]
    return [(colours[i], SHAPES[int(rng.integers(len(SHAPES)))]) for i in chosen]


def _points(motion: NDArray[np.int64], draws: Floats, phase: Floats, radius: Floats, size: int) -> Floats:
    """Return centres `(..., 2)` on paths that stay in the frame."""
    share, shift, side, turn, sense = np.moveaxis(draws, -1, 0)
    low = radius + 1
    span = size - 1 - 2 * low
    travel = 0.7 + 0.25 * share
    # Things move across to either side, but fall only down.
    forward = np.where((motion == 0) & (turn < 0.5), 1 - phase, phase)
    along = low + span * ((1 - travel) * shift + travel * forward)
    aside = low + span * side
    orbit = span * (0.26 + 0.1 * share)
    angle = 2 * np.pi * (turn + 0.85 * phase * np.where(sense < 0.5, 1, -1))
    round_x = low + orbit + shift * (span - 2 * orbit) + orbit * np.cos(angle)
    round_y = low + orbit + side * (span - 2 * orbit) + orbit * np.sin(angle)
    x = np.choose(motion, (along, aside, round_x))
    y = np.choose(motion, (aside, along, round_y))
    return np.stack([x, y], axis=-1)


def still_places(radii: Floats, third: int | None, path: Floats, size: int, rng: np.random.Generator) -> list[Floats]:
    """Return centres `(1, 2)` of all shapes but the mover; the first in a `third` of the frame, if set."""
    tries = (len(radii) - 1, _TRIES)
    motions = rng.integers(len(MOTIONS), size=tries)
    places = _points(motions, rng.random((*tries, 5)), rng.random(tries), radii[1:, None], size)
    if third is not None:
        # Into a quarter of the room on the left, in the middle or on the right, with gaps between them.
        low = radii[1] + 1
        places[0, :, 0] = low + 0.25 * (places[0, :, 0] - low) + 0.375 * third * (size - 1 - 2 * low)
    taken, reach = path, np.full(len(path), radii[0])
    centres = []
    for spots, radius in zip(places, radii[1:], strict=True):
        away = spots[:, None] - taken
        room = (np.hypot(away[..., 0], away[..., 1]) - reach).min(axis=1) - radius
        best = int(room.argmax() if room.max() < 0 else (room >= 0).argmax())
        centres.append(spots[best, None])
        taken, reach = np.append(taken, spots[best, None], axis=0), np.append(reach, radius)
    return centres
