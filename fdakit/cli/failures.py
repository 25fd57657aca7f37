"""What a command that failed prints for machines where `--json` was asked for, besides its words on stderr."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from fdakit import errors
from fdakit.errors import FdakitError, RankLostError, ToldError
from fdakit.system.rank_failures import told_by_first
from fdakit.system.ranks import asked_rank

from .printing import print_json, say
from .streams import OutputRefusedError, printed_already

USAGE, SYSTEM, MEMORY, STOPPED = "usage", "system", "memory", "stopped"


def kind_of(error: FdakitError) -> str:
    """Return the kind of an error: its class in `fdakit.errors` in small letters, as `recipe`; else `input`."""
    names = (kind.__name__ for kind in type(error).__mro__ if vars(errors).get(kind.__name__) is kind)
    name = next(names).removesuffix("Error").lower()
    return "input" if name == "fdakit" else name


def print_failure(message: str, kind: str, arguments: Sequence[str]) -> None:
    """Print `{"error": {"message": ..., "kind": ...}}` if `--json` is among the arguments of the command.

    A command that has printed its document has said what it found; nothing is printed after it.
    """
    options = list(arguments)[: arguments.index("--")] if "--" in arguments else arguments
    if "--json" not in options or printed_already():
        return
    with suppress(OutputRefusedError):  # the exit code tells of the failure, not of the pipe
        print_json({"error": {"message": message, "kind": kind}})


def tell(error: Exception, words: str, *, more: str = "") -> None:
    """Print the words of an error on stderr, then `more`; of a run on several processes each is told once.

    Rank 0 tells what all of them find. Another one tells what it alone finds, marked as such; never a `ToldError`.
    """
    compared = not isinstance(error, RankLostError)  # the first may be the one that is lost
    if asked_rank() and compared and (told_by_first(words) or isinstance(error, ToldError)):
        return
    for line in filter(None, (by_rank(words), more)):
        say(line, err=True)
    if compared and not asked_rank():
        told_by_first(words)  # so that the others know


def by_rank(words: object) -> str:
    """Return words of this process, marked as such unless it is the first."""
    return f"rank {asked_rank()}: {words}" if asked_rank() else str(words)
