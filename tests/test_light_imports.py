"""Looking things up must stay instant: a command imports what it uses and no more, and help next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from helpers.finished_runs import finished_run

from fdakit.cli.lazy_group import LazyGroup
from fdakit.cli.main import cli

HEAVY = ("torch", "open_clip", "timm", "skimage", "scipy", "av")
NOT_FOR_HELP = (*HEAVY, "pydantic", "rich", "numpy", "pluggy")
BELOW = tuple(f"fdakit.cli.{folder}." for folder in ("commands", "data_commands", "bench_commands"))
SCRIPT = f"""
import contextlib, io, json, sys

def loaded(names):
    return [name for name in names if name in sys.modules]

def commands():
    return {{name for name in sys.modules if name.startswith({BELOW!r})}}

import fdakit
found = {{"import fdakit": {{"loaded": loaded({NOT_FOR_HELP!r}), "commands": []}}}}
from fdakit.cli.main import execute
for name, forbidden, arguments in json.load(sys.stdin):
    before = commands()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = execute(arguments)
    assert code == (2 if "faults" in name else 0), (name, code)
    found[name] = {{"loaded": loaded(forbidden), "commands": sorted(commands() - before)}}
print(json.dumps(found))
"""
LOOKED_UP = {
    "check": ["check", "fda_msvd"],
    "check with faults": ["check", "fda_msvd", "--set", "mask.thresold=1"],
    "plugins": ["plugins"],
    "show a kind": ["show", "mask"],
    "show a part": ["show", "mask", "frame-difference"],
    "show a table": ["show", "train"],
    "schema": ["schema"],
    "models": ["models"],
    "cache": ["cache", "info"],
    "a new package": ["new", "encoder", "glow", "--out", "{run}-glow"],
    "a report": ["report", "{run}"],
    "a comparison": ["compare", "{run}", "{other}", "--draws", "100"],
    "metrics of a matrix": ["metrics", "{run}/similarity.npy"],
    "metrics of a run": ["metrics", "{run}"],
}


def command_tree(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that call it, the program itself first."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from command_tree(below, (*path, name))


TREE = dict(command_tree(cli))
HELPS = {" ".join([*path, "--help"]): [*path, "--help"] for path in TREE}


def loaded_after(steps: list[tuple[str, tuple[str, ...], list[str]]]) -> dict[str, Any]:
    """After each step of one fresh process, which forbidden modules it holds, and the commands that arrived."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], input=json.dumps(steps), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def run_to_report(folder: Path, seed: int) -> Path:
    """A finished run whose report is whole."""
    videos = [folder / f"{name}.mp4" for name in "abc"]
    finished_run(
        folder,
        np.eye(3, dtype=np.float32),
        videos=videos,
        owners=range(3),
        seed=seed,
        mask_control="none",
    )
    path = folder / "report.json"
    more = {"ci95": {}, "controls": {}, "rescored": {}, "ties": {"t2v": 0, "v2t": 0}}
    more |= {"captions": {"counted": 3, "distinct": 3, "cut": 0}}
    more |= {"masks": {"mean_coverage": 0.1, "empty_share": 0.0, "full_share": 0.0}}
    report = json.loads(path.read_text()) | more
    report["protocol"]["mask"] = "frame-difference"
    report["videos"] |= {"counted": 3, "missing": 0}
    path.write_text(json.dumps(report))
    return folder


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("runs")
    runs = {name: str(run_to_report(folder / name, seed)) for name, seed in (("run", 24), ("other", 42))}
    steps = [(name, NOT_FOR_HELP, arguments) for name, arguments in HELPS.items()]
    steps += [(name, HEAVY, [word.format(**runs) for word in words]) for name, words in LOOKED_UP.items()]
    return loaded_after(steps)


@pytest.mark.integration
@pytest.mark.parametrize("step", ["import fdakit", *HELPS])
def test_help_needs_neither_numpy_nor_pydantic_nor_what_draws_tables(found: dict[str, Any], step: str) -> None:
    assert found[step]["loaded"] == []


@pytest.mark.parametrize("step", LOOKED_UP)
def test_nothing_heavy_is_imported(found: dict[str, Any], step: str) -> None:
    assert found[step]["loaded"] == []


def test_help_of_a_command_imports_that_command_alone(found: dict[str, Any]) -> None:
    for path, command in TREE.items():
        own = {command.callback.__module__} if path and command.callback else set()
        assert set(found[" ".join([*path, "--help"])]["commands"]) <= own, path


GROUPS = [command for command in TREE.values() if isinstance(command, LazyGroup)]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
@pytest.mark.parametrize("width", [50, 80, 100, 400])
def test_the_written_summaries_are_those_of_the_commands(group: LazyGroup, width: int) -> None:
    context = click.Context(group)
    formatter, eager = click.HelpFormatter(width=width), click.HelpFormatter(width=width)
    group.format_commands(context, formatter)
    click.Group.format_commands(group, context, eager)  # asks every command
    assert formatter.getvalue() == eager.getvalue()
    assert formatter.getvalue().count("\n") > len(group.lazy)


@pytest.mark.parametrize(
    "group", [one for one in TREE.values() if isinstance(one, click.Group)], ids=lambda group: group.name
)
def test_no_summary_is_cut_at_80_columns(group: click.Group) -> None:
    formatter = click.HelpFormatter(width=78)  # click leaves two columns free
    group.format_commands(click.Context(group), formatter)
    assert [line for line in formatter.getvalue().splitlines() if line.endswith("...")] == []


def test_all_commands_of_the_folders_are_called_by_some_name() -> None:
    folders = {below: Path(sys.modules[below.rstrip(".")].__file__ or "").parent for below in BELOW}
    modules = {below + path.stem for below, folder in folders.items() for path in folder.glob("[!_]*.py")}
    assert modules == {command.callback.__module__ for path, command in TREE.items() if path and command.callback}
