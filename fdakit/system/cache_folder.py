"""The cache folder for data that can be made again: frames, rendered clips, models by name."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return `FDAKIT_CACHE`, else the user's own cache folder."""
    given = os.environ.get("FDAKIT_CACHE")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "fdakit"
