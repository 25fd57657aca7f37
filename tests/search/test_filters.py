"""Conditions: every text says one thing, faults are shown at their place, and nothing gets out of a string."""

from __future__ import annotations

import pytest
from hypothesis import example, given, strategies as st

from fdakit.errors import FdakitError
from fdakit.search.filter_sql import where_sql
from fdakit.search.filter_values import COLUMNS
from fdakit.search.filters import And, Comparison, Condition, Not, Or, parse_filter

DATES = st.dates().filter(lambda day: 1971 <= day.year < 2200)
VALUES = {
    "path": st.text(),
    "date": DATES.flatmap(
        lambda day: st.sampled_from(
            [
                f"{day:%Y}",
                f"{day:%Y-%m}",
                f"{day:%Y-%m-%d}",
                f"{day:%Y-%m-%d}T14:30",
                f"{day:%Y-%m-%d}T14:30:05+02:00",
            ]
        )
    ),
    "duration": st.floats(0, 1e9),
    "width": st.integers(0, 10**9).map(float),
    "coverage": st.floats(0, 1),
}
VALUES |= {"name": VALUES["path"], "folder": VALUES["path"], "height": VALUES["width"]}
COMPARISONS = st.sampled_from(list(COLUMNS)).flatmap(
    lambda name: st.builds(Comparison, st.just(name), st.sampled_from(COLUMNS[name].operators), VALUES[name])
)


def combined(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.builds(Not, inner) | st.builds(And, several) | st.builds(Or, several)


CONDITIONS: st.SearchStrategy[Condition] = st.recursive(COMPARISONS, combined, max_leaves=8)


@given(CONDITIONS)
def test_a_condition_written_out_reads_the_same(condition: Condition) -> None:
    assert parse_filter(str(condition)) == condition


@given(st.text() | st.text("'\"()=<> andorlike%_path\n\\-;"))
@example("'" * 7)
@example("path = '\n")
@example("date = ２０２４")
@example("width = ²")
@example("path = '\udcff'")
@example("duration > 1e999")
@example("(" * 5000)
@example("not " * 4000 + "width > 1")
@example("width > 1 or " * 1500 + "width > 1")
@example("path = '" + "x" * 30_000 + "'")
def test_any_text_is_read_or_refused_with_an_error_for_its_user(text: str) -> None:
    try:
        condition = parse_filter(text)
    except FdakitError as error:
        assert "condition" in str(error)
    else:
        assert parse_filter(str(condition)) == condition
        assert where_sql(text)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("PATH LIKE '%party%' AND duration>1m", "path like '%party%' and duration > 60"),
        ('name == "it\'s.mp4"', "name = 'it''s.mp4'"),
        ("name = party.mp4", "name = 'party.mp4'"),
        ("width <> 1280px", "width != 1280"),
        ("path not like '%x%'", "not path like '%x%'"),
        ("not width > 1 and height > 2", "not width > 1 and height > 2"),
        ("not (width > 1 and height > 2)", "not (width > 1 and height > 2)"),
        ("width > 1 or height > 2 and width > 3", "width > 1 or height > 2 and width > 3"),
        ("(width > 1 or (height > 2)) and width > 3", "(width > 1 or height > 2) and width > 3"),
        ("duration > 1h30m and duration < 1.5h", "duration > 5400 and duration < 5400"),
        ("duration >= 2min or duration = 0.5s", "duration >= 120 or duration = 0.5"),
        ("coverage < 5%", "coverage < 0.05"),
        ("date = '2024-05-31 14:30z'", "date = 2024-05-31T14:30Z"),
    ],
)
def test_what_may_be_written_in_several_ways(text: str, same: str) -> None:
    assert str(parse_filter(text)) == same


@pytest.mark.parametrize(
    ("text", "said", "marked"),
    [
        ("", "empty", 0),
        ("   ", "empty", 0),
        ("path like '%a%' and lenght > 60", "'lenght' is no name", 20),
        ("path < 'a'", "after 'path' one of these was expected: = != like glob", 5),
        ("duration like 'a'", "after 'duration' one of these was expected: = != < <= > >=", 9),
        ("duration not > 3", "one of these was expected: no not", 13),
        ("path not = 'a'", "one of these was expected: like glob", 9),
        ("duration > soon", "'soon' is no duration", 11),
        ("duration >", "a number of seconds such as 90, 90s, 2m or 1h was expected", 10),
        ("width > 12.5", "'12.5' is no number of pixels", 8),
        ("coverage > 5", "'5' is no share; write it as 0.05 or 5%", 11),
        ("date > 2024-13", "'2024-13' is no date (month must be in 1..12", 7),
        ("date > 1800", "years from 1971 to 2199", 7),
        ("date > yesterday", "'yesterday' is no date", 7),
        ("width > 99999999999", "too large", 8),
        ("(width > 3", "')' was expected", 10),
        ("width > 3)", "'and', 'or' or the end was expected", 9),
        ("width > 3 height > 4", "'and', 'or' or the end was expected", 10),
        ("width > 3 and", "a name was expected", 13),
        ("path = 'never closed", "this quote is never closed", 7),
        ("path = and", "a text such as '%party%' was expected", 7),
        ("60 < duration", "'60' is no name", 0),
        ("name = '\u65e5\u672c' x", "'and', 'or' or the end was expected", 14),  # two columns each
    ],
)
def test_a_fault_is_shown_at_its_place_with_the_names(text: str, said: str, marked: int) -> None:
    with pytest.raises(FdakitError) as caught:
        parse_filter(text)
    first, shown, carets, names = str(caught.value).splitlines()
    assert said in first
    assert shown == f"  {text}"
    assert carets.index("^") == marked + 2
    assert "path, name, folder, date, duration, width, height, coverage" in names


def test_a_text_of_several_lines_is_shown_on_one() -> None:
    with pytest.raises(FdakitError) as caught:
        parse_filter("width > 3\nand\tlenght > 4")
    assert str(caught.value).splitlines()[1:3] == ["  width > 3 and lenght > 4", " " * 16 + "^^^^^^"]


@pytest.mark.parametrize("text", ["(" * 40 + "width > 1" + ")" * 40, "not " * 40 + "width > 1"])
def test_what_is_nested_too_deep_is_refused(text: str) -> None:
    with pytest.raises(FdakitError, match="nested more than 32 deep"):
        parse_filter(text)
