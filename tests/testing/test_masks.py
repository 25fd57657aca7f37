"""What `check_mask` asks of the remarks and the files of a mask, and what breaks it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import numpy as np
import pytest
from helpers.sample_plugins import component

from fdakit.plugin import Clip, Needs
from fdakit.testing import check_mask


class Remarking:
    """Marks everything, and says something of each frame."""

    needs, place = Needs(), "worker"

    def __init__(self, say: Callable[[Clip], Sequence[Any]]) -> None:
        self.remarks = say

    def __call__(self, clip: Clip) -> Any:
        return np.ones(clip.frames.shape[:3], np.float32)


@pytest.mark.parametrize(
    ("say", "words"),
    [
        (lambda clip: ["cut"], "1 remarks on 5 frames; wanted one a frame"),
        (lambda clip: [0] * len(clip.frames), r"remarks are \[0, 0, 0, 0, 0\]; wanted strings"),
    ],
)
def test_remarks_that_break_a_law_are_rejected(say: Callable[[Clip], Sequence[Any]], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_mask(component(build=lambda options, shapes: Remarking(say)))


def test_a_word_a_frame_keeps_it() -> None:
    check_mask(component(build=lambda options, shapes: Remarking(lambda clip: [""] * len(clip.frames))))


class Reading(Remarking):
    """Also reads files, of some version."""

    def __init__(self, version: Callable[[str], Any]) -> None:
        super().__init__(lambda clip: [""] * len(clip.frames))
        self.version = version


def test_versions_of_files_that_break_a_law_are_rejected() -> None:
    numbers = count()
    check_mask(component(build=lambda options, shapes: Reading(lambda video_id: "1")))
    for version, words in (
        (lambda _: 1, "version is 1; wanted text"),
        (lambda _: str(next(numbers)), "another version"),
    ):
        with pytest.raises(AssertionError, match=words):
            check_mask(component(build=lambda options, shapes, version=version: Reading(version)))
