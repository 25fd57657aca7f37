"""Stops between two steps, agreed among ranks: one that went on alone would wait for the others for ever."""

from __future__ import annotations

import signal
from typing import Any

from fdakit.system.ranks import Ranks
from fdakit.system.stop_signals import StopRequest


class Stopped(KeyboardInterrupt):
    """A stop between two steps: the trainer's state is complete and can be saved.

    By a signal that asks for it, as Ctrl-C or SIGTERM, or, as if Ctrl-C had been pressed, by the observer with the
    label `observer`.
    """

    def __init__(self, number: int = signal.SIGINT, *, observer: str = "") -> None:
        super().__init__(f"stopped by {observer or f'signal {number}'}")
        self.signal = number
        self.observer = observer

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.signal,), {"observer": self.observer}


def stop_if_asked(asked: StopRequest, ranks: Ranks, *, observer: str = "") -> None:
    """Raise `Stopped` on every rank if one was asked to stop, by a signal or by the observer of that label."""
    own = Stopped(observer=observer) if observer else Stopped(asked.signal) if asked.is_set() else None
    told = [stop for stop in ranks.objects(own) if stop is not None]
    if told:
        raise told[0]
