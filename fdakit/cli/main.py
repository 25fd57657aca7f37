"""The `fdakit` command. The only place where an error becomes words and an exit code."""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module
from typing import Any

import click

from fdakit.errors import FdakitError, PartError, nearest
from fdakit.version import __version__

COMMANDS = (
    "run",
    "eval",
    "metrics",
    "check",
    "plugins",
    "show",
    "schema",
    "doctor",
    "sweep",
    "report",
    "compare",
    "bench",
    "weights",
    "models",
    "data",
    "masks",
    "cache",
)


class LazyGroup(click.Group):
    """Loads a command's module only when that command is called or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS:
            ctx.fail(f"no such command {args[0]!r}; {nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = import_module(f".{name}_command", __package__)
        command: click.Command = module.command
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="fdakit")
def cli() -> None:
    """Find videos by text: train, evaluate and compare text-video retrieval, with exchangeable parts.

    Start with:  fdakit run quickstart
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code: 0, 1 (ours), 2 (input), 130 (Ctrl-C)."""
    sys.exit(execute(arguments))


def execute(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    warnings.showwarning = _show_warning
    # Before torch is imported: threads that spin while they wait make a busy machine many times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        code: Any = cli.main(args=arguments, prog_name="fdakit", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except FdakitError as error:
        return _worded(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if type(error).__name__ not in ("MemoryError", "OutOfMemoryError"):
            raise
        said = str(error).strip().partition("\n")[0] or "nothing left"
        click.echo(f"out of memory: {said}; lower train.batch_size or eval.batch_size", err=True)
        return 1


def _worded(error: FdakitError) -> int:
    if os.environ.get("FDAKIT_TRACEBACK"):
        raise error
    click.echo(str(error), err=True)
    failed_part = isinstance(error, PartError)
    if failed_part:
        click.echo("(set FDAKIT_TRACEBACK=1 to see where it failed)", err=True)
    return 1 if failed_part else 2


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    click.echo(f"warning: {message}", err=True)
