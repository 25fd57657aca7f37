"""What a dry run found, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fdakit.system.terminal import clock

if TYPE_CHECKING:
    from fdakit.experiment.dry_run import DryRun, Training


def dry_run_lines(found: DryRun) -> Iterator[str]:
    """Yield the time to expect, of what, and the peak memory."""
    yield f"{found.name} on {found.device}: {clock(found.seconds)} to expect, after a dry run"
    if found.training is not None:
        yield from _training(found.training)
    for one in found.evaluations:
        replaced = f" under its own mask and {one.controls} others" if one.controls else ""
        often = "once" if one.times == 1 else f"{one.times} times"
        yield f"  evaluating {one.videos} {one.split} videos{replaced}, {often}: {clock(one.seconds)}"
    what = "of the device" if found.device.startswith("cuda") else "of the process"
    yield f"peak memory {what}: {found.peak_memory / 1e9:.2f} GB"
    yield "no run folder was written; loading and saving weights are not in the time"


def _training(of: Training) -> Iterator[str]:
    yield (
        f"  training, {of.epochs} epochs of {of.steps} steps in all: {clock(of.seconds)}, of it {of.waiting:.1%} "
        "waiting for data"
    )
    yield f"    a step of {of.pairs} pairs: {_seconds(of.step)}, the first {_seconds(of.first)}, without reading"
    reading, readers = of.reading, f"{of.workers} workers" if of.workers else "the process itself"
    yield (
        f"    reading a clip: {_seconds(reading.first)} the first time, {_seconds(reading.again)} later, by {readers}"
    )


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
