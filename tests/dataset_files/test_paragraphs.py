"""Sentences joined to paragraphs, and ids in messages."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from fdakit import DatasetError
from fdakit.dataset_files import join_paragraphs, name_ids

LIST, FILE = Path("test_list.txt"), Path("test_data.json")


def test_sentences_keep_their_order_and_lose_their_line_breaks() -> None:
    told = {"b": ["Two  dogs\r\n", "\tone barks. "], "a": ["A cat."], "unlisted": ["x"]}
    texts, remarks = join_paragraphs("test", ["a", "b"], told, listing=LIST, annotations=FILE)
    assert list(texts.items()) == [("a", "A cat."), ("b", "Two dogs one barks.")]
    assert remarks == ()


def test_ids_without_sentences_are_left_out_and_named() -> None:
    texts, (remark,) = join_paragraphs("val", "abc", {"a": ["x"], "b": [" "]}, listing=LIST, annotations=FILE)
    assert texts == {"a": "x"}
    assert remark == "val: 2 videos of test_list.txt without sentences in test_data.json, left out: b, c"


def test_a_list_of_another_split_is_refused() -> None:
    with pytest.raises(
        DatasetError, match=r"none of the 2 videos of test_list\.txt, such as a; give both of the same"
    ):
        join_paragraphs("val", "ab", {"c": ["x"]}, listing=LIST, annotations=FILE)


@given(st.lists(st.text("abc", min_size=1)), st.integers(1, 5))
def test_every_id_is_named_or_counted(ids: list[str], shown: int) -> None:
    named, _, more = name_ids(ids, shown=shown).partition(" and ")
    assert named.split(", ") == (ids[:shown] or [""])
    assert len(ids) == len(ids[:shown]) + (int(more.split()[0]) if more else 0)
