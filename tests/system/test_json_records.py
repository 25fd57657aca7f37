"""Frozen values stored as JSON: what was read is written again, key for key, and what does not fit is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from fdakit.system.json_records import Count, JsonRecord, Texts


class Inner(JsonRecord):
    count: Count = 0
    names: Texts = ()


class Outer(JsonRecord):
    inner: Inner = Inner()
    reasons: Mapping[str, str] = {}
    table: Mapping[str, Inner] = {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
INNER = st.fixed_dictionaries({}, optional={"count": st.integers(0), "names": st.lists(st.text()), "newer": JSON})


OUTER = st.fixed_dictionaries(
    {}, optional={"inner": INNER, "table": st.dictionaries(st.text(), INNER), "newer": JSON}
)


@given(OUTER)
def test_reading_and_writing_change_nothing(found: dict[str, Any]) -> None:
    assert Outer.from_json(found).to_json() == found


def test_names_that_are_not_utf_8_are_kept() -> None:
    found = {"reasons": {"clip\udcff.mp4": "torn \udc80"}, "inner": {"names": ["\udcfe"]}, "newer": "\udc81"}
    assert Outer.from_json(found).to_json() == found


def test_a_default_is_not_written_and_known_to_be_one() -> None:
    found = Outer.from_json({"inner": {}})
    assert (found.inner.count, found.inner.states("count"), found.states("inner")) == (0, False, True)
    assert found.to_json() == {"inner": {}}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], "it: input should be"),
        ({"inner": {"count": -1}}, r"inner\.count: input should be greater than or equal to 0"),
        ({"inner": {"count": True}}, r"inner\.count: input should be a valid integer"),
        ({"inner": {"count": "1"}}, r"inner\.count: input should be a valid integer"),
        ({"inner": {"names": "abc"}}, r"inner\.names: "),
        ({"table": {"a": {"names": [1]}}}, r"table\.a\.names\.0: input should be a valid string"),
    ],
)
def test_what_does_not_fit_is_named_on_one_line(found: object, said: str) -> None:
    with pytest.raises(ValueError, match=rf"\A{said}[^\n]*\Z") as caught:
        Outer.from_json(found)
    assert not isinstance(caught.value, ValidationError)


def test_it_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Inner().count = 3  # type: ignore[misc]
