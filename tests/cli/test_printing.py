"""Tables on the terminal."""

from __future__ import annotations

import sys

import pytest

from fdakit.cli.printing import print_table, say, say_progress

COLUMNS = ("split", "videos", "official", "captions", "official", "no file", "equal text", "best R@1")
ROWS = (("test", "1,000", "2,990 (-1,990)", "20,000", "59,800 (-39,800)", "996", "1,416", "95.36"),)


@pytest.mark.parametrize(("width", "whole"), [(200, True), (80, True), (50, False)])
def test_numbers_are_broken_only_where_there_is_no_room(
    width: int, whole: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    print_table("splits", COLUMNS, ROWS, numbers=True)
    shown = capsys.readouterr().out
    assert ("(-39,800)" in shown) == whole
    assert all(len(line.rstrip()) <= width for line in shown.splitlines())
    assert sorted("".join(shown.split("─")[-1].split())) == sorted("".join(ROWS[0]).replace(" ", "")), (
        "nothing is lost"
    )


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
