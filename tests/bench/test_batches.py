"""`bench batches`: both loaders give the same batches before they are timed, and the figures are those measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fdakit.bench.batch_tables import batch_table
from fdakit.bench.batches import bench_batches
from fdakit.catalog import load_catalog
from fdakit.cli.main import execute
from fdakit.errors import FdakitError

pytestmark = pytest.mark.integration


def test_both_loaders_are_timed_on_the_same_batches(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--frames", "4", "--size", "32", "--batch", "3", "--workers", "1", "--rounds", "2", "--json"]
    assert execute(["bench", "batches", str(clips / "pink-down.mp4"), str(clips / "red-rests.mp4"), *sizes]) == 0
    found = json.loads(capsys.readouterr().out)
    for key in ("warm", "first", "last"):
        assert [one["name"] for one in found[key]] == ["fdakit", "torch DataLoader"]
        assert all(one["median"] > 0 for one in found[key])
    assert all(first["median"] <= last["median"] for first, last in zip(found["first"], found["last"], strict=True))
    speed, _, _ = batch_table(found).rows
    assert speed[1] == f"{3 / found['warm'][0]['median']:,.0f}"


def test_a_clip_that_cannot_be_read_is_named(clips: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    with pytest.raises(FdakitError, match=r"broken\.mp4"):
        bench_batches(
            [clips / "pink-down.mp4", broken], catalog=load_catalog(), frames=4, size=32, batch=2, workers=1, rounds=1
        )
