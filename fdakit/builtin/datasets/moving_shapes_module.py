"""Draws the scenes of `moving-shapes` with numpy and encodes them with PyAV.

Shapes are drawn from their signed edge distance, only inside a small window around each centre, as most
pixels of a frame are ground.
"""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

from fdakit import keyed_rng

from .moving_shapes_scene_module import COLOURS, Look, Shape, plan_scene

VERSION = 1  # part of the cache key: raise it with every change of a pixel or of the encoding

_GROUND, _TEXTURE = 40.0, 9.0  # grey levels: mean of the ground and deviation of its pattern
_RIM = 0.3  # how much darker the outermost pixel and a half of a shape is
_FPS = 8
_X264 = {"crf": "20", "preset": "veryfast", "tune": "zerolatency"}

Floats = NDArray[np.float32]


def draw_clip(look: Look, split: str, index: int) -> NDArray[np.uint8]:
    """Frames uint8 `(t, h, w, 3)` of one clip."""
    scene = plan_scene(look, split, index)
    # All draws are made whatever the options, so that pan or flicker alone changes nothing else.
    rng = keyed_rng(look.seed, "pixels", split, index)
    world = _ground(look.size, rng)
    for shape in scene.still:
        _paint(world[None], shape)
    frames = _film(world, look, -1 if rng.random() < 0.5 else 1)
    _paint(frames, scene.mover)
    frames += look.flicker * rng.uniform(-1, 1, (look.frames, 1, 1, 1)).astype(np.float32)
    frames += _grain(look, rng)
    return np.clip(np.rint(frames, out=frames), 0, 255, out=frames).astype(np.uint8)


def mover_masks(look: Look, split: str, index: int) -> NDArray[np.bool_]:
    """Where the moving shape lies in each frame: bool `(t, h, w)`."""
    mover = plan_scene(look, split, index).mover
    cells = np.arange(look.size, dtype=np.float32)
    centres = mover.centres.astype(np.float32)
    dx = cells[None, None, :] - centres[:, 0, None, None]
    dy = cells[None, :, None] - centres[:, 1, None, None]
    inside: NDArray[np.bool_] = _edge_distance(mover, dx, dy) < 0
    return inside


def _edge_distance(shape: Shape, dx: Floats, dy: Floats) -> Floats:
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


def _paint(canvas: Floats, shape: Shape) -> None:
    """Draws the shape onto `canvas (t, h, w, 3)` at its centres `(t, 2)`, edges smoothed over one pixel."""
    t, h, w, _ = canvas.shape
    side = int(2 * shape.radius) + 4
    centres = shape.centres.astype(np.float32)
    cells = np.floor(centres - side / 2 + 0.5).astype(np.int64)[..., None] + np.arange(side)  # (t, 2, side)
    away = cells - centres[..., None]
    edge = _edge_distance(shape, away[:, 0, None, :], away[:, 1, :, None])[..., None].astype(np.float32)
    ink = np.array(COLOURS[shape.kind[0]], np.float32) * (1 - _RIM * np.clip(edge + 1.6, 0, 1))
    # Windows may reach a pixel beyond the canvas, where the shape covers nothing: there they wrap around.
    window = (np.arange(t)[:, None, None], cells[:, 1, :, None] % h, cells[:, 0, None, :] % w)
    under = canvas[window]
    canvas[window] = under + np.clip(0.5 - edge, 0, 1) * (ink - under)


def _ground(size: int, rng: np.random.Generator) -> Floats:
    """A dark, tinted cloth `(h, w, 3)`, wider than the picture so that a camera can pan; it has no seam."""
    cloth = rng.standard_normal((size, size + size // 2), dtype=np.float32)
    for step in (1, 2):
        cloth = cloth + np.roll(cloth, step, axis=0)
        cloth = cloth + np.roll(cloth, step, axis=1)
    level = _GROUND + rng.uniform(-8, 8) + _TEXTURE / cloth.std() * cloth
    tint = rng.uniform(0.8, 1.2, 3).astype(np.float32)
    ground: Floats = np.clip(level, 0, 255)[..., None] * tint
    return ground


def _film(world: Floats, look: Look, side: int) -> Floats:
    """The camera's views `(t, size, size, 3)` of a world `(size, w, 3)` that closes into a ring."""
    if look.pan == 0:
        return np.repeat(world[None, :, : look.size], look.frames, axis=0)
    start = side * look.pan * np.arange(look.frames) % world.shape[1]
    whole = start.astype(np.int64)
    part = (start - whole).astype(np.float32)[:, None, None, None]
    columns = (whole[:, None] + np.arange(look.size + 1)) % world.shape[1]
    views = np.moveaxis(world[:, columns], 1, 0)
    film: Floats = (1 - part) * views[:, :, :-1] + part * views[:, :, 1:]
    return film


def _grain(look: Look, rng: np.random.Generator) -> Floats:
    """Sensor noise `(t, h, w, 1)`: one tile of it, shifted anew for each frame, as fresh draws cost more."""
    tile = look.noise * rng.standard_normal((2 * look.size, 2 * look.size), dtype=np.float32)
    corners = rng.integers(look.size, size=(look.frames, 2))
    return np.stack([tile[y : y + look.size, x : x + look.size, None] for y, x in corners])


@cache
def codec() -> str:
    """The encoder in use: `libx264`, or `mpeg4` with one warning where PyAV was built without it."""
    if "libx264" in av.codecs_available:
        return "libx264"
    warnings.warn("this PyAV has no libx264; moving-shapes are encoded as mpeg4 instead", stacklevel=2)
    return "mpeg4"


def write_clip(frames: NDArray[np.uint8], path: Path) -> None:
    """Encodes frames `(t, h, w, 3)` of even size into an MP4 file; equal frames give equal bytes."""
    _, height, width, _ = frames.shape
    with av.open(str(path), "w", format="mp4") as file:
        stream = cast(av.VideoStream, file.add_stream(codec(), rate=_FPS))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.gop_size = 250  # one key frame: short files, and no jump in still parts
        if codec() == "libx264":
            stream.options = dict(_X264)
        else:
            stream.bit_rate = 100 * width * height
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(stream.encode())
