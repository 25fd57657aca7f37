"""`fdakit bench masks`: masks against the known truth of rendered clips, and what they cost."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fdakit.catalog import Part
from fdakit.data_pipeline.mask_calls import mask_alpha
from fdakit.errors import FdakitError
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import AnyMask, Progress
from fdakit.synthetic.render import codec
from fdakit.system.devices import choose_device
from fdakit.system.optional_libraries import library_fault
from fdakit.values import Clip, Needs
from fdakit.version import __version__
from fdakit.video.decode import read_frames
from fdakit.video.motion_vectors import shifted

from .clips import one_thread, spread
from .mask_candidates import Candidate, build_candidate, reason
from .mask_clips import CONDITIONS, LENGTH, Condition, MaskClip, make_clip, make_clips
from .mask_peers import find_mask_peers
from .mask_scores import Counts
from .rounds import time_rounds

TIMED = 224
"""Pixels a side of the pictures that masks are timed on: a CLIP tower's."""

_FAILURES = (FdakitError, MemoryError, torch.OutOfMemoryError)


def bench_masks(
    parts: Mapping[str, Part[AnyMask]],
    *,
    cache: Path,
    failed: Mapping[str, str] | None = None,
    conditions: Sequence[Condition] = CONDITIONS,
    clips: int = 6,
    size: int = 240,
    frames: int = 12,
    rounds: int = 5,
    peers: Sequence[str] | None = None,
    device: str = "auto",
    progress: Progress = lambda what, done, total: None,
) -> dict[str, Any]:
    """Try every mask, by label, and every peer on `clips` clips of each condition, `frames` of each at native size.

    `results` has one row a mask and condition: `precision`, `recall`, `iou`, `coverage` and `truth` over all pixels
    of all frames of the condition's clips, None if nothing divides; `ms_per_frame`, the same in all rows of a
    mask: on the first clip of each condition, cut to `TIMED` px, the median of `rounds` interleaved rounds on one
    thread, averaged over the conditions. A mask that cannot be built or raises is listed in `failed` with its
    reason, and beside it stay the conditions that it went through. Ctrl-C keeps the conditions that are done.
    Raises `FdakitError` as `find_mask_peers` does, and where clips cannot be written.
    """
    chosen = choose_device(device)
    trial = _Trial(frames=frames, rounds=rounds, device=str(chosen), failed=dict(failed or {}))
    trial.enter(parts, find_mask_peers(peers), BuildContext(image_size=size, cache=cache, device=str(chosen)))
    done: list[Condition] = []
    stopped = False
    try:
        make_clips(conditions, clips=clips, size=size, cache=cache, progress=partial(progress, "rendering clip"))
        with one_thread([import_module("cv2")] if _opencv() else []):
            for condition in conditions:
                if stopped:
                    break
                files = (make_clip(condition, number, size=size, cache=cache) for number in range(clips))
                stopped = not trial.run(condition.name, files)
                done.append(condition)
                progress("condition", len(done), len(conditions))
    except KeyboardInterrupt:
        if not done:
            raise
        stopped = True
    return {
        "results": trial.results(),
        "failed": trial.failed,
        "conditions": {one.name: {"summary": one.summary, "options": dict(one.changes)} for one in conditions},
        "measured": [condition.name for condition in done],
        "clips": clips,
        "frames": frames,
        "size": size,
        "rounds": rounds,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "device": torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else chosen.type,
        "codec": codec(),
        "versions": _versions(parts.values()),
        "stopped": stopped,
    }


