"""Draws the clips of `moving-shapes` and `moving-order` with numpy and encodes them with PyAV."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

from fdakit.plugin import keyed_rng

from .ground import draw_ground, plan_camera, weave
from .paint import darken, edge_distance, paint
from .scene import COLOURS, Look, Scene, Shape, plan_scene

VERSION = 1  # part of the cache key: raise it with every change of a pixel or of the encoding

_FPS = 8
_X264 = {"preset": "veryfast", "tune": "zerolatency"}

Floats = NDArray[np.float32]


def draw_clip(look: Look, split: str, index: int) -> NDArray[np.uint8]:
    """Return frames uint8 `(t, h, w, 3)` of one clip."""
    return draw_scene(look, plan_scene(look, split, index), split, index)


def draw_scene(look: Look, scene: Scene, split: str, index: int) -> NDArray[np.uint8]:
    """Return frames uint8 `(t, h, w, 3)` of a planned scene; ground, camera and grain are of this clip."""
    cloths = _cloths(look, split, index, count=1 + len(scene.still) + len(scene.later))
    # All draws are made whatever the options, so that pan or flicker alone changes nothing else.
    rng = keyed_rng(look.seed, "pixels", split, index)
    world = _world(look, scene.still, cloths[1:], rng)
    camera = plan_camera(look, -1 if rng.random() < 0.5 else 1, split, index)
    frames = camera.views(world, slice(scene.cut))
    if scene.cut < look.frames:
        other = keyed_rng(look.seed, "pixels after the cut", split, index)
        later = _world(look, scene.later, cloths[1 + len(scene.still) :], other)
        frames = np.concatenate([frames, camera.views(later, slice(scene.cut, None))])
    if look.shadow:
        darken(frames, scene.mover, look.shadow)
    paint(frames, scene.mover, colour=_seen_colour(look, scene.mover, world), cloth=cloths[0])
    frames += look.flicker * rng.uniform(-1, 1, (look.frames, 1, 1, 1)).astype(np.float32)
    frames += _grain(look, rng)
    return np.clip(np.rint(frames, out=frames), 0, 255, out=frames).astype(np.uint8)


def mover_masks(look: Look, split: str, index: int) -> NDArray[np.bool_]:
    """Return where the moving shape lies in each frame, its shadow left out: bool `(t, h, w)`."""
    mover = plan_scene(look, split, index).mover
    cells = np.arange(look.size, dtype=np.float32)
    centres = mover.centres.astype(np.float32)
    dx = cells[None, None, :] - centres[:, 0, None, None]
    dy = cells[None, :, None] - centres[:, 1, None, None]
    inside: NDArray[np.bool_] = edge_distance(mover, dx, dy) < 0
    return inside


def mover_speeds(look: Look, split: str, index: int) -> NDArray[np.float64]:
    """Return how far the mover goes beside the ground from each frame to the next, px `(t - 1,)`.

    Turn and zoom left out.
    """
    rng = keyed_rng(look.seed, "pixels", split, index)
    draw_ground(look, rng)
    camera = plan_camera(look, -1 if rng.random() < 0.5 else 1, split, index)
    away = np.diff(plan_scene(look, split, index).mover.centres + camera.shift, axis=0)
    return np.hypot(away[:, 0], away[:, 1])


def _world(look: Look, still: tuple[Shape, ...], cloths: list[Floats | None], rng: np.random.Generator) -> Floats:
    """Return the ground with the shapes that lie on it `(h, w, 3)`, each under its own of the `cloths`."""
    world = draw_ground(look, rng)
    for shape, cloth in zip(still, cloths, strict=False):
        paint(world[None], shape, cloth=cloth)
    return world


def _cloths(look: Look, split: str, index: int, *, count: int) -> list[Floats | None]:
    """Return textures in grey levels for as many shapes: one pattern, with another origin for each."""
    if not look.texture:
        return [None] * count
    rng = keyed_rng(look.seed, "texture", split, index)
    cloth = weave(rng.standard_normal((look.size, look.size), dtype=np.float32), look)
    cloth *= look.texture / cloth.std()
    return [np.roll(cloth, corner, axis=(0, 1)) for corner in rng.integers(look.size, size=(count, 2)).tolist()]


def _seen_colour(look: Look, mover: Shape, world: Floats) -> Floats | None:
    """Return the mover's colour as far from that of the ground as its contrast says; None for its own."""
    if look.contrast == 1:
        return None
    ground = np.median(world, axis=(0, 1))
    colour: Floats = ground + look.contrast * (np.array(COLOURS[mover.kind[0]], np.float32) - ground)
    return colour


def _grain(look: Look, rng: np.random.Generator) -> Floats:
    """Sensor noise `(t, h, w, 1)`: one tile of it, shifted anew for each frame, as fresh draws cost more."""
    tile = look.noise * rng.standard_normal((2 * look.size, 2 * look.size), dtype=np.float32)
    corners = rng.integers(look.size, size=(look.frames, 2))
    return np.stack([tile[y : y + look.size, x : x + look.size, None] for y, x in corners])


@cache
def codec() -> str:
    """Return the encoder in use: `libx264`, or `mpeg4` with one warning where PyAV was built without it."""
    if "libx264" in av.codecs_available:
        return "libx264"
    warnings.warn("this PyAV has no libx264; moving-shapes are encoded as mpeg4 instead", stacklevel=2)
    return "mpeg4"


def write_clip(frames: NDArray[np.uint8], path: Path, *, crf: int) -> None:
    """Encode frames `(t, h, w, 3)` of even size into an MP4 file; equal frames give equal bytes."""
    # One key frame: short files, and no jump in still parts.
    with _encoding(path, frames, gop_size=250) as stream:
        if codec() == "libx264":
            stream.options = {"crf": str(crf), **_X264}
        else:
            _, height, width, _ = frames.shape
            stream.bit_rate = int(100 * width * height * 2 ** ((20 - crf) / 6))  # 6 more: half the bits


def write_frames_apart(frames: NDArray[np.uint8], path: Path, *, quantiser: int) -> None:
    """Encode each frame `(h, w, 3)` of even size by itself: what it decodes to depends on no other frame.

    So a clip and the same one backwards decode to the same pictures, to the bit.
    """
    with _encoding(path, frames, gop_size=1) as stream:
        if codec() == "libx264":
            stream.options = {"qp": str(quantiser), **_X264}
        else:
            scale = str(max(2, round(31 * quantiser / 51)))
            stream.options = {"qmin": scale, "qmax": scale}


@contextmanager
def _encoding(path: Path, frames: NDArray[np.uint8], *, gop_size: int) -> Iterator[av.VideoStream]:
    """Yield the stream, whose quality the body sets; then encode the frames."""
    _, height, width, _ = frames.shape
    with av.open(str(path), "w", format="mp4") as file:
        stream = cast(av.VideoStream, file.add_stream(codec(), rate=_FPS))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.gop_size = gop_size
        yield stream
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(stream.encode())
