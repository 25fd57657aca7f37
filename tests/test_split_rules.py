"""Rules of splits that values alone do not show: which protocol is settled on."""

from __future__ import annotations

from hypothesis import given, strategies as st

from fdakit.split_rules import PROTOCOLS, settled_protocol


@given(st.lists(st.sampled_from("abc"), max_size=6))
def test_a_protocol_is_one_of_those_known_and_does_not_depend_on_the_order(videos: list[str]) -> None:
    captions = [(video, "a caption") for video in videos]
    found = settled_protocol("test", "", captions=captions)
    assert found in PROTOCOLS
    assert found == settled_protocol("test", "", captions=sorted(captions))
    assert settled_protocol("test", "of another house", captions=captions) == "of another house"
