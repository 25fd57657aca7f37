"""The ground of `moving-shapes` and the camera that looks at it, drawn with numpy.

The world is a cloth that closes into a ring both ways, so that a camera never sees its end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fdakit.plugin import keyed_rng

from .scene import Look

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


def draw_ground(look: Look, rng: np.random.Generator) -> Floats:
    """Return a dark, tinted cloth `(h, w, 3)`, wider than the picture so that a camera can pan; it has no seam."""
    cloth = weave(rng.standard_normal((look.size, look.size + look.size // 2), dtype=np.float32), look)
    level = look.ground_level + rng.uniform(-8, 8) + look.ground_texture / cloth.std() * cloth
    tint = rng.uniform(0.8, 1.2, 3).astype(np.float32)
    ground: Floats = np.clip(level, 0, 255)[..., None] * tint
    return ground


def weave(noise: Floats, look: Look) -> Floats:
    """White noise `(h, w)` as a pattern of blots of 4 px, and of twice as large ones for each further scale."""
    cloth = noise
    for step in (1, 2):
        cloth = cloth + np.roll(cloth, step, axis=0)
        cloth = cloth + np.roll(cloth, step, axis=1)
    if look.texture_scales == 1:
        return cloth
    # Each scale is the same noise smoothed by a Gaussian twice as wide, of like deviation.
    high, wide = cloth.shape
    squares = np.fft.fftfreq(high)[:, None] ** 2 + np.fft.rfftfreq(wide) ** 2
    widths = [2.0**scale for scale in range(1, look.texture_scales)]
    gain = 1 + sum(width * np.exp(-2 * (np.pi * 1.1 * width) ** 2 * squares) for width in widths)
    return np.fft.irfft2(np.fft.rfft2(cloth) * gain, cloth.shape).astype(np.float32)


@dataclass(frozen=True)
class Camera:
    """How the camera looks at the world in each frame.

    `shift (t, 2)` in px to the right and down, `turn (t,)` in radians and `scale (t,)` about the picture's middle.
    """

    size: int
    shift: Doubles
    turn: Doubles
    scale: Doubles

    def views(self, world: Floats, frames: slice) -> Floats:
        """Return the views `(t, size, size, 3)` of a world `(h, w, 3)` in these frames."""
        shift, turn, scale = self.shift[frames], self.turn[frames], self.scale[frames]
        if shift[:, 1].any() or turn.any() or (scale != 1).any():
            return np.stack([self._view(world, *facts) for facts in zip(shift, turn, scale, strict=True)])
        if not shift.any():
            return np.repeat(world[None, :, : self.size], len(shift), axis=0)
        return self._panned(world, shift[:, 0] % world.shape[1])

    def _panned(self, world: Floats, start: Doubles) -> Floats:
        whole = start.astype(np.int64)
        part = (start - whole).astype(np.float32)[:, None, None, None]
        columns = (whole[:, None] + np.arange(self.size + 1)) % world.shape[1]
        views = np.moveaxis(world[:, columns], 1, 0)
        film: Floats = (1 - part) * views[:, :, :-1] + part * views[:, :, 1:]
        return film

    def _view(self, world: Floats, shift: Doubles, turn: float, scale: float) -> Floats:
        """Return one view, each pixel mixed of the four of the world that it falls between."""
        middle = (self.size - 1) / 2
        away = (np.arange(self.size) - middle) / scale
        x = middle + shift[0] + np.cos(turn) * away[None, :] - np.sin(turn) * away[:, None]
        y = middle + shift[1] + np.sin(turn) * away[None, :] + np.cos(turn) * away[:, None]
        left, top = np.floor(x), np.floor(y)
        right, down = ((whole - low).astype(np.float32)[..., None] for whole, low in ((x, left), (y, top)))
        columns = [(left.astype(np.int64) + step) % world.shape[1] for step in (0, 1)]
        rows = [(top.astype(np.int64) + step) % world.shape[0] for step in (0, 1)]
        upper, lower = ((1 - right) * world[row, columns[0]] + right * world[row, columns[1]] for row in rows)
        view: Floats = (1 - down) * upper + down * lower
        return view


def plan_camera(look: Look, side: int, split: str, index: int) -> Camera:
    """Return the camera of one clip; `side` is the way it pans, the others are drawn."""
    rng = keyed_rng(look.seed, "camera", split, index)
    turns, nears = np.where(rng.random(2) < 0.5, -1, 1)
    shift = look.shake * rng.uniform(-1, 1, (look.frames, 2))
    steps = np.arange(look.frames)
    shift[:, 0] += side * look.pan * steps
    # Out or in, the picture is never smaller than the world is drawn.
    scale: Doubles = np.power(1 + look.zoom, steps if nears > 0 else steps[::-1])
    return Camera(look.size, shift, turns * np.deg2rad(look.rotation) * steps, scale)
