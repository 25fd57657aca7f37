"""For tests of sound beside pictures: a video with a click every half second, and where clicks are heard."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 48000
CLICKS = 0.5  # seconds between them; the first is at 0.25 s


def clicking(
    path: Path, *, seconds: float = 4.0, codec: str = "aac", form: str | None = None, begins: float = 0.0
) -> Path:
    """A video of 25 frames a second, keyframes each 20, whose grey level is 30 + 2 i, with clicks.

    `begins` is what the clock of pictures and sound shows at first.
    """
    with av.open(str(path), "w", format=form) as container:
        options = {"g": "20", "bf": "2", "qp": "8", "sc_threshold": "0", "b_strategy": "0"}
        film = container.add_stream("libx264", rate=25, options=options)
        film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream(codec, rate=RATE, layout="mono")
        samples = clicks(seconds)
        for number in range(round(25 * seconds)):
            picture = np.full((48, 64, 3), 30 + 2 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number + round(25 * begins), Fraction(1, 25)
            container.mux(film.encode(frame))
            first = number * RATE // 25
            part = np.ascontiguousarray(samples[None, first : first + RATE // 25])
            heard = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = RATE, first + round(RATE * begins), Fraction(1, RATE)
            container.mux(sound.encode(heard))
        container.mux(film.encode(None))
        container.mux(sound.encode(None))
    return path


def clicks(seconds: float) -> NDArray[np.float32]:
    """Samples `(n,)`: 10 ms of a tone at each click."""
    times = np.arange(round(RATE * seconds)) / RATE
    since = (times - CLICKS / 2) % CLICKS
    tone = 0.8 * np.sin(2 * np.pi * 2000 * times)
    return np.where((since < 0.01) & (times >= CLICKS / 2), tone, 0).astype(np.float32)


def heard_clicks(path: Path) -> list[float]:
    """When clicks begin in a file, in seconds from its first picture."""
    with av.open(str(path)) as container:
        film, sound = container.streams.video[0], container.streams.audio[0]
        first = min(
            packet.pts for packet in container.demux(film) if packet.pts is not None and not packet.is_discard
        )
        zero = float(first * film.time_base)
        container.seek(0)
        found: list[float] = []
        for frame in container.decode(sound):
            level = np.abs(frame.to_ndarray().astype(np.float64)).max(axis=0)
            loud = np.flatnonzero(level > 0.3 * (32768 if "s16" in frame.format.name else 1))
            for place in loud.tolist():
                time = float(frame.pts * frame.time_base) + place / frame.sample_rate - zero
                if not found or time - found[-1] > 0.1:
                    found.append(time)
        return found
