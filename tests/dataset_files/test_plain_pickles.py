"""Plain values come back from pickles of any protocol; nothing else does, nothing runs, and nothing swells."""

from __future__ import annotations

import pickle
import resource
from typing import Any

import pytest
from hypothesis import given, strategies as st

from fdakit.dataset_files.plain_pickles import PlainPickleError, read_plain_pickle

pytestmark = pytest.mark.integration

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"))
)
DOUBLED = b"".join(b"](h%ch%ceq%c" % (place, place, place + 1) for place in range(40))
"""Opcodes of a list that holds one list twice, which holds another twice, and so on: 2**40 in all."""
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.integers(-(2**60) + 1, 2**60 - 1), inner)
        | st.lists(inner, max_size=4).map(tuple)
    ),
    max_leaves=30,
)


@given(VALUES, st.integers(0, 5))
def test_plain_values_come_back_from_every_protocol(value: Any, protocol: int) -> None:
    assert read_plain_pickle(pickle.dumps(value, protocol)) == value


@given(st.lists(st.text(max_size=3), min_size=1, max_size=400), st.integers(0, 5))
def test_words_that_come_again_are_found_in_the_memo(words: list[str], protocol: int) -> None:
    value = {f"v{place}": [words, words[::-1]] for place in range(300)}
    assert read_plain_pickle(pickle.dumps(value, protocol)) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        read_plain_pickle(b"\x80\x04" + data)
    except PlainPickleError as error:
        assert len(str(error)) < 300


@given(VALUES, st.data())
def test_a_changed_byte_is_read_or_refused(value: Any, data: st.DataObject) -> None:
    whole = bytearray(pickle.dumps(value, data.draw(st.integers(0, 5))))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_plain_pickle(bytes(whole))
    except PlainPickleError as error:
        assert len(str(error)) < 300


def test_strings_of_python_2_are_utf8() -> None:
    assert read_plain_pickle(b"S'l\\xc3\\xa4uft'\np0\n.") == "läuft"
    assert read_plain_pickle(b"\x80\x02U\x06l\xc3\xa4uftq\x00.") == "läuft"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"cposix\nsystem\n(S'true'\ntR.", r"asks to run posix\.system"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", r"asks to run os\.system"),
        (b"(S'true'\niposix\nsystem\n.", r"asks to run posix\.system"),
        (b"]R.", "asks to run a call"),
        (b"]b.", "asks to run a call"),
        (b"\x82\x01.", "asks to run a call"),
        (b"P1\n.", "asks to run a call"),
        (b"}(]K\x01u.", "a list as a key"),
        (b"})K\x01s.", "a tuple as a key"),
        (b"}\x8a\x08" + (2**61 - 1).to_bytes(8, "little") + b"Ns.", "more than 60 bits as a key"),
        (b"\x80\x04" + 2 * (b"]q\x00" + DOUBLED) + b"\x93.", r"asks to run list\.list"),
        (b"", "ends after 0 bytes"),
        (b"]", "ends after 1 bytes"),
        (b"X\xff\xff\xff\xffabc.", "asks for 4,294,967,295 bytes at byte 5 of 9"),
        (b"\x8d" + b"\xff" * 8 + b".", "asks for"),
        (b"I" + b"9" * 5000 + b"\n.", "4300 digits"),
        (b"h\x05.", "damaged near byte 1"),
        (b".", "damaged near byte 1"),
        (b"\xff.", "begins nothing that plain values are made of"),
    ],
)
def test_what_is_no_plain_value_is_refused_in_words(data: bytes, said: str) -> None:
    with pytest.raises(PlainPickleError, match=said):
        read_plain_pickle(data)


def test_a_far_memo_cell_takes_no_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert read_plain_pickle(b"\x80\x02K\x01r\xff\xff\xff\x7f.") == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_values_nested_a_hundred_thousand_deep_crash_nothing() -> None:
    with pytest.raises(PlainPickleError, match="a tuple as a key"):
        read_plain_pickle(b"})" + b"\x85" * 100_000 + b"K\x01s.")
    assert isinstance(read_plain_pickle(b"]" * 100_000 + b"a" * 99_999 + b"."), list)
