"""What an index was made of, as the user named it, so that it can be brought up to date without naming it again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from fdakit.errors import FdakitError
from fdakit.system.atomic_files import write_text

NAMES = "videos.json"


def remember(folder: Path, given: Sequence[str]) -> None:
    """Add names to those of an index, each with its absolute path. Raises `FdakitError` if it cannot be written."""
    known = _known(folder)
    absolute = [f"@{Path(one[1:]).absolute()}" if one.startswith("@") else str(_absolute(one)) for one in given]
    names = list(dict.fromkeys([*known, *absolute]))
    if names != known:
        write_text(folder / NAMES, json.dumps(names, indent=2) + "\n")


def remembered(folder: Path) -> list[str]:
    """Return the names. Raises `FdakitError` if there are none."""
    known = _known(folder)
    if not known:
        raise FdakitError(f"{folder.absolute()}: does not say what it was made of; name the videos or their folder")
    return known


def _known(folder: Path) -> list[str]:
    try:
        found = json.loads((folder / NAMES).read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _absolute(name: str) -> Path:
    return Path(name).expanduser().absolute()
