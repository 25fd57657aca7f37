"""What the commands say where torchrun starts them: rank 0 alone, and nothing where several make no sense."""

from __future__ import annotations

import sys
import warnings

import pytest
from helpers.run_damage import say

from fdakit.cli.failures import by_rank, tell
from fdakit.cli.streams import rank_output
from fdakit.errors import DatasetError, RecipeError, ToldError


@pytest.fixture
def follower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")


@pytest.mark.parametrize("command", [("sweep", "quickstart"), ("doctor",), ("run", "quickstart", "--dry-run")])
def test_commands_of_one_process_are_refused(monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    said = say(*command)
    assert said.code == 2
    assert "works in one process; start it without torchrun" in said.err


def test_a_follower_prints_and_warns_of_nothing(follower: None, capsys: pytest.CaptureFixture[str]) -> None:
    with rank_output():
        print("a table", file=sys.stdout)
        warnings.warn("a remark", stacklevel=1)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "")
    assert say("sweep", "quickstart").err == ""


@pytest.mark.parametrize(("error", "said"), [(ToldError("a"), ""), (DatasetError("a"), "rank 1: a\n")])
def test_a_follower_tells_what_the_first_does_not(
    follower: None, capsys: pytest.CaptureFixture[str], error: Exception, said: str
) -> None:
    tell(error, "a")
    assert capsys.readouterr().err == said


def test_one_process_tells_everything(capsys: pytest.CaptureFixture[str]) -> None:
    tell(RecipeError("b"), "b", more="see more")
    assert capsys.readouterr().err == "b\nsee more\n"
    assert by_rank("no such file") == "no such file"
