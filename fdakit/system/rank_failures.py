"""Failures that several processes of a run find by themselves, as a fault of its recipe: the first one tells them.

They may come before the processes are connected, or after, so they are compared in a store of their own, at the
address by which torchrun connects the processes.
"""

from __future__ import annotations

import os
import time
from datetime import timedelta
from typing import Any

from .ranks import asked_rank, asked_ranks

_PATIENCE = 10.0  # seconds: processes that fail alike do so at nearly the same time
_PAUSE = 0.05
_SAID, _READ = "said", "read"


def told_by_first(words: str) -> bool:
    """Return whether rank 0 tells the same failure, so that this process need not; False on rank 0 itself.

    Called once by each process of a run that fails. Rank 0 leaves its words for the others, and these wait for them
    for some seconds. Without torchrun, or if the processes do not find each other, everybody tells.
    """
    if asked_ranks() == 1:
        return False
    try:
        store = _opened()
        if asked_rank() == 0:
            _leave(store, words)
            return False
        store.wait([_SAID], timedelta(seconds=_PATIENCE))
        said = store.get(_SAID).decode()
        store.add(_READ, 1)
        return bool(said == words)
    except (RuntimeError, ValueError, KeyError):  # nobody is there
        return False


def _opened() -> Any:
    from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

    store = TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=asked_rank() == 0 and not _hosted(),
        timeout=timedelta(seconds=_PATIENCE),
        wait_for_workers=False,
        multi_tenant=True,
    )
    return PrefixStore("fdakit failures", store)


def _leave(store: Any, words: str) -> None:
    """Leave words for the others; wait some seconds for them if they are gone with this process."""
    store.set(_SAID, words)
    deadline = time.monotonic() + (0.0 if _hosted() else _PATIENCE)
    while time.monotonic() < deadline and store.add(_READ, 0) < asked_ranks() - 1:
        time.sleep(_PAUSE)


def _hosted() -> bool:
    """Return whether torchrun itself holds the store."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
