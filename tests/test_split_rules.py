"""Rules of splits that values alone do not show: which protocol is settled on."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from fdakit.errors import DatasetError
from fdakit.split_rules import PROTOCOLS, settled_protocol


@pytest.mark.parametrize(
    ("protocol", "most"), [("single-caption", 1), ("paragraph", 1), ("first-caption", 1), ("five-captions", 5)]
)
def test_a_video_with_more_captions_than_its_protocol_allows_is_refused(protocol: str, most: int) -> None:
    captions = [("a", str(number)) for number in range(most)]
    assert settled_protocol("test", protocol, captions=captions) == protocol
    with pytest.raises(DatasetError, match=f"protocol '{protocol}', but video 'a' has {most + 1} captions"):
        settled_protocol("test", protocol, captions=[*captions, ("a", "another")])


@given(st.lists(st.sampled_from("abc"), max_size=6))
def test_a_protocol_is_one_of_those_known_and_does_not_depend_on_the_order(videos: list[str]) -> None:
    captions = [(video, "a caption") for video in videos]
    found = settled_protocol("test", "", captions=captions)
    assert found in PROTOCOLS
    assert found == settled_protocol("test", "", captions=sorted(captions))
    assert settled_protocol("test", "of another house", captions=captions) == "of another house"
