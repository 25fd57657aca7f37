"""Where the golden fixtures lie: `FDAKIT_FIXTURES`, else the copies beside these tests."""

from __future__ import annotations

import os
from pathlib import Path


def fixtures(system: str) -> Path:
    """The folder of one reference system."""
    root = os.environ.get("FDAKIT_FIXTURES")
    return (Path(root) if root else Path(__file__).parent / "fixtures") / system


def cases(system: str) -> list[Path]:
    """Every case of the system: a folder with a meta.json."""
    return sorted(path.parent for path in fixtures(system).glob("*/meta.json"))
