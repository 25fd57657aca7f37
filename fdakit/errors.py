"""The errors a user may meet. Each is already worded: *where: what was found; what to do next*.

The command line prints them as they are, without a traceback; anything else is a fault of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any


class FdakitError(Exception):
    """Base of every error that fdakit words for its user."""


class RecipeError(FdakitError):
    """A recipe cannot be used. Holds all faults of all tables, one a line."""

    def __init__(self, faults: str | Iterable[str]) -> None:
        self.faults: tuple[str, ...] = (faults,) if isinstance(faults, str) else tuple(faults)
        super().__init__("\n".join(self.faults))

    def __reduce__(self) -> tuple[type[RecipeError], tuple[tuple[str, ...]]]:
        return type(self), (self.faults,)


class PluginError(FdakitError):
    """A part is unknown, offered twice, broken, or failed while it was used."""


class PartError(PluginError):
    """A part raised, or gave back what its contract does not allow: a fault of the part, not of its user."""


class RankLostError(FdakitError):
    """Another process of a run on several has ended."""


class ToldError(FdakitError):
    """An error of another process of a run on several, which rank 0 tells; `by_part`: it is a `PartError`."""

    def __init__(self, said: str, *, by_part: bool = False) -> None:
        super().__init__(said)
        self.by_part = by_part

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, {"by_part": self.by_part}


class VideoError(FdakitError):
    """A video file is absent, unreadable or ends too early."""


class DatasetError(FdakitError):
    """Annotations or videos of a data set are missing or contradict each other."""


class CheckpointError(FdakitError):
    """Weights are missing, of another architecture, or not what they claim to be."""


class ScoreError(FdakitError):
    """Similarities that cannot be ranked: not finite, or of a shape that does not fit the captions."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'?` for the closest of the known names, else the list of them all."""
    names = sorted(set(known))
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(names)}" if names else "nothing of that kind is known"


@contextmanager
def attribute_errors(who: str, where: str) -> Iterator[None]:
    """Turn what a part raises into a `PartError` naming the part; fdakit's own errors pass unchanged.

    Running out of memory passes too: it is a matter of sizes, not a fault of the part.
    """
    try:
        yield
    except (FdakitError, MemoryError):
        raise
    except Exception as error:
        kind = type(error).__name__
        if kind == "OutOfMemoryError":
            raise
        raise PartError(f"{who} failed {where}: {kind}: {error}") from error


def collect_errors(*steps: Callable[[], object]) -> list[Any]:
    """Run every step; where some raise an error with a message for users, raise one with all of their lines."""
    results: list[Any] = []
    faults: list[FdakitError] = []
    for step in steps:
        try:
            results.append(step())
        except FdakitError as error:
            faults.append(error)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise FdakitError("\n".join(dict.fromkeys(str(fault) for fault in faults)))
    return results
