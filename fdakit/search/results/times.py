"""Times in a video as people write them, on screens and in names of files."""

from __future__ import annotations


def clock(seconds: float) -> str:
    """Return a time in a video: 4.5 as 0:04.5, an hour as 1:00:00."""
    hours, minutes, rest = _parts(seconds)
    shown = f"{rest:04.1f}".removesuffix(".0")
    return f"{hours}:{minutes:02d}:{shown}" if hours else f"{minutes}:{shown}"


def clock_name(seconds: float) -> str:
    """Return a time for the name of a file: 4.5 as 0m04.5s, an hour as 1h00m00.0s."""
    hours, minutes, rest = _parts(seconds)
    return f"{hours}h{minutes:02d}m{rest:04.1f}s" if hours else f"{minutes}m{rest:04.1f}s"


def _parts(seconds: float) -> tuple[int, int, float]:
    minutes, tenths = divmod(round(max(0.0, seconds) * 10), 600)
    hours, minutes = divmod(minutes, 60)
    return hours, minutes, tenths / 10
