"""LSMDC: 118,081 short clips of films, one sentence a clip, names of people replaced by SOMEONE.

Training and validation as published, tested on the 1,000 clips that papers report; `test = "full"` takes all
10,053 public test clips. Source: Rohrbach et al., *Movie Description*, IJCV 2017, files of the 2016 challenge.

The files have six fields between tabs, the clip id first and the sentence last, no header and no quoting. Ids
repeat in the training file alone: further rows of a clip are further captions of it, the same sentence twice
is one. Sentences are no keys: of the 1,000 test sentences 995 differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from fdakit.plugin import (
    BuildContext,
    Caption,
    Component,
    Dataset,
    Options,
    Progress,
    PublishedCounts,
    SourceFile,
    Split,
    VideoRef,
    hookimpl,
)

_SITE = "sites.google.com/site/describingmovies/download, after registration"


def _rows(path: str, split: str, *, others: tuple[str, ...] = (), sha256: tuple[str, ...] = ()) -> SourceFile:
    return SourceFile(path, f"clip ids and sentences of the {split} split", _SITE, others, sha256, (split,))


TRAIN = _rows("LSMDC16_annos_training.csv", "train", others=("LSMDC16_annos_training_someone.csv",))
VAL = _rows(
    "LSMDC16_annos_val.csv",
    "val",
    others=("LSMDC16_annos_val_someone.csv",),
    sha256=("2794844e8322ba94e4aec4c109e90438926e2026cba300be9e6023df3b6d2904",),
)
TEST_1K = _rows(
    "LSMDC16_challenge_1000_publictect.csv",
    "test",
    sha256=("9c15f8350956a1974ee42abab9ad2bc26c2146580c29c0bea19410a63e289fad",),
)
TEST_FULL = _rows(
    "LSMDC16_annos_test.csv",
    "test",
    others=("LSMDC16_annos_test_someone.csv",),
    sha256=("5925681db5b499a590d259edabf90be435d1a73d2ac701f2a3f42cd01ba7fddc",),
)
VIDEOS = SourceFile(
    "videos",
    "the clips as film/clip.avi or in one folder",
    f"the download scripts of {_SITE}",
    others=("LSMDC_Videos",),
)
TESTS: Mapping[str, tuple[SourceFile, PublishedCounts]] = {
    "1k": (TEST_1K, PublishedCounts(1000, 1000)),
    "full": (TEST_FULL, PublishedCounts(10_053, 10_053)),
}


class LsmdcOptions(Options):
    """The location of the data set, and the test clips."""

    root: Path = Field(Path("data/lsmdc"), description="folder with the annotation files and the videos")
    videos: Path | None = Field(None, description="folder of the clips; left out: videos/ or LSMDC_Videos/ in root")
    test: Literal["1k", "full"] = Field("1k", description="the 1,000 test clips that papers report, or all 10,053")


class Lsmdc:
    """The three splits."""

    def __init__(self, options: LsmdcOptions) -> None:
        self._options = options
        test = TESTS[options.test]
        # The challenge's readme counts 101,079 training rows; clips are fewer, where a clip has several.
        self._files = {
            "train": (TRAIN, PublishedCounts(101_079, 101_079)),
            "val": (VAL, PublishedCounts(7408, 7408)),
            "test": test,
        }

    @property
    def root(self) -> Path:
        """The folder of the data set."""
        return self._options.root

    def sources(self) -> tuple[SourceFile, ...]:
        """Return the three annotation files and the clips."""
        return (*(source for source, _ in self._files.values()), VIDEOS)

    def splits(self) -> tuple[str, ...]:
        """Return the three official splits."""
        return ("train", "val", "test")

    def load(self, split: str, progress: Progress) -> Split:
        """Return the split, clips in the file's order. Raises `DatasetError` naming file, line and what to do."""
        from fdakit.dataset_files import count_remarks, find_source, find_videos, require_root

        from ._lsmdc_annotations import read_sentences

        require_root(self.root, LSMDC.name, self.sources())
        source, official = self._files[split]
        found = read_sentences(find_source(self.root, source))
        captions = tuple(Caption(text, name) for name, texts in found.captions.items() for text in texts)
        files = find_videos(self._options.videos or find_source(self.root, VIDEOS), found.captions)
        counted = count_remarks(split, videos=len(files), captions=len(captions), official=official)
        return Split(
            name=split,
            videos=tuple(VideoRef(name, path) for name, path in files.items()),
            captions=captions,
            official=official,
            remarks=(*counted, *(f"{split}: {remark}" for remark in found.remarks)),
        )


def build(options: LsmdcOptions, shapes: BuildContext) -> Dataset:
    """Return the data set, which reads nothing until a split is loaded."""
    return Lsmdc(options)


LSMDC = Component("lsmdc", "LSMDC: film clips, tested on 1,000 of them", LsmdcOptions, build)


@hookimpl
def fdakit_datasets() -> Iterable[Component[Any, Dataset]]:
    """Offer `lsmdc`."""
    return (LSMDC,)
