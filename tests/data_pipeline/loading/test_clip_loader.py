"""Loader workers under watch: a stuck file is given up by name, a crash too, and a killed worker ends it in words."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import example_parts, video_faults
from safetensors.torch import load_file

from fdakit import FdakitError
from fdakit.catalog import Catalog, load_catalog
from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.data_pipeline.loading.clip_loader import ClipLoader, batches
from fdakit.experiment.run import run_recipe
from fdakit.mask_ops.controls import partner_of
from fdakit.plugin import Batch, BuildContext, Preprocess, VideoRef
from fdakit.recipe.recipe import Recipe

pytestmark = [pytest.mark.integration, pytest.mark.skipif(sys.platform == "win32", reason="ends by signal")]

MakeRecipe = Callable[..., Recipe]
NAMES = ("red-across", "green-across", "blue-down", "pink-down", "yellow-down", "white-across")
TOWER = Preprocess(size=32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
LIMIT = 4.0  # seconds for one small clip, the start of its process not counted: none that hangs has enough
PLAN = [[ClipRequest(0), ClipRequest(1)], [ClipRequest(2), ClipRequest(3)], [ClipRequest(4), ClipRequest(5)]]


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """What is installed, the reader that hangs or dies, and a soft mask."""
    return load_catalog(extra=[video_faults, example_parts])


@pytest.fixture
def make_source(make_recipe: MakeRecipe, clips: Path) -> Callable[..., ClipDataset]:
    """`make_source("blue-down", end=9, limit=LIMIT)`: at that video the reader dies of the signal; 0: it hangs."""

    def make(video: str = "", *, end: int = 0, limit: float = 0.0, controls: Any = ()) -> ClipDataset:
        recipe = make_recipe(
            reader={"use": "troubled", "video": video, "end": end}, loader={"time_limit": limit, "prefetch": 1}
        )
        videos = [VideoRef(name, clips / f"{name}.mp4") for name in NAMES]
        return ClipDataset(
            ClipSettings.of(recipe),
            videos,
            training=False,
            preprocess=TOWER,
            shapes=BuildContext(),
            controls=controls,
        )

    return make


def read(source: ClipDataset, *, workers: int = 2) -> list[Batch]:
    return list(batches(source, PLAN, workers=workers, prefetch=1))


def left_over(before: set[Any]) -> list[Any]:
    from multiprocessing import active_children

    return [process for process in active_children() if process not in before and process.is_alive()]


def test_a_stuck_file_is_named_and_given_up_and_all_else_is_read(make_source: Callable[..., ClipDataset]) -> None:
    from multiprocessing import active_children

    before, handler = set(active_children()), signal.getsignal(signal.SIGCHLD)
    source = make_source("blue-down", limit=LIMIT)
    found = read(source)
    assert [batch.ids for batch in found] == [NAMES[:2], NAMES[3:4], NAMES[4:]]
    ((lost,),) = [batch.lost for batch in found if batch.lost]
    assert lost.id == "blue-down"
    assert "blue-down.mp4: took a loader worker longer than loader.time_limit, 4 s" in lost.reason
    assert "fdakit data check" in lost.reason
    again = read(source, workers=0)  # in the next epoch nobody waits for it
    assert [batch.lost for batch in again] == [batch.lost for batch in found]
    assert left_over(before) == []
    assert signal.getsignal(signal.SIGCHLD) == handler


def test_a_stuck_partner_does_not_take_its_video_along(make_source: Callable[..., ClipDataset]) -> None:
    partner = partner_of(NAMES[0], NAMES, seed=3)
    assert partner not in NAMES[:2]
    source = make_source(partner, limit=LIMIT, controls=["none", "other-video"])
    (batch,) = batches(source, PLAN[:1], workers=1, prefetch=1)
    assert batch.ids == NAMES[:2]
    assert batch.lost == ()
    assert list(source.left_out) == [partner]


def test_a_crash_is_the_files_fault(make_source: Callable[..., ClipDataset]) -> None:
    source = make_source("pink-down", end=video_faults.CRASH)
    ids = [video for batch in read(source) for video in batch.ids]
    assert ids == [name for name in NAMES if name != "pink-down"]
    assert "pink-down.mp4: the loader worker that read it crashed (SIGSEGV)" in source.left_out["pink-down"]


def test_a_killed_worker_is_reported_with_what_it_read(make_source: Callable[..., ClipDataset]) -> None:
    from multiprocessing import active_children

    before = set(active_children())
    found = batches(make_source("blue-down", end=video_faults.KILL), PLAN, workers=1, prefetch=1)
    assert next(found).ids == NAMES[:2]
    with pytest.raises(FdakitError) as caught:
        next(found)
    assert type(caught.value) is FdakitError
    words = str(caught.value)
    assert words.startswith("loader.workers: a loader worker was killed (SIGKILL) while reading ")
    assert "blue-down.mp4 (video 'blue-down'); " in words
    assert words.endswith("lower loader.workers or loader.prefetch, or find more memory")
    assert left_over(before) == []


def test_one_crew_reads_epochs_and_validations_bit_for_bit(make_recipe: MakeRecipe, clips: Path) -> None:
    """Of a training set and another set, in turn: by two workers, by one, and in this process."""
    recipe = make_recipe(mask={"use": "soft"}, view={"flip": 0.5})
    videos = [VideoRef(name, clips / f"{name}.mp4") for name in NAMES]

    def source(training: bool) -> ClipDataset:
        return ClipDataset(
            ClipSettings.of(recipe),
            videos if training else [*videos[2:], VideoRef("gone", clips / "gone.mp4")],
            training=training,
            preprocess=TOWER,
            shapes=BuildContext(),
            controls=["none", "whole-frame"],
        )

    def read_all(workers: int) -> tuple[list[Batch], set[tuple[int, ...]]]:
        training, other, found, pids = source(True), source(False), [], set()
        with ClipLoader(workers) as loader:
            for epoch in range(2):
                plan = [
                    [ClipRequest(video, epoch, f"caption {video}") for video in videos] for videos in ((0, 3), (1, 2))
                ]
                for some, of_some in ((training, plan), (other, [[ClipRequest(k) for k in (4, 1, 0)]])):
                    found += loader.batches(some, of_some, prefetch=1)
                    pids.add(loader.pids)
        return found, pids

    (here, none), (one, single), (two, pair) = map(read_all, (0, 1, 2))
    assert (none, [len(pids) for pids in single], [len(pids) for pids in pair]) == ({()}, [1], [2])
    assert [batch.ids for batch in here] == [
        ("red-across", "pink-down"),
        ("green-across", "blue-down"),
        (NAMES[3], NAMES[2]),
    ] * 2
    for whole, *others in zip(here, one, two, strict=True):
        for other in others:
            equal(whole, other)


def equal(one: Batch, other: Batch) -> None:
    assert (one.ids, one.texts, one.lost, list(one.alphas)) == (
        other.ids,
        other.texts,
        other.lost,
        list(other.alphas),
    )
    assert all(torch.equal(getattr(one, name), getattr(other, name)) for name in ("frames", "valid", "times"))
    assert all(torch.equal(alpha, other.alphas[control]) for control, alpha in one.alphas.items())


@pytest.mark.integration
def test_a_stuck_file_in_an_evaluation_is_a_miss(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(
        reader={"use": "troubled", "video": "yellow-down.mp4"},
        loader={"workers": 1, "time_limit": LIMIT},
        train={"epochs": 0},
    )
    videos = run_recipe(recipe, out=tmp_path / "run").report.to_json()["videos"]
    assert (videos["counted"], list(videos["damaged_reasons"])) == (6, ["yellow-down.mp4"])


@pytest.mark.integration
def test_a_worker_killed_in_training_leaves_the_last_checkpoint_whole(
    make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    import os

    from fdakit.inference.checkpoint import Checkpoint

    class Killer:
        """Kills a loader worker in the second epoch."""

        def progressed(self, what: str, done: int, total: int) -> None:
            from multiprocessing import active_children

            if what == "training" and done == 4:
                for process in active_children():
                    os.kill(process.pid or 0, signal.SIGKILL)

    from fdakit.experiment import run as runs

    recipe = make_recipe(loader={"workers": 1, "prefetch": 1}, train={"epochs": 2})
    with pytest.MonkeyPatch.context() as patch:
        watchers = runs.ObserverGroup([])
        patch.setattr(watchers, "progressed", Killer().progressed)
        patch.setattr(runs.ObserverGroup, "of", lambda recipe: watchers)
        with pytest.raises(FdakitError, match=r"a loader worker was killed \(SIGKILL\)"):
            run_recipe(recipe, out=tmp_path / "run")
    last = tmp_path / "run" / "checkpoints" / "last"
    assert Checkpoint.of_run(last).info.step == 3
    assert Checkpoint.of_run(last).state().position == [1, 0, 3]
    assert load_file(last / "model.safetensors")
