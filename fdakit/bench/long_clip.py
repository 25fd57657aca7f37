"""The long clip of `fdakit bench decode --long`: two minutes of 1080p H.264, rendered once and kept in the cache.

Encoded as x264 does by default: medium preset, up to 250 frames between keyframes, up to three B-frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from fdakit.errors import FdakitError
from fdakit.system.atomic_files import atomic_file, write_errors

VERSION = 1  # part of the file's name: raise it with every change of a pixel or of the encoding
SECONDS, RATE, HEIGHT, WIDTH = 120, 25, 1080, 1920

Plane = NDArray[np.uint8]


def make_long_clip(
    cache: Path,
    *,
    seconds: int = SECONDS,
    height: int = HEIGHT,
    width: int = WIDTH,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Return the clip's path below `cache`, rendered if it is not there. Sides must be even.

    Raises `FdakitError` if PyAV has no libx264 or the file cannot be written.
    """
    path = cache / "bench" / f"{width}x{height}-{seconds}s-v{VERSION}.mp4"
    if path.is_file():
        return path
    if "libx264" not in av.codecs_available:
        raise FdakitError("bench: this PyAV has no libx264 to render the long clip; install a PyAV wheel with it")
    with write_errors(path, advice="free space or set FDAKIT_CACHE"), atomic_file(path) as part:
        _write(part, seconds * RATE, height, width, progress)
    return path


def _write(path: Path, count: int, height: int, width: int, progress: Callable[[int, int], None]) -> None:
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=RATE, options={"preset": "medium", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, planes in enumerate(_draw(count, height, width)):
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            file.mux(stream.encode(frame))
            if (number + 1) % RATE == 0:
                progress(number + 1, count)
        file.mux(stream.encode(None))


def _draw(count: int, height: int, width: int) -> Iterator[Plane]:
    """Return frames `(1.5 h, w)`, YUV 4:2:0: a camera swaying over textured ground, five objects, film grain."""
    rng = np.random.default_rng(VERSION)
    sway = height * 200 // 1080
    ground = _texture(rng, height + 2 * sway, width + 2 * sway)
    things = [_texture(rng, height // 5, height // 5) // 2 + 96 for _ in range(5)]
    grain = rng.normal(0, 2, (height + 64, width + 64)).astype(np.int16)
    ways = rng.uniform(0.3, 1.7, (5, 4))  # speeds down and right, and where each thing begins
    for number in range(count):
        time = number / RATE
        top, left = (int(sway + (sway - 1) * np.sin(time * speed)) for speed in (0.23, 0.37))
        luma = ground[top : top + height, left : left + width].copy()
        for thing, (down, right, high, wide) in zip(things, ways, strict=True):
            y = int((height - len(thing)) * (0.5 + 0.5 * np.sin(down * time + 4 * high)))
            x = int((width - len(thing)) * (0.5 + 0.5 * np.sin(right * time + 4 * wide)))
            luma[y : y + len(thing), x : x + len(thing)] = thing
        dy, dx = rng.integers(64, size=2)
        luma = np.clip(luma + grain[dy : dy + height, dx : dx + width], 16, 235).astype(np.uint8)
        # Colour follows the brightness at half the size, pulled apart so that the picture is not grey.
        half = luma[::2, ::2] // 4
        yield np.concatenate([luma.ravel(), (96 + half).ravel(), (160 - half).ravel()]).reshape(-1, width)


def _texture(rng: np.random.Generator, height: int, width: int) -> Plane:
    """Smooth noise on four scales, 16 to 235."""
    total = np.zeros((height, width), np.float32)
    for step in (128, 48, 16, 6):
        coarse = rng.random((height // step + 2, width // step + 2), dtype=np.float32)
        rows, columns = (np.arange(side, dtype=np.float32) / step for side in (height, width))
        low, left = rows.astype(int), columns.astype(int)
        down, right = (rows - low)[:, None], (columns - left)[None]
        upper = coarse[low][:, left] * (1 - right) + coarse[low][:, left + 1] * right
        lower = coarse[low + 1][:, left] * (1 - right) + coarse[low + 1][:, left + 1] * right
        total += (upper * (1 - down) + lower * down) * step**0.5
    total -= total.min()
    texture: Plane = (16 + 219 * total / total.max()).astype(np.uint8)
    return texture
