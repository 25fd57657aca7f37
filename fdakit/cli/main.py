"""The `fdakit` command. The only place where an error becomes words and an exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

import click

from fdakit.errors import FdakitError, PartError, RankLostError, ToldError
from fdakit.system.ranks import asked_rank, asked_ranks
from fdakit.system.regular_files import full
from fdakit.system.stop_signals import Terminated, exit_code, signals_as_interrupt
from fdakit.version import __version__

from .failures import MEMORY, STOPPED, SYSTEM, USAGE, kind_of, print_failure, tell
from .lazy_group import LazyCommand, LazyGroup
from .printing import say
from .streams import OutputRefusedError, guarded_streams, rank_output

COMMANDS = {
    "run": "Train and evaluate RECIPE and write its run folder.",
    "eval": "Evaluate RUN again: reproduces its report to the last digit.",
    "metrics": "Compute metrics of any similarities, in both directions.",
    "check": "Validate recipes and list every fault at once.",
    "plugins": "List every part with its provider, and broken plugins.",
    "new": "Write a package with one part of KIND, called NAME.",
    "show": "Show the parts of a KIND, or the options of one part.",
    "schema": "Print the JSON schema of recipes, for editors.",
    "doctor": "Show what is installed, and any problems.",
    "sweep": "Run recipes with several seeds: mean and standard deviation.",
    "ablate": "Run systems on data sets: a table of results and costs.",
    "report": "Report finished RUNs in a table, or one as an HTML page.",
    "compare": "Compare runs with RUN_A over the same queries.",
    "index": "Make an index of VIDEOS for a search, or update it.",
    "search": "Find moments in the videos of INDEX by TEXT, or by an example.",
    "embed": "Write the vectors of VIDEOS or CAPTIONS for other tools.",
    "bench": "Benchmark against other libraries, in one run, on this machine.",
    "weights": "Identify a weights file, or convert it to safetensors.",
    "models": "List named models, or describe one in full.",
    "data": "Prepare and check videos and annotations; measure masks.",
    "masks": "Inspect masks: draw what they mark in each VIDEO.",
    "cache": "Show what is cached on disk, or clear it.",
}
"""What there is, and what it is for: the first sentence of each command's own help, which is not imported for it."""

_ON_RANKS = ("run", "eval")
TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h: another process of the run has ended, and a scheduler can requeue it
_SEE_MORE = "(set FDAKIT_TRACEBACK=1 to see where it failed)"
_SYSTEM_ADVICE = {
    errno.ENOSPC: "; make room there",
    errno.EDQUOT: "; make room there",
    errno.EMFILE: "; raise the limit with `ulimit -n 4096`, or lower --jobs or loader.workers",
    errno.ENFILE: "; close other programs, or lower --jobs or loader.workers",
    errno.ENAMETOOLONG: "; shorten the name",
    errno.ENOMEM: "; close other programs, or lower --jobs or loader.workers",
}


@click.group(
    cls=LazyGroup,
    lazy={name: LazyCommand(f"commands.{name}:command", summary) for name, summary in COMMANDS.items()},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="fdakit")
def cli() -> None:
    """Find videos by text: train, evaluate and compare text-video retrieval, with exchangeable parts.

    Start with:  fdakit run quickstart
    """
    command = click.get_current_context().invoked_subcommand
    if asked_ranks() > 1 and command not in _ON_RANKS:
        raise click.UsageError(f"fdakit {command} works in one process; start it without torchrun")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code: 0, 1 (ours), 2 (input), 128 + signal (130 for Ctrl-C)."""
    sys.exit(execute(arguments))


def execute(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    A closed standard output ends it quietly with 0: the reader has seen enough. One that takes nothing more, as on a
    full disk, ends it with 2.
    """
    warnings.showwarning = _show_warning
    # Before torch is imported: threads that spin while they wait make a busy machine many times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        with guarded_streams(), rank_output():
            return _executed(arguments)
    except OutputRefusedError as refused:
        if not refused.closed:
            say(f"standard output: cannot be written ({refused}); make room there, or lead it elsewhere", err=True)
        return 0 if refused.closed else 2


def _executed(arguments: list[str] | None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    try:
        with signals_as_interrupt() as terminated:
            code: Any = cli.main(args=arguments, prog_name="fdakit", standalone_mode=False)
        if code == exit_code(signal.SIGINT) and terminated.is_set():
            return exit_code(terminated.signal)
        return code if isinstance(code, int) else 0
    except click.exceptions.Abort as error:
        if not asked_rank():
            say("stopped", err=True)
        print_failure("stopped", STOPPED, given)
        cause = error.__cause__
        return exit_code(cause.signal if isinstance(cause, Terminated) else signal.SIGINT)
    except click.ClickException as error:
        _misused(error)
        print_failure(error.format_message(), USAGE, given)
        return 2
    except FdakitError as error:
        refused = _worded(error)
        print_failure(str(error), kind_of(error), given)
        return refused
    except OSError as error:
        print_failure(_system_fault(error), SYSTEM, given)
        return 2
    except Exception as error:
        if type(error).__name__ not in ("MemoryError", "OutOfMemoryError"):
            raise
        said = str(error).strip().partition("\n")[0] or "nothing left"
        told = f"out of memory: {said}; lower train.batch_size or eval.batch_size"
        tell(error, told)
        print_failure(told, MEMORY, given)
        return 1


def _worded(error: FdakitError) -> int:
    if os.environ.get("FDAKIT_TRACEBACK"):
        raise error
    failed_part = isinstance(error, PartError) or (isinstance(error, ToldError) and error.by_part)
    tell(error, str(error), more=_SEE_MORE if failed_part else "")
    if isinstance(error, RankLostError):
        return TRY_AGAIN
    return 1 if failed_part else 2


def _misused(error: click.ClickException) -> None:
    """Print what click finds wrong with the arguments, which may hold anything."""
    if asked_rank():
        return
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        say(error.format_message(), err=True)
        return
    context = getattr(error, "ctx", None)
    if context is not None:
        say(f"{context.get_usage()}\nTry '{context.command_path} --help' for help.\n", err=True)
    say(f"Error: {error.format_message()}", err=True)


def _system_fault(error: OSError) -> str:
    """Return a message for what the system refused: the path, if one is known, the cause and what to do next.

    Returns it. Raises it again where it is no refusal of the system, as what a library raises for its own reasons.
    """
    if error.errno is None or os.environ.get("FDAKIT_TRACEBACK"):
        raise error
    named = isinstance(error.filename, str | bytes)
    where = f"{full(Path(os.fsdecode(error.filename)))}: " if named else ""
    advice = _SYSTEM_ADVICE.get(error.errno, "; correct the path or its rights" if named else "")
    told = f"{where}{error.strerror or error}{advice}"
    tell(error, told, more=_SEE_MORE)
    return told


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    say(f"warning: {message}", err=True)
