"""What tests of several packages share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The data folder that `FDAKIT_DATA` names: real annotations, clips and expected values. Read only."""
    value = os.environ.get("FDAKIT_DATA")
    if not value:
        pytest.skip("FDAKIT_DATA is not set; this test needs the shared data folder")
    path = Path(value)
    if not (path / "SOURCES.tsv").is_file():
        pytest.fail(f"FDAKIT_DATA={value} holds no SOURCES.tsv, so it is not the data folder")
    return path