class _Trial:
    """Who still stands, what was found of each, and why the others fell."""

    def __init__(self, *, frames: int, rounds: int, device: str, failed: dict[str, str]) -> None:
        self.frames, self.rounds, self.device, self.failed = frames, rounds, device, failed
        self._standing: dict[str, Candidate] = {}
        self._rows: list[dict[str, Any]] = []
        self._seconds: dict[str, list[float]] = {}

    def enter(self, parts: Mapping[str, Part[AnyMask]], peers: Mapping[str, Any], shapes: BuildContext) -> None:
        """Build everybody."""
        for label, part in parts.items():
            try:
                self._standing[label] = build_candidate(label, part, shapes)
            except _FAILURES as error:
                self.failed[label] = reason(error)
        for name, mask in peers.items():
            label = f"peer:{name}" if name in parts else name
            self._standing[label] = Candidate(label, f"peer {name!r}", mask, {}, peer=True)

    def run(self, condition: str, clips: Iterable[MaskClip]) -> bool:
        """Count and time one condition; false where Ctrl-C ended the timing early."""
        counts: dict[str, Counts] = {}
        first: dict[Needs, Clip] = {}
        for file in clips:
            indices = spread(LENGTH, self.frames)
            read: dict[Needs, Clip] = {}
            for label, candidate in list(self._standing.items()):
                needs = candidate.mask.needs
                if needs not in read:
                    read[needs] = read_frames(file.video, indices=indices, needs=needs)
                alpha = self._alpha(candidate, read[needs])
                if alpha is not None:
                    counts.setdefault(label, Counts()).add(alpha, file.truth[indices])
            first = first or read
        whole = self._time({needs: middle(clip) for needs, clip in first.items()})
        for label, candidate in self._standing.items():
            about = {"peer": candidate.peer, "options": dict(candidate.options)}
            self._rows.append({"mask": label, "condition": condition, **counts[label].figures(), **about})
        return whole

    def results(self) -> list[dict[str, Any]]:
        """Return the rows of all conditions that were run."""
        ms = {label: 1000 * float(np.mean(seconds)) for label, seconds in self._seconds.items() if seconds}
        return [{**row, "ms_per_frame": ms.get(row["mask"])} for row in self._rows]

    def _alpha(self, candidate: Candidate, clip: Clip) -> Any:
        """Return its masks; None if it fails, which is the end of it."""
        try:
            return mask_alpha(candidate.mask, clip, label=candidate.who, device=self.device)
        except _FAILURES as error:
            self.failed[candidate.label] = reason(error)
            self._standing.pop(candidate.label, None)
            return None

    def _time(self, clips: Mapping[Needs, Clip]) -> bool:
        rivals = {
            label: partial(self._alpha, candidate, clips[candidate.mask.needs])
            for label, candidate in self._standing.items()
        }
        if not rivals:
            return True
        found = time_rounds(rivals, rounds=self.rounds, warmup=1)
        for timed in found.timed:
            if timed.name in self._standing:
                self._seconds.setdefault(timed.name, []).append(timed.median / self.frames)
        return found.done == found.asked


def middle(clip: Clip) -> Clip:
    """Return the clip cut to at most `TIMED` px a side around the middle, with all that belongs to it."""
    height, width = clip.frames.shape[1:3]
    top, left = (max(0, side - TIMED) // 2 for side in (height, width))

    def cut(pictures: Any) -> Any:
        return np.ascontiguousarray(pictures[:, top : top + TIMED, left : left + TIMED])

    vectors = clip.motion_vectors
    if vectors is not None:
        vectors = tuple(None if one is None else shifted(one, x=-left, y=-top) for one in vectors)
    return replace(
        clip,
        frames=cut(clip.frames),
        neighbours={gap: cut(near) for gap, near in clip.neighbours.items()},
        luma={gap: cut(grey) for gap, grey in clip.luma.items()},
        motion_vectors=vectors,
    )


def _versions(parts: Iterable[Part[AnyMask]]) -> dict[str, str]:
    """Return versions of fdakit, of the libraries of masks, and of the plugins that offer them."""
    found = {"fdakit": __version__}
    for package in ("numpy", "torch", "av", "scikit-image"):
        found[package] = version(package)
    if _opencv():  # several distributions bring it
        found["opencv"] = import_module("cv2").__version__
    providers = {part.offer.provider.name: part.offer.provider.version for part in parts}
    return {**found, **providers}


def _opencv() -> bool:
    return not library_fault("cv2")
