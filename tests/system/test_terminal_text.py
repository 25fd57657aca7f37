"""Nothing that steers a terminal passes; everything else does, unchanged."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, strategies as st

from fdakit.system.terminal_text import printable

ANY = st.text(st.characters(codec=None, exclude_categories=()))


@given(ANY)
def test_no_control_no_override_and_no_surrogate_is_left(text: str) -> None:
    for char in printable(text, lines=False):
        assert unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp")
        assert unicodedata.bidirectional(char) not in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


@given(ANY)
def test_lines_and_tabs_stay_where_they_are_wanted(text: str) -> None:
    assert printable(text).count("\n") == text.count("\n")
    assert printable(text).count("\t") == text.count("\t")
    assert set(printable(text)) - set(printable(text, lines=False)) <= {"\n", "\t"}


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs", "Mn"))))
def test_plain_text_in_any_script_passes_unchanged(text: str) -> None:
    assert printable(text, lines=False) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("a\rb", r"a\rb"),
        ("gpj\u202e.exe", r"gpj\u202e.exe"),
        ("caf\udce9", r"caf\udce9"),
        ("two\nlines", r"two\nlines"),
        ("man 👨\u200d👩 \u05d0", "man 👨\u200d👩 \u05d0"),
    ],
)
def test_escapes_are_written_as_python_writes_them(text: str, shown: str) -> None:
    assert printable(text, lines=False) == shown
