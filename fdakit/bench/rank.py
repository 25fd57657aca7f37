"""`fdakit bench rank`: ranking in both directions, from a matrix beside sorting every row, and from vectors."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fdakit.errors import FdakitError
from fdakit.ranking.ranks import rank_captions, rank_videos
from fdakit.ranking.streamed import Vectors, rank_vectors
from fdakit.system.devices import choose_device
from fdakit.system.processes import spawn_context
from fdakit.values import Scores

from .rounds import Rival, time_rounds

SORTING = "argsort"
SEED = 24
NOISE = 4.0  # beside each video's vector, so that some captions miss


def bench_rank(
    captions: int,
    videos: int,
    *,
    width: int,
    streamed: int,
    rounds: int,
    device: str = "auto",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Return seconds for both rankings of a matrix `(captions, videos)`, and for `streamed` of both from vectors."""
    chosen = choose_device(device)
    vectors = make_vectors(captions, videos, width)
    scores = Scores(vectors.texts @ vectors.videos.T, vectors.owners, vectors.lost)
    for ours, theirs in zip(_both(scores), _sorted(scores), strict=True):
        if not np.array_equal(ours, theirs):
            raise FdakitError("bench rank: sorting gives other ranks; the scores drawn tie")
    rivals: dict[str, Rival] = {"fdakit": lambda: _both(scores), SORTING: lambda: _sorted(scores)}
    timed = time_rounds(rivals, rounds=rounds, warmup=1, progress=progress)
    return {
        "captions": captions,
        "videos": videos,
        "width": width,
        "timed": [asdict(one) for one in timed.timed],
        "rounds": timed.done,
        "rounds_asked": timed.asked,
        "streamed": _streamed(streamed, width, str(chosen)) if streamed else None,
        "device": str(chosen),
        "threads": torch.get_num_threads(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def make_vectors(captions: int, videos: int, width: int) -> Vectors:
    """Random unit vectors; each caption lies near its video, and each video has at least one."""
    if captions < videos:
        raise FdakitError(f"bench rank: {captions} captions for {videos} videos; give each video one or more")
    rng = np.random.default_rng(SEED)
    owners = np.sort(np.concatenate([np.arange(videos), rng.integers(0, videos, captions - videos)]))
    clips = _unit(rng.standard_normal((videos, width), np.float32))
    texts = rng.standard_normal((captions, width), np.float32)
    texts *= NOISE / np.sqrt(width)
    texts += clips[owners]
    return Vectors(_unit(texts), clips, owners, np.zeros(videos, np.bool_))


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def _both(scores: Scores) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return rank_captions(scores).better, rank_videos(scores).better


def _sorted(scores: Scores) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ranks of the right ones, from 0, after sorting each row, and each column of caption sets."""
    order = np.argsort(-scores.matrix, axis=1)
    captions = np.nonzero(order == scores.owners[:, None])[1]
    starts = np.unique(scores.owners, return_index=True)[1]
    sets = np.maximum.reduceat(scores.matrix, starts, axis=0)
    order = np.argsort(-sets.T, axis=1)
    return captions, np.nonzero(order == np.arange(len(sets))[:, None])[1]


def _streamed(count: int, width: int, device: str) -> dict[str, Any]:
    with spawn_context().Pool(1) as pool:
        return pool.apply(stream_once, (count, width, device))


def stream_once(count: int, width: int, device: str) -> dict[str, Any]:
    """Rank `count` captions among `count` videos once: seconds, this process's peak memory, R@1 to see it work."""
    vectors = make_vectors(count, count, width)
    before = peak_memory()
    start = time.perf_counter()
    captions, videos = rank_vectors(vectors, device=device)
    seconds = time.perf_counter() - start
    return {
        "captions": count,
        "videos": count,
        "width": width,
        "seconds": seconds,
        "peak_memory_mb": peak_memory(),
        "before_mb": before,
        "R@1": {way: 100 * float((found.better == 0).mean()) for way, found in (("t2v", captions), ("v2t", videos))},
    }


def peak_memory() -> float | None:
    """MB of this process at its highest; None if the system does not tell."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return None
    lines = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) / 1000 if lines else None
