"""What a command that failed prints for machines where `--json` was asked for, besides its words on stderr."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import click

from fdakit import errors
from fdakit.errors import FdakitError, RecipeError, ToldError
from fdakit.system.ranks import asked_rank

from .printing import print_json
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


def is_told(error: Exception) -> bool:
    """Return whether rank 0 tells of an error too, so that this process need not."""
    return isinstance(error, ToldError) or (
        asked_rank() > 0 and isinstance(error, RecipeError | click.ClickException)
    )


def by_rank(words: object) -> str:
    """Return words of this process, marked as such unless it is the first."""
    return f"rank {asked_rank()}: {words}" if asked_rank() else str(words)
