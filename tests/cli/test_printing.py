"""Tables on the terminal."""

from __future__ import annotations

import io
import sys
from collections import Counter

import pytest
from helpers.cli_output import Tell
from hypothesis import given, strategies as st

from fdakit.catalog import KINDS, load_catalog
from fdakit.cli.printing import print_table, say, say_progress
from fdakit.model.zoo import ZOO
from fdakit.recipe.tables import SETTINGS

COLUMNS = ("split", "videos", "official", "captions", "official", "no file", "equal text", "best R@1")
ROWS = (("test", "1,000", "2,990 (-1,990)", "20,000", "59,800 (-39,800)", "996", "1,416", "95.36"),)


@pytest.mark.parametrize("width", [200, 80, 50, 20])
@pytest.mark.parametrize("numbers", [True, False])
def test_no_word_is_broken_whatever_the_room(
    width: int, numbers: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    print_table("splits", COLUMNS, ROWS, numbers=numbers)
    shown = capsys.readouterr().out
    assert Counter(" ".join((*COLUMNS, *ROWS[0])).split()) - Counter(shown.replace(":", " ").split()) <= Counter(
        () if width >= 80 else ("split",)  # a list names its rows by their first cells
    )
    if width >= 80:
        assert all(len(line.rstrip()) <= width for line in shown.splitlines())


WORDS = st.lists(st.text("abc-_/.", min_size=1, max_size=30), max_size=6).map(" ".join)


@pytest.mark.integration
@given(st.integers(1, 6).flatmap(lambda n: st.lists(st.lists(WORDS, min_size=n, max_size=n), min_size=2, max_size=5)))
def test_every_word_of_any_table_can_be_copied(table: list[list[str]]) -> None:
    columns, *rows = table
    with pytest.MonkeyPatch.context() as patch, io.StringIO() as out:
        patch.setenv("COLUMNS", "80")
        patch.setattr(sys, "stdout", out)
        print_table("t", columns, rows)
        shown = Counter(out.getvalue().split())
    assert not Counter(" ".join(cell for row in rows for cell in row).split()) - shown


NAMED = {
    ("plugins",): lambda: [o.component.name for o in load_catalog().offers],
    ("models",): lambda: [m.name for m in ZOO] + [m.visual_checkpoint for m in ZOO if m.visual_checkpoint],
    **{("show", kind): lambda kind=kind: [o.component.name for o in load_catalog().of_kind(kind)] for kind in KINDS},
    **{
        ("show", o.kind, o.component.name): lambda o=o: list(o.component.options.model_fields)
        for o in load_catalog().offers
    },
    **{("show", table): lambda model=model: list(model.model_fields) for table, model in SETTINGS.items()},
}


@pytest.mark.parametrize("width", [80, 60])
@pytest.mark.parametrize("arguments", NAMED, ids=" ".join)
def test_names_that_one_must_type_are_whole_on_a_narrow_terminal(
    tell: Tell, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = set(tell(*arguments).out.replace(",", " ").split())
    assert not set(NAMED[arguments]()) - shown


HOSTILE = "\x1b]0;owned\x07[red]x[/red]\x9b2J\r\n\u202etext\ttab [link=http://x]y[/]\\"


def test_cells_and_titles_are_neither_obeyed_nor_read_as_markup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    print_table(HOSTILE, [HOSTILE, "b"], [[HOSTILE, "[/]"]])
    shown = capsys.readouterr().out
    assert shown.count(r"\x1b]0;owned\x07[red]x[/red]\x9b2J\r\n\u202etext\ttab [link=http://x]y[/]" + "\\") == 3
    assert not set(shown) & set("\x1b\x07\x9b\r\u202e\t")


def test_lines_are_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE)
    say(HOSTILE, err=True)
    say_progress(HOSTILE, 1, 1, every=1)
    out, err = capsys.readouterr()
    assert not set(out + err) & set("\x1b\x07\x9b\r\u202e")
    assert "[red]x[/red]" in out


def test_a_terminal_is_told_progress_over_the_line_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for done in (1, 2):
        say_progress("clip\x1b", done, 2, every=5)
    assert capsys.readouterr().err == "\rclip\\x1b 1 of 2\rclip\\x1b 2 of 2\n"


def test_progress_that_is_no_terminal_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    for done in range(1, 13):
        say_progress("round", done, 12, every=5)
    assert capsys.readouterr().err == "round 5 of 12\nround 10 of 12\nround 12 of 12\n"
