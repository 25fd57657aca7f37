"""How commands that make many runs end: stopped by a signal, or with failures that are told once more."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .printing import say

if TYPE_CHECKING:
    from fdakit.report.sweep_tables import FailedRun


def stopped_code(stopped: KeyboardInterrupt) -> int:
    """Tell how to go on after Ctrl-C or a signal; return the exit code."""
    from fdakit.system.stop_signals import Terminated, exit_code

    say(f"{str(stopped) or 'stopped'}; the same command goes on from here", err=True)
    known = stopped.signal if isinstance(stopped, Terminated) else signal.SIGINT
    code: int = getattr(stopped, "code", exit_code(known))
    return code


def tell_no_table() -> None:
    """Tell that no run finished; tables of former calls stay as they are."""
    say("no run finished: no table is written", err=True)


def failure_code(failed: Sequence[FailedRun], *, total: int) -> int:
    """Return 0; after failures, which are told once more, 2, or 1 if a part or fdakit itself is to blame for one."""
    if failed:
        say(f"{len(failed)} of {total} runs failed; the same command tries them again:", err=True)
    for one in failed:
        say(f"{one.recipe}, seed {one.seed}: {one.reason}", err=True)
    return (1 if any(one.fault for one in failed) else 2) if failed else 0
