"""Counts beside the published ones, and the digest of a list of ids."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import given, strategies as st

from fdakit.dataset_files import count_remarks, id_hash
from fdakit.plugin import PublishedCounts


def test_differences_are_said_and_equal_counts_are_not() -> None:
    official = PublishedCounts(670, 27_763)
    assert count_remarks("test", videos=670, captions=27_763, official=official) == ()
    assert count_remarks("test", videos=668, captions=27_763, official=official) == (
        "test: 668 videos, published 670",
    )
    assert count_remarks("test", videos=1, captions=2, official=official) == (
        "test: 1 videos, published 670",
        "test: 2 captions, published 27,763",
    )


def test_nothing_is_said_where_nothing_is_published() -> None:
    assert count_remarks("test", videos=3, captions=4, official=None) == ()
    assert count_remarks("test", videos=3, captions=4, official=PublishedCounts(3)) == ()


def test_the_digest_of_ids_is_that_of_their_sorted_lines() -> None:
    assert id_hash(["b", "a"]) == sha256(b"a\nb\n").hexdigest()


@given(st.sets(st.text("ab\né", min_size=1).filter(lambda name: "\n" not in name), min_size=1), st.data())
def test_the_digest_knows_no_order_but_every_id(ids: set[str], data: st.DataObject) -> None:
    assert id_hash(data.draw(st.permutations(sorted(ids)))) == id_hash(ids)
    assert id_hash(sorted(ids)[1:]) != id_hash(ids)
