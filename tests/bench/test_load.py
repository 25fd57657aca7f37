"""`bench load`: frames as training gets them, with the mask, from the warm store, and beside the peers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fdakit.bench.load import MASKED, STORED, bench_load, load_peers
from fdakit.bench.peers import Peer
from fdakit.bench.ratios import OURS
from fdakit.bench.tables import ratio_table
from fdakit.catalog import load_catalog
from fdakit.plugin import VideoRef
from fdakit.system.optional_libraries import library_fault
from fdakit.video import read_frames


def test_rows_shares_and_failures(clips: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    paths = [clips / "pink-down.mp4", broken]
    found = bench_load(paths, catalog=load_catalog(), frames=4, size=32, rounds=2, peers=[])
    clip, lost = found["clips"]
    assert set(clip["seconds"]) == {OURS, MASKED, STORED}
    assert set(lost["failed"]) == {OURS, MASKED, STORED}
    seconds, summary = clip["seconds"], found["summary"]
    assert summary["mask"]["total_ratio"] == pytest.approx(seconds[MASKED] / seconds[OURS])
    assert summary["frame_store"]["median_ratio"] == pytest.approx(seconds[OURS] / seconds[STORED])
    labels = [row[0] for row in ratio_table(found).rows]
    assert labels[-2:] == ["with / without the mask", "without / with a warm frame store"]


@pytest.mark.parametrize("peer", load_peers(32), ids=lambda peer: peer.name)
def test_peers_give_the_frames_resized_and_cut(peer: Peer, clips: Path) -> None:
    if fault := library_fault(peer.module):
        pytest.skip(fault)
    seen = peer.read(clips / "pink-down.mp4", 3)
    assert seen.frames.shape == (3, 32, 32, 3)
    native = read_frames(VideoRef("a", clips / "pink-down.mp4"), indices=seen.indices).frames
    for ours, theirs in zip(native, seen.frames, strict=True):
        wanted = Image.fromarray(ours).resize((42, 32), Image.Resampling.BICUBIC).crop((5, 0, 37, 32))
        assert np.abs(np.asarray(wanted).astype(int) - theirs).mean() < 2


def test_the_peers_frames_are_compared_with_what_the_model_would_get(clips: Path) -> None:
    paths = [clips / "pink-down.mp4", clips / "red-rests.mp4"]
    found = bench_load(paths, catalog=load_catalog(), frames=4, size=32, rounds=1)
    for clip in found["clips"]:
        assert set(clip["differences"]) == set(found["summary"]["peers"])
        assert all(value < 3 for value in clip["differences"].values())
