"""Groups of commands whose modules are imported when a command is called, not to list what there is."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click

from fdakit.errors import nearest

_CLI = "fdakit.cli"


class LazyCommand(NamedTuple):
    """Where a command is defined, `folder.module:name` in `fdakit.cli`, and the first sentence of its help."""

    place: str
    summary: str


class LazyGroup(click.Group):
    """A group that lists its commands from `lazy`, a table of them, and imports the one that is called."""

    def __init__(self, *args: Any, lazy: Mapping[str, LazyCommand], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lazy)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.lazy:
            return None
        module, _, attribute = self.lazy[name].place.partition(":")
        command: click.Command = getattr(import_module(f"{_CLI}.{module}"), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.lazy and not ctx.resilient_parsing:  # completing a word
            ctx.fail(f"no such command {args[0]!r}; {nearest(args[0], self.lazy)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        limit = formatter.width - 6 - max(map(len, self.lazy))  # as click's own groups have it
        stand_ins = [click.Command(name, help=command.summary) for name, command in self.lazy.items()]
        with formatter.section("Commands"):
            formatter.write_dl([(str(one.name), one.get_short_help_str(limit)) for one in stand_ins])
