"""Every command with `--json` tells a failure as one document on stdout, and its words on stderr as without it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from helpers.cli_output import Tell

from fdakit.cli.failures import kind_of
from fdakit.cli.main import cli
from fdakit.errors import CheckpointError, FdakitError, PartError, RecipeError

FAILING: dict[str, tuple[str, str]] = {  # the arguments that its user got wrong, and the kind of error
    "run": ("nowhere.toml", "recipe"),
    "eval": ("nowhere", "checkpoint"),
    "metrics": ("nowhere.npy", "score"),
    "show": ("mask nowhere", "plugin"),
    "sweep": ("nowhere.toml --out sweep", "recipe"),
    "ablate": ("nowhere.toml --out ablate", "recipe"),
    "report": ("nowhere", "score"),
    "compare": ("nowhere nowhere", "score"),
    "bench batches": ("nowhere", "dataset"),
    "bench decode": ("nowhere", "dataset"),
    "bench load": ("nowhere", "dataset"),
    "bench encode": ("nowhere", "recipe"),
    "bench train": ("nowhere", "recipe"),
    "weights inspect": ("nowhere", "checkpoint"),
    "weights convert": ("nowhere --out out.safetensors", "checkpoint"),
    "models": ("nowhere", "checkpoint"),
    "data check": ("nowhere", "dataset"),
    "data prepare": ("nowhere", "plugin"),
    "data masks": ("nowhere.toml", "recipe"),
    "masks": ("nowhere.mp4 --out masks", "dataset"),
    "index": ("nowhere --model quickstart --out index", "dataset"),
    "search": ("nowhere text", "input"),
    "embed": ("nowhere --model quickstart --out vectors", "dataset"),
    "new": ("mask 7up! --out here", "plugin"),
}
TELLING_ITSELF = {"check"}  # what is wrong with recipes is its result
ARGUMENTLESS = {"plugins", "doctor", "cache info", "cache clear", "bench masks", "bench rank", "bench search"}


def commands(group: click.Group, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command that takes `--json`."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*above, name))
        elif any("--json" in parameter.opts for parameter in command.params):
            yield (*above, name)


def test_all_commands_with_json_are_tried_here() -> None:
    assert {" ".join(words) for words in commands(cli)} == FAILING.keys() | TELLING_ITSELF | ARGUMENTLESS


@pytest.mark.parametrize("words", commands(cli), ids=" ".join)
def test_a_wrong_option_of_any_command_is_told_as_json(tell: Tell, words: tuple[str, ...]) -> None:
    told = tell(*words, "--no-such-option", "--json")
    assert told.code == 2
    error = told.json["error"]
    assert error["kind"] == "usage"
    assert "--no-such-option" in error["message"]
    assert told.err.rstrip().endswith(f"Error: {error['message']}")
    assert tell(*words, "--no-such-option").out == ""


@pytest.mark.parametrize("name", FAILING)
def test_what_a_user_got_wrong_is_told_as_json(
    tell: Tell, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, kind = FAILING[name]
    plain = tell(*name.split(), *arguments.split())
    told = tell(*name.split(), *arguments.split(), "--json")
    assert (told.code, told.err) == (plain.code, plain.err)
    assert told.code == 2
    assert plain.out == ""
    assert told.json == {"error": {"message": told.err.rstrip("\n"), "kind": kind}}


def test_a_recipe_that_check_refuses_stays_its_result(tell: Tell) -> None:
    assert [one["ok"] for one in tell("check", "nowhere.toml", "--json").json] == [False]


def test_after_json_as_an_argument_nothing_is_printed(tell: Tell) -> None:
    assert tell("eval", "--", "--json").out == ""


def test_what_the_system_refuses_is_told_as_json(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise OSError(24, os.strerror(24), "/some/file")

    monkeypatch.setattr("fdakit.catalog.load_catalog", refuses)
    told = tell("eval", "nowhere", "--json")
    assert told.code == 2
    assert told.json["error"]["kind"] == "system"
    assert told.err.startswith(told.json["error"]["message"])


def test_kinds_are_the_classes_of_errors() -> None:
    class OwnError(RecipeError):
        """As a plugin may have."""

    kinds = [
        kind_of(error) for error in (RecipeError(""), CheckpointError(), PartError(), FdakitError(), OwnError(""))
    ]
    assert kinds == ["recipe", "checkpoint", "part", "input", "recipe"]
