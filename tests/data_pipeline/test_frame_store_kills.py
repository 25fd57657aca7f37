"""Two processes fill one store and are killed with SIGKILL at random moments; what is left is right."""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.store_filling import fill_forever

from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_item import ClipItem
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.data_pipeline.shard_files import INDEX, Shard, read_entries
from fdakit.experiment.run import run_recipe
from fdakit.plugin import BuildContext, Preprocess, VideoRef
from fdakit.recipe.recipe import Recipe

NAMES = ("red-across", "green-across", "blue-down", "pink-down", "red-rests")
LARGE = Preprocess(size=512, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))  # records large enough to be torn


def written_by(pid: int, folder: Path) -> bool:
    """Whether that process has finished a record; it is in the name of its shards."""
    return any(any(read_entries(Shard(index))) for index in folder.glob(f"*-{pid}-*{INDEX}"))


def begin(source: ClipDataset, backwards: bool) -> Any:
    context = multiprocessing.get_context("forkserver" if hasattr(os, "fork") else "spawn")
    context.set_forkserver_preload(["fdakit.data_pipeline.clip_dataset"])
    process = context.Process(target=fill_forever, args=(source, backwards), daemon=True)
    process.start()
    return process


def kill_while_filling(source: ClipDataset, folder: Path, *, kills: int, seed: int) -> None:
    """Kill one of the two again and again, each at a random moment after it has begun to write."""
    rng = random.Random(seed)
    fillers = [begin(source, backwards) for backwards in (False, True)]
    try:
        for _ in range(kills):
            place = rng.randrange(2)
            deadline = time.monotonic() + 120
            while not written_by(fillers[place].pid, folder):
                assert time.monotonic() < deadline, "nobody fills the store"
                time.sleep(0.005)
            time.sleep(rng.random() * 0.1)
            fillers[place].kill()
            fillers[place].join()
            fillers[place] = begin(source, backwards=place == 1)
    finally:
        for filler in fillers:
            filler.kill()
            filler.join()


@pytest.mark.integration
@pytest.mark.parametrize("kills", [6, pytest.param(50, marks=pytest.mark.proof)], ids=["six kills", "fifty kills"])
def test_a_store_filled_by_killed_processes_holds_no_wrong_frame(
    make_recipe: Callable[..., Recipe], clips: Path, tmp_path: Path, kills: int
) -> None:
    folder = tmp_path / "frames"

    def source(**frame_store: Any) -> ClipDataset:
        videos = [VideoRef(name, clips / f"{name}.mp4") for name in NAMES]
        own = {"folder": str(folder), "draws": 100_000, **frame_store}
        recipe = make_recipe(mask={"use": "soft"}, frame_store=own)
        return ClipDataset(ClipSettings.of(recipe), videos, training=True, preprocess=LARGE, shapes=BuildContext())

    kill_while_filling(source(), folder, kills=kills, seed=kills)
    kept, plain = source(), source(enabled=False)
    shards = [Shard(index) for index in folder.glob(f"*{INDEX}")]
    filled = sum(1 for shard in shards for _ in read_entries(shard))
    torn = sum(shard.data.stat().st_size > shard.end + 64 for shard in shards)
    print(f"{kills} kills, {len(shards)} shards, {filled} records, {torn} shards ending in a torn record")
    assert len(shards) >= kills
    for epoch in range(min(8, 1 + filled // (2 * len(NAMES)))):
        for number in range(len(NAMES)):
            one, other = kept[ClipRequest(number, epoch)], plain[ClipRequest(number, epoch)]
            assert isinstance(one, ClipItem)
            assert isinstance(other, ClipItem)
            np.testing.assert_array_equal(one.frames, other.frames)
            np.testing.assert_array_equal(one.alphas["none"], other.alphas["none"])
            np.testing.assert_array_equal(one.times, other.times)
            assert one.notes == ()
    reports = [
        run_recipe(make_recipe(frame_store={"folder": str(folder), **also}), out=tmp_path / name).report
        for name, also in (("kept", {}), ("again", {}), ("plain", {"enabled": False}))
    ]
    assert reports[0] == reports[1] == reports[2]
