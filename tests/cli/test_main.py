"""The command line as a whole: exit codes, which stream carries what, and errors in words."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from helpers.cli_output import Tell
from helpers.sample_plugins import distribution, mask_plugin

from fdakit import __version__
from fdakit.cli.main import COMMANDS, execute, main

DATASET = """
from fdakit.plugin import Component, Options, hookimpl

class NoOptions(Options):
    pass

class OutOfMemoryError(RuntimeError):
    pass

def build(options, shapes):
    raise {error}

@hookimpl
def fdakit_datasets():
    return [Component("{name}", "a dataset that fails", NoOptions, build)]
"""


def recipe_that_fails(site: Path, error: str, name: str) -> Path:
    """A recipe whose data set, from a plugin, raises `error` while it is built: before anything else is."""
    code = DATASET.format(error=error, name=name)
    distribution(site, "fdakit-broken", code, module=f"dataset_{name.replace('-', '_')}")
    recipe = site / "x.toml"
    recipe.write_text(f'[dataset]\nuse = "{name}"\n[encoder]\nuse = "tiny"\n[train]\nepochs = 0\ndevice = "cpu"\n')
    return recipe


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"], ["schema"], ["check", "fda_msvd"]])
def test_what_works_ends_with_0_on_stdout_alone(tell: Tell, arguments: list[str]) -> None:
    told = tell(*arguments)
    assert told.code == 0
    assert told.out
    assert told.err == ""


def test_the_version_is_told(tell: Tell) -> None:
    assert tell("--version").out == f"fdakit, version {__version__}\n"


def test_help_lists_every_command_with_what_it_does(tell: Tell) -> None:
    text = tell("--help").out
    for name in COMMANDS:
        assert f"\n  {name} " in text
        assert "Usage: fdakit " + name in tell(name, "--help").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chek"], "no such command 'chek'; did you mean 'check'?"),
        (["zzz"], "no such command 'zzz'; known: ablate, bench, cache, check,"),
        (["check", "--jso", "fda_msvd"], "--json"),
        (["check"], "RECIPE..."),
        (["run"], "name one recipe, or a stopped run with --resume"),
        (["run", "a", "--resume", "b"], "name one recipe, or a stopped run with --resume"),
        (["run", "--resume", "b", "--seed", "1"], "it takes no --out or --seed"),
        (["run", "fda_msvd", "--allow-changed", "files"], "--allow-changed says what may have changed"),
        (["run", "--resume", "b", "--allow-changed", "file"], "no such kind; did you mean 'files'?"),
        (["run", "fda_msvd", "--dry-run", "--out", "there"], "--dry-run writes no run folder"),
        (["run", "fda_msvd", "--seed", "one"], "'one' is not a valid integer"),
        (["run", "nowhere"], "nowhere: no such recipe"),
        (["sweep", "fda_msvd", "--seeds", "1,two"], "--seeds '1,two': wanted whole numbers"),
        (["show", "mask", "whole-fram"], "did you mean 'whole-frame'?"),
    ],
)
def test_what_the_user_got_wrong_ends_with_2_on_stderr_alone(tell: Tell, arguments: list[str], words: str) -> None:
    told = tell(*arguments)
    assert told.code == 2
    assert told.out == ""
    assert words in told.err
    assert "Traceback" not in told.err


def test_without_a_command_the_help_is_shown(tell: Tell) -> None:
    told = tell()
    assert told.code == 2
    assert "Usage: fdakit" in told.err


def test_a_part_that_fails_ends_with_1_and_tells_how_to_see_more(tell: Tell, site: Path) -> None:
    told = tell("run", str(recipe_that_fails(site, "ValueError('torn')", "torn-set")))
    assert told.code == 1
    assert told.out == ""
    assert told.err.splitlines() == [
        "dataset 'torn-set' (fdakit-broken 0.1) failed while it was built: ValueError: torn",
        "(set FDAKIT_TRACEBACK=1 to see where it failed)",
    ]


def test_the_traceback_is_there_for_those_who_ask(tell: Tell, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FDAKIT_TRACEBACK", "1")
    with pytest.raises(Exception, match="torn-again") as caught:
        tell("run", str(recipe_that_fails(site, "ValueError('torn')", "torn-again")))
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("error", ["OutOfMemoryError('of 8 GiB\\n2nd line')", "MemoryError()"])
def test_lack_of_memory_ends_with_1_and_says_what_to_lower(tell: Tell, site: Path, error: str) -> None:
    told = tell("run", str(recipe_that_fails(site, error, f"big-{error[:3].lower()}")))
    assert told.code == 1
    assert told.err.startswith("out of memory: ")
    assert told.err.endswith("; lower train.batch_size or eval.batch_size\n")
    assert "2nd line" not in told.err


def test_ctrl_c_ends_with_130(tell: Tell, site: Path) -> None:
    distribution(site, "fdakit-broken", "raise KeyboardInterrupt", module="interrupting")
    told = tell("plugins")
    assert told.code == 130
    assert told.out == ""
    assert told.err.strip() == "stopped"


def test_main_leaves_with_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    for arguments, code in ((["--version"], 0), (["chek"], 2)):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == code


def test_warnings_are_one_line_on_stderr(tell: Tell, site: Path) -> None:
    distribution(
        site, "fdakit-broken", f"import warnings\nwarnings.warn('old flow')\n{mask_plugin('w')}", module="warning"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        told = tell("plugins", "--json")
    assert told.err == "warning: old flow\n"
    assert told.json["broken"] == []


@pytest.mark.integration
def test_python_m_fdakit_is_the_same_command() -> None:
    done = subprocess.run([sys.executable, "-m", "fdakit", "chek"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no such command 'chek'" in done.stderr


@pytest.mark.integration
def test_a_reader_that_goes_away_is_no_error() -> None:
    command = [sys.executable, "-m", "fdakit", "schema"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode in (0, 1)


@pytest.mark.parametrize("words", ["fdakit nonsense ", "fdakit data nonsense "])
def test_completing_after_a_misspelt_command_complains_of_nothing(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_FDAKIT_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
    with pytest.raises(SystemExit, match=r"^0$"):  # as click ends a completion
        execute([])
    assert capsys.readouterr().err == ""
