"""Tables on the terminal."""

from __future__ import annotations

import pytest

from fdakit.cli.printing import print_table

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
