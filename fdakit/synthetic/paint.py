"""Paints the shapes of `moving-shapes` with numpy, and the shadow of the one that moves.

Shapes are drawn from their signed edge distance, only inside a small window around each centre, as most
pixels of a frame are ground.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .scene import COLOURS, Shape

Floats = NDArray[np.float32]
Cells = NDArray[np.int64]

_RIM = 0.3  # how much darker the outermost pixel and a half of a shape is
_SUN = np.array([0.5, 0.6])  # where the shadow lies: to the right and down, in radii
_PENUMBRA = 0.5  # width of the shadow's soft edge, in radii


def paint(canvas: Floats, shape: Shape, *, colour: Floats | None = None, cloth: Floats | None = None) -> None:
    """Draw the shape onto `canvas (t, h, w, 3)` at its centres `(t, 2)`, edges smoothed over one pixel."""
    t, h, w, _ = canvas.shape
    side = int(2 * shape.radius) + 4
    centres = shape.centres.astype(np.float32)
    cells = _cells(centres, side)
    away = cells - centres[..., None]
    edge = edge_distance(shape, away[:, 0, None, :], away[:, 1, :, None])[..., None].astype(np.float32)
    paint = np.array(COLOURS[shape.kind[0]], np.float32) if colour is None else colour
    ink = paint * (1 - _RIM * np.clip(edge + 1.6, 0, 1))
    if cloth is not None:
        ink = ink + _laid(cloth, away)[..., None]
    # Windows may reach a pixel beyond the canvas, where the shape covers nothing: there they wrap around.
    window = (np.arange(t)[:, None, None], cells[:, 1, :, None] % h, cells[:, 0, None, :] % w)
    under = canvas[window]
    canvas[window] = under + np.clip(0.5 - edge, 0, 1) * (ink - under)


def darken(canvas: Floats, shape: Shape, share: float) -> None:
    """Take this `share` of the light where the shape's soft shadow falls on `canvas (t, h, w, 3)`."""
    t, h, w, _ = canvas.shape
    soft = _PENUMBRA * shape.radius
    side = int(2 * shape.radius + soft) + 4
    centres = (shape.centres + _SUN * shape.radius).astype(np.float32)
    cells = _cells(centres, side)
    away = cells - centres[..., None]
    edge = edge_distance(shape, away[:, 0, None, :], away[:, 1, :, None])
    inside = (cells >= 0) & (cells < np.array([w, h])[:, None])
    cast = share * np.clip(0.5 - edge / soft, 0, 1) * (inside[:, 0, None, :] & inside[:, 1, :, None])
    window = (np.arange(t)[:, None, None], cells[:, 1, :, None] % h, cells[:, 0, None, :] % w)
    canvas[window] *= (1 - cast)[..., None].astype(np.float32)


def edge_distance(shape: Shape, dx: Floats, dy: Floats) -> Floats:
    """Signed distance to the shape's edge in pixels, negative inside; `dx`, `dy` are offsets from its centre."""
    r = np.float32(shape.radius)
    form = shape.kind[1]
    if form == "circle":
        return np.hypot(dx, dy) - 0.92 * r
    wide, high = np.abs(dx), np.abs(dy)
    if form == "square":
        return np.maximum(wide, high) - 0.8 * r
    if form == "triangle":  # equilateral, point up
        return np.maximum(dy, 0.866 * wide - 0.5 * dy) - 0.62 * r
    if form == "cross":
        thick, long = 0.33 * r, 0.97 * r
        return np.minimum(np.maximum(wide - thick, high - long), np.maximum(wide - long, high - thick))
    raise ValueError(f"no such shape: {form!r}")


def _cells(centres: Floats, side: int) -> Cells:
    """Return columns and rows `(t, 2, side)` of the windows around the centres `(t, 2)`."""
    first: Cells = np.floor(centres - side / 2 + 0.5).astype(np.int64)
    return first[..., None] + np.arange(side)


def _laid(cloth: Floats, away: Floats) -> Floats:
    """Return the cloth `(t, side, side)` at offsets `away (t, 2, side)` from the shape's centre."""
    whole = np.floor(away).astype(np.int64)
    right, down = (away - whole)[:, 0, None, :1], (away - whole)[:, 1, :1, None]
    rows = [(whole[:, 1, :, None] + step) % cloth.shape[0] for step in (0, 1)]
    columns = [(whole[:, 0, None, :] + step) % cloth.shape[1] for step in (0, 1)]
    upper, lower = ((1 - right) * cloth[row, columns[0]] + right * cloth[row, columns[1]] for row in rows)
    laid: Floats = (1 - down) * upper + down * lower
    return laid
