"""`fdakit bench batches`: clips put together to batches, by fdakit's loader and by torch's `DataLoader`.

Both read the same `ClipDataset`. Two questions: what a batch costs of clips that are decoded already, in seconds of a
processor, and how soon the first batch is there of clips that are not, with workers that run already.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from fdakit.catalog import Catalog
from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.data_pipeline.loading.clip_loader import ClipLoader
from fdakit.errors import FdakitError
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Preprocess
from fdakit.recipe.document import Document
from fdakit.recipe.validation import validate
from fdakit.values import VideoRef
from fdakit.version import __version__

from .batch_peer import PEER, torch_loader
from .clips import one_thread
from .ratios import OURS
from .rounds import Rival, in_turn, summed, time_rounds

Plan = list[list[ClipRequest]]
Tell = Callable[[int, int], None]
FIRST, LAST = "first", "last"


def bench_batches(
    paths: Sequence[Path],
    *,
    catalog: Catalog,
    frames: int,
    size: int,
    batch: int,
    workers: int,
    rounds: int,
    progress: Tell = lambda done, total: None,
) -> dict[str, Any]:
    """Return seconds for batches of `batch` clips of `frames` frames of `size` px with the frame-difference mask.

    `warm`: processor seconds of one batch from a warm frame store, in one process. `first` and `last`: seconds until
    the first and the last of as many batches as there are `workers`, which decode them. Raises `FdakitError` if a
    clip cannot be read, or the loaders differ.
    """
    plan = [[ClipRequest((batch * row + place) % len(paths)) for place in range(batch)] for row in range(workers)]
    with TemporaryDirectory(prefix="fdakit-bench-", ignore_cleanup_errors=True) as scratch, one_thread(()):
        make = partial(_source, paths, catalog=catalog, frames=frames, size=size)
        warm = make(store={"enabled": True, "folder": scratch})
        done = time_rounds(_warm(warm, plan[0]), rounds=rounds, warmup=1, clock=time.process_time, progress=progress)
        arrivals = _arrivals(make(store={"enabled": False}), plan, rounds=max(1, rounds // 3))
    return {
        "clips": len(paths),
        "frames": frames,
        "size": size,
        "batch": batch,
        "workers": workers,
        "warm": [asdict(one) for one in done.timed],
        **arrivals,
        "rounds": done.done,
        "rounds_asked": done.asked,
        "readers": {OURS: __version__, PEER: torch.__version__},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def _warm(source: ClipDataset, draws: list[ClipRequest]) -> Mapping[str, Rival]:
    """Return the rivals that read one batch from a store, which they fill here."""
    ours, theirs = ClipLoader(0), torch_loader(source, [draws], workers=0)
    (batch,), (stacked,) = ours.batches(source, [draws], prefetch=1), theirs
    _compare(batch, stacked, count=len(draws))
    return {
        OURS: lambda: [len(one.ids) for one in ours.batches(source, [draws], prefetch=1)],
        PEER: lambda: [len(one["frames"]) for one in theirs],
    }


def _compare(batch: Any, stacked: Mapping[str, torch.Tensor], *, count: int) -> None:
    if batch.lost or len(batch.ids) != count:
        raise FdakitError("bench batches: " + "\n".join(lost.reason for lost in batch.lost[:3]))
    same = torch.equal(batch.frames, stacked["frames"]) and torch.equal(batch.alphas["none"], stacked["alpha"])
    if not same:
        raise FdakitError(f"bench batches: {PEER} stacks other batches than {OURS}")


def _arrivals(source: ClipDataset, plan: Plan, *, rounds: int) -> dict[str, Any]:
    """Return the seconds until the first and the last batch of a plan; each loader's workers have started before."""
    taken: dict[str, list[dict[str, float]]] = {FIRST: [], LAST: []}
    with ClipLoader(len(plan)) as ours:
        theirs = torch_loader(source, plan, workers=len(plan))
        rivals: dict[str, Callable[[], Iterator[Any]]] = {
            OURS: lambda: ours.batches(source, plan, prefetch=len(plan)),
            PEER: lambda: iter(theirs),
        }
        for number in range(-1, rounds):
            found = {name: _arrival(rivals[name]) for name in in_turn(list(rivals), number)}
            for key, seconds in taken.items() if number >= 0 else ():
                seconds.append({name: one[key] for name, one in found.items()})
    return {key: [asdict(summed(name, OURS, of)) for name in rivals] for key, of in taken.items()}


def _arrival(read: Callable[[], Iterator[Any]]) -> dict[str, float]:
    start = time.perf_counter()
    arrived = [time.perf_counter() - start for _ in read()]
    return {FIRST: arrived[0], LAST: arrived[-1]}


def _source(paths: Sequence[Path], *, catalog: Catalog, frames: int, size: int, store: dict[str, Any]) -> ClipDataset:
    document: Document = {
        "name": "bench",
        "dataset": {"use": "moving-shapes"},
        "encoder": {"use": "tiny"},
        "sampler": {"use": "uniform", "eval_frames": frames, "by": "index"},
        "mask": {"use": "frame-difference"},
        "frame_store": store,
    }
    recipe = validate(document, where="bench batches", catalog=catalog)
    videos = [VideoRef(str(place), path) for place, path in enumerate(paths)]
    tower = Preprocess(size, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    return ClipDataset(
        ClipSettings.of(recipe), videos, training=False, preprocess=tower, shapes=BuildContext(image_size=size)
    )
