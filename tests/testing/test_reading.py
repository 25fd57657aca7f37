"""What `check_dataset` asks beside the first laws, and what breaks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.sample_plugins import component

from fdakit.plugin import Caption, SourceFile, Split, VideoRef
from fdakit.testing import check_dataset

ONE = (VideoRef("v", Path("v.mp4")),)


class Listed:
    """A data set of one video."""

    def __init__(self, names: tuple[str, ...] = ("test",), videos: tuple[VideoRef, ...] = ONE) -> None:
        self._names, self._videos = names, videos

    def splits(self) -> tuple[str, ...]:
        return self._names

    def load(self, split: str, progress: Any) -> Split:
        return Split(split, self._videos, tuple(Caption("a cat", video.id) for video in self._videos))


class Sourced(Listed):
    """A data set that says where its files come from."""

    def __init__(self, root: Any, *sources: SourceFile) -> None:
        super().__init__()
        self.root = root
        self._sources = sources

    def sources(self) -> tuple[SourceFile, ...]:
        return self._sources


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        (Listed(names=()), "the data set names no split"),
        (Listed(videos=()), "split 'test' holds no video"),
        (Sourced("data", SourceFile("a", "b", "c")), "root 'data'; wanted the folder that the sources lie in"),
        (Sourced(Path("data")), r"sources\(\) names nothing; leave it out"),
    ],
)
def test_a_data_set_that_breaks_a_law_is_rejected(dataset: Listed, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_dataset(component(build=lambda options, shapes: dataset))


def test_a_data_set_with_and_without_sources_keeps_the_laws() -> None:
    for made in (Listed(), Sourced(Path("data"), SourceFile("a", "b", "c"))):
        check_dataset(component(build=lambda options, shapes, made=made: made))
