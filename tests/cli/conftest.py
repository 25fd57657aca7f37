"""What tests of commands share."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from helpers.cli_output import Tell, Told

from fdakit.cli.main import execute


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Tell:
    """Runs the command line in this process, on a terminal wide enough that no table cell is folded."""
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # `execute` sets its own

    def run(*arguments: str) -> Told:
        capsys.readouterr()
        code = execute(list(arguments))
        return Told(code, *capsys.readouterr())

    return run


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed distributions; `fdakit-drift` and `fdakit-broken` may load."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("FDAKIT_PLUGINS", "fdakit-drift,fdakit-broken")
    return folder
