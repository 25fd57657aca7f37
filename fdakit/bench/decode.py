"""`fdakit bench decode`: chosen frames of each clip, read by fdakit and by other libraries, one thread each."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.catalog import load_catalog
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Reader
from fdakit.recipe.validation import validate_part
from fdakit.values import Clip, Needs, VideoRef
from fdakit.version import __version__
from fdakit.video.decode import frame_times, read_frames

from .clips import Frames, Own, Peers, ReaderTimes, one_thread, spread, time_clips
from .peers import DECODERS, Found, Peer, find_peers
from .ratios import OURS, summarise

Tell = Callable[[Path], None]


def bench_decode(
    paths: Sequence[Path],
    *,
    frames: int = 12,
    rounds: int = 15,
    peers: Sequence[str] | None = None,
    offered: Sequence[Peer] = DECODERS,
    long_clip: Path | None = None,
    progress: Tell = lambda path: None,
) -> dict[str, Any]:
    """Time reading `frames` uniform frames, RGB at native size, of every clip, each read opening its file anew.

    Every reader spreads the indices over the frames it counts itself. Per clip the readers take turns for `rounds`
    rounds; `clips` are the records of `time_clips`, `summary` what `summarise` makes of them. `long_clip` is a file
    that stands apart in `long`, without the peers that are slow by design: they would take minutes a round.
    Raises `FdakitError` as `find_peers` does.
    """
    found = find_peers(offered, peers)
    rivals = [name for name, peer in found.peers.items() if not peer.slow]
    slow = [name for name, peer in found.peers.items() if peer.slow]
    reader = build_reader()
    own = Own(
        {OURS: lambda path: read_ours(reader, path, frames)},
        count=lambda path: len(frame_times(_video(path))),
        at=_at,
    )
    others = peer_reads(found, frames)
    with one_thread(found.modules.values()):
        clips, stopped = time_clips(paths, own, others, rounds=rounds, progress=progress)
        apart: list[dict[str, Any]] = []
        if long_clip is not None and not stopped:
            fast = {name: read for name, read in others.items() if name not in slow}
            apart, stopped = time_clips([long_clip], own, fast, rounds=rounds, progress=progress)
    seconds = [clip["seconds"] for clip in clips]
    told = {**surroundings(found, rounds, stopped), "frames_asked": frames, "clips": clips}
    told["summary"] = summarise(seconds, rivals=rivals, slow=slow)
    told["long"] = _apart(apart[0], rivals) if apart else None
    return told


def build_reader() -> Reader:
    """Return fdakit's `pyav` reader with its default options."""
    part = validate_part("reader", {"use": "fdakit:pyav"}, where="bench", catalog=load_catalog())
    reader: Reader = part.build(BuildContext())
    return reader


def read_ours(reader: Reader, path: Path, frames: int) -> Clip:
    """Return uniform frames as anybody reads them: asked for times, then for frames, nothing kept in between."""
    return reader.read(_video(path), spread(len(reader.times(_video(path))), frames), Needs(), None)


def peer_reads(found: Found, frames: int) -> Peers:
    """Return each peer's read of a path."""
    return {name: partial(_read, peer, frames) for name, peer in found.peers.items()}


def surroundings(found: Found, rounds: int, stopped: bool) -> dict[str, Any]:
    """Return what a reader of the figures must know: versions, absent peers, machine, rounds."""
    import av

    return {
        "readers": {OURS: f"{__version__}, PyAV {av.__version__}", **found.versions},
        "absent": dict(found.absent),
        "slow": [name for name, peer in found.peers.items() if peer.slow],
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "rounds": rounds,
        "stopped": stopped,
    }


def _read(peer: Peer, frames: int, path: Path) -> ReaderTimes:
    return peer.read(path, frames)


def _video(path: Path) -> VideoRef:
    return VideoRef(path.stem, path)


def _at(path: Path, indices: NDArray[np.int64]) -> Frames:
    frames: Frames = read_frames(_video(path), indices=indices).frames
    return frames


def _apart(clip: dict[str, Any], rivals: Sequence[str]) -> dict[str, Any]:
    whole = summarise([clip["seconds"]], rivals=rivals)
    return {**clip, "summary": {key: value for key, value in whole.items() if not key.endswith("_clips")}}
