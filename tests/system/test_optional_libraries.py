"""Whether an optional library can be used, told in one line with what to install."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fdakit.system.optional_libraries import is_installed, library_fault


def test_a_library_that_works_has_no_fault() -> None:
    assert library_fault("numpy") == ""
    assert is_installed("numpy")


def test_what_is_not_installed_is_said_so() -> None:
    assert not is_installed("no_such_library")
    assert (
        library_fault("no_such_library") == "no_such_library cannot be imported (No module named 'no_such_library')"
    )


def test_a_torchcodec_that_finds_no_ffmpeg_says_what_to_install(without_ffmpeg: None) -> None:
    assert is_installed("torchcodec")
    for _ in range(2):
        assert library_fault("torchcodec").startswith(
            "torchcodec cannot load its libraries (Could not load libtorchcodec); install FFmpeg's shared libraries"
        )


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ImportError('libGL.so.1: cannot open shared object file\\nmore')", "(libGL.so.1: cannot open shared"),
        ("import no_such_part", "(No module named 'no_such_part')"),
        ("raise OSError('libodd.so: wrong ELF class')", "(libodd.so: wrong ELF class)"),
    ],
)
def test_a_library_that_lacks_another_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    (tmp_path / "odd_library.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    fault = library_fault("odd_library")
    assert fault.startswith(f"odd_library cannot load its libraries {said}")
    assert "\n" not in fault
    assert "odd_library" not in sys.modules
