"""Conditions on a real table: its rows are those that plain Python finds."""

from __future__ import annotations

import fnmatch
import operator
import os
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fdakit.search.filter_sql import filter_sql, where_sql
from fdakit.search.filters import And, Comparison, Condition, Not, Or, parse_filter

pa = pytest.importorskip("pyarrow")
lance = pytest.importorskip("lance")

ZONE = timezone(timedelta(hours=2))
START = datetime(2024, 5, 31, 23, 59, 58, tzinfo=ZONE)
NAMES = [
    "a.mp4",
    "B.MP4",
    "party 1.mkv",
    "100%_x.mp4",
    "it's.mp4",
    "b\\c.mp4",
    "new\nline.mp4",
    "[a-c].mp4",
    "Ünï.mp4",
]
FOLDERS = ["/v", "/v/Party", "/v/party/deep", "/v/o'neil; --", "/", "/v/x[1]/Über"]
ROWS = [
    {
        "path": f"{folder.rstrip('/')}/{name}",
        "modified": int((START + timedelta(seconds=7 * place**3)).timestamp()) * 10**9 + place,
        "duration": [0.0, 10.5, 60.0, 90.25, 3600.0][place % 5],
        "width": 320 * (place % 7),
        "height": 240 * (place % 4),
        "coverage": float(np.float32([0.0, 0.05, 0.15, 1 / 3, 1.0][(place // 3) % 5])),
    }
    for place, (folder, name) in enumerate((folder, name) for folder in FOLDERS for name in NAMES)
]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Any:
    kinds = {"width": pa.int32(), "height": pa.int32(), "coverage": pa.float32()}
    columns = {
        name: pa.array([row[name] for row in ROWS], kinds.get(name))
        for name in ("path", "modified", "duration", "width", "height", "coverage")
    }
    return lance.write_dataset(pa.table(columns), str(tmp_path_factory.mktemp("table") / "t.lance"))


def selected(table: Any, sql: str) -> list[str]:
    return sorted(table.to_table(columns=["path"], filter=sql)["path"].to_pylist())


COMPARED = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def holds(condition: Condition, row: dict[str, Any]) -> bool:
    """Whether a row fits, by plain Python."""
    if isinstance(condition, Not):
        return not holds(condition.term, row)
    if isinstance(condition, And | Or):
        return (all if isinstance(condition, And) else any)(holds(term, row) for term in condition.terms)
    path, value = PurePath(row["path"]), condition.value
    if condition.name == "date":
        text = datetime.fromtimestamp(row["modified"] // 10**9, ZONE).isoformat()[: len(str(value))]
        return bool(COMPARED[condition.operator](text, value))
    if condition.name in ("path", "name", "folder"):
        own = {"path": str(path), "name": path.name, "folder": str(path.parent)}[condition.name]
        if condition.name == "folder" and condition.operator in ("like", "glob"):
            own = own.removesuffix("/")  # of a file at the root it is ""
        return fits(own, condition.operator, str(value))
    number = float(np.float32(value)) if condition.name == "coverage" else float(value)
    return bool(COMPARED[condition.operator](row[condition.name], number))


def fits(own: str, operator: str, value: str) -> bool:
    if operator == "glob":
        return fnmatch.fnmatchcase(own, value)
    if operator == "like":
        pattern = "".join({"%": ".*", "_": "."}.get(sign) or re.escape(sign) for sign in value)
        return re.fullmatch(pattern, own, re.I | re.S) is not None
    return (own == value) == (operator == "=")


PIECES = [
    "%",
    "_",
    "*",
    "?",
    "[a-c]",
    "[!a]",
    "[z-a]",
    "[]]",
    "[",
    "a",
    "B",
    ".mp4",
    "party",
    "PARTY",
    "/v",
    "/",
    "ü",
    "'",
]
PIECES += ["\\", "100%", "\n", "--", "$", "^", "(", "&&", "~", "-", "|"]
PATTERNS = st.lists(st.sampled_from(PIECES), max_size=5).map("".join)
OWN = st.sampled_from([PurePath(row["path"]) for row in ROWS])
TEXTS = {
    "path": OWN.map(str),
    "name": OWN.map(lambda path: path.name) | PATTERNS,
    "folder": OWN.map(lambda path: str(path.parent)),
}
STAMPS = st.integers(-3, 10**6).map(lambda seconds: (START + timedelta(seconds=seconds)).isoformat())
NUMBERS = {
    "date": STAMPS.flatmap(lambda text: st.sampled_from([text[:length] for length in (4, 7, 10, 16, 19)])),
    "duration": st.sampled_from([0.0, 10.5, 60.0, 60.5, 90.25, 1e-7, 1e9]),
    "width": st.sampled_from([0.0, 319.0, 320.0, 1280.0]),
    "height": st.sampled_from([0.0, 480.0]),
    "coverage": st.sampled_from([0.0, 0.05, 0.15, 1 / 3, 0.2, 1.0]),
}
COMPARISONS = st.sampled_from(list(TEXTS)).flatmap(
    lambda name: (
        st.builds(Comparison, st.just(name), st.sampled_from(["=", "!="]), TEXTS[name])
        | st.builds(Comparison, st.just(name), st.sampled_from(["like", "glob"]), PATTERNS | TEXTS[name])
    )
) | st.sampled_from(list(NUMBERS)).flatmap(
    lambda name: st.builds(Comparison, st.just(name), st.sampled_from(list(COMPARED)), NUMBERS[name])
)
CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    COMPARISONS,
    lambda inner: (
        st.builds(Not, inner)
        | st.lists(inner, min_size=2, max_size=3).map(lambda terms: And(tuple(terms)))
        | st.lists(inner, min_size=2, max_size=3).map(lambda terms: Or(tuple(terms)))
    ),
    max_leaves=6,
)


@given(condition=CONDITIONS)
@settings(max_examples=200)
def test_the_rows_are_those_that_plain_python_finds(table: Any, condition: Condition) -> None:
    expected = sorted(row["path"] for row in ROWS if holds(condition, row))
    assert selected(table, filter_sql(condition, ZONE)) == expected


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("path like '%party%'", 18 + 4),
        ("path glob '*party*'", 9 + 5),
        ("name like '%PARTY%'", 6),
        ("name like '%/%'", 0),
        ("name glob '[!a]*'", 48),
        ("name glob '*[%]*'", 6),
        ("name glob '[+-9]*'", 6),
        ("name glob '[!/]*[!/]'", 54),
        ("name glob '*v[/]*'", 0),
        ("folder = '/v/party/deep/'", 9),
        ("folder = '/v/party/../Party'", 9),
        ("folder = '/'", 9),
        ("folder like '%über'", 9),
        ("name = 'it''s.mp4'", 6),
        ("coverage <= 5%", 24),
        ("date = 2024-05", 1),
    ],
)
def test_what_a_person_may_ask(table: Any, text: str, count: int) -> None:
    assert len(selected(table, where_sql(text, ZONE))) == count


@pytest.mark.parametrize(
    "text", ["path = ''' OR 1=1 --'", "path like '%''; drop table t; --%'", "name = '\\'' or 1=1 --'"]
)
def test_a_text_stays_a_text(table: Any, text: str) -> None:
    try:
        condition = parse_filter(text)
    except Exception as error:  # noqa: BLE001
        assert "condition" in str(error)
        return
    expected = sorted(row["path"] for row in ROWS if holds(condition, row))
    assert selected(table, filter_sql(condition, ZONE)) == expected


def test_the_deepest_condition_is_answered_quickly(table: Any) -> None:
    nested = "not (" * 14 + "width = 320 and not height = 240 or width = 640" + ")" * 14
    assert len(selected(table, where_sql(nested))) + len(selected(table, where_sql(f"not ({nested})"))) == len(ROWS)


def test_paths_are_made_absolute_as_a_shell_would(
    table: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert where_sql("path = 'a.mp4'") == where_sql(f"path = '{tmp_path / 'a.mp4'}'")
    monkeypatch.setenv("HOME", "/v")
    assert selected(table, where_sql("folder = '~/Party'")) == selected(table, where_sql("folder = '/v/Party'"))


def test_dates_are_of_the_systems_time_zone_unless_they_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert where_sql("date < 2024-06-01T00:00+02:00") == f"modified < {1717192800 * 10**9}"
    if not hasattr(__import__("time"), "tzset"):
        pytest.skip("the time zone cannot be set here")
    import time

    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert where_sql("date < 2024-06-01") == f"modified < {1717192800 * 10**9}"
        assert where_sql("date < 2024-12-01") == f"modified < {1733007600 * 10**9}"  # winter time
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_separator_is_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sep", "\\")
    assert where_sql("name = 'a.mp4'") == r"regexp_like(path, '(?s)(?:\A|\\)a\.mp4\z')"
