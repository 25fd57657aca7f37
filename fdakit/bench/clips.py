"""Readers side by side, clip by clip: what each takes, which fail, and how far the frames differ from fdakit's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.errors import FdakitError, VideoError, attribute_errors
from fdakit.system.regular_files import require_regular

from .ratios import OURS
from .rounds import time_rounds

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class ReaderTimes:
    """What a peer gave: RGB frames uint8 `(t, h, w, 3)` and which ones it took them for, `indices (t,)`."""

    indices: NDArray[np.int64]
    frames: Frames


Read = Callable[[Path], Any]
Peers = Mapping[str, Callable[[Path], ReaderTimes]]


@dataclass(frozen=True)
class Own:
    """fdakit's side: its rows by name, the first being `OURS`, and what the peers' frames are compared with.

    `count` tells how many frames a file has, `at` gives any of them `(t, h, w, 3)`.
    """

    reads: Mapping[str, Read]
    count: Callable[[Path], int]
    at: Callable[[Path, NDArray[np.int64]], Frames]


def spread(count: int, frames: int) -> NDArray[np.int64]:
    """Return the middles of `frames` equal parts of `count` frames `(t,)`; all of them where there are no more."""
    if count <= frames:
        return np.arange(count)
    return ((np.arange(frames) + 0.5) * count / frames).astype(np.int64)


def time_clips(
    paths: Iterable[Path],
    own: Own,
    peers: Peers,
    *,
    rounds: int,
    progress: Callable[[Path], None] = lambda path: None,
) -> tuple[list[dict[str, Any]], bool]:
    """Return one record a clip, and whether Ctrl-C ended it early.

    A record: `path`; `frames` as fdakit counts them, or None if it cannot read the file, which is then not timed;
    median `seconds` by reader; `failed`, the reason by reader; `differences` by peer, the mean absolute difference
    in grey levels of its frames from fdakit's at the same indices, or the reason why they cannot be compared.
    Each reader's first read is not timed.
    """
    clips: list[dict[str, Any]] = []
    try:
        for path in paths:
            clip, whole = _time_clip(path, own, peers, rounds=rounds)
            clips.append(clip)
            progress(path)
            if not whole:
                return clips, True
    except KeyboardInterrupt:
        if not clips:
            raise
        return clips, True
    return clips, False


def _time_clip(path: Path, own: Own, peers: Peers, *, rounds: int) -> tuple[dict[str, Any], bool]:
    readers: Mapping[str, Read] = {**own.reads, **peers}
    failed: dict[str, str] = {}
    differences: dict[str, float | str] = {}
    count = None
    for name, read in readers.items():
        try:
            with attribute_errors(name, f"on {path}"):
                require_regular(path, error=VideoError)  # OpenCV waits for a pipe for ever
                seen = read(path)
                if name == OURS:
                    count = own.count(path)
        except FdakitError as error:
            failed[name] = str(error)
        else:
            if name in peers and count is not None:
                differences[name] = _difference(seen, count=count, at=partial(own.at, path))
    clip: dict[str, Any] = {
        "path": str(path),
        "frames": count,
        "seconds": {},
        "failed": failed,
        "differences": differences,
    }
    if count is None:
        return clip, True
    chosen = {name: partial(read, path) for name, read in readers.items() if name not in failed}
    found = time_rounds(chosen, rounds=rounds, warmup=0)
    clip["seconds"] = {timed.name: timed.median for timed in found.timed}
    return clip, found.done == found.asked


def _difference(seen: ReaderTimes, *, count: int, at: Callable[[NDArray[np.int64]], Frames]) -> float | str:
    last = int(seen.indices.max())
    if last >= count:
        return f"gives a frame {last}, {OURS} counts {count} frames"
    ours = at(seen.indices)
    if ours.shape != seen.frames.shape:
        return f"frames of {seen.frames.shape[1:3]}, {OURS} of {ours.shape[1:3]} (height, width)"
    return float(np.mean([np.abs(a.astype(np.int16) - b).mean() for a, b in zip(ours, seen.frames, strict=True)]))


@contextmanager
def one_thread(modules: Iterable[Any]) -> Iterator[None]:
    """Run torch, and OpenCV if it is among `modules`, on one thread inside the block."""
    import torch

    pools = [(torch.get_num_threads, torch.set_num_threads)]
    pools += [(module.getNumThreads, module.setNumThreads) for module in modules if hasattr(module, "setNumThreads")]
    before = [count() for count, _ in pools]
    for _, put in pools:
        put(1)
    try:
        yield
    finally:
        for (_, put), threads in zip(pools, before, strict=True):
            put(threads)
