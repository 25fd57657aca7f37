"""QVHighlights: clips of 150 s of vlogs and news from YouTube; each query describes one or more moments of its video.

7,218 / 1,550 / 1,542 queries on 7,100 / 1,519 / 1,529 videos. Source: Lei et al., *QVHighlights: Detecting Moments
and Highlights in Videos via Natural Language Queries*, NeurIPS 2021. The scores of highlights are not read.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import Field

from fdakit.plugin import (
    BuildContext,
    Caption,
    Component,
    Dataset,
    DatasetError,
    Options,
    Progress,
    PublishedCounts,
    SourceFile,
    Split,
    hookimpl,
)

OFFICIAL = {
    "train": PublishedCounts(7100, 7218),
    "val": PublishedCounts(1519, 1550),
    "test": PublishedCounts(1529, 1542),
}
_ORIGIN = "github.com/jayleicn/moment_detr, folder data"
ANNOTATIONS = {
    "train": SourceFile(
        "highlight_train_release.jsonl",
        "the train queries and their moments",
        _ORIGIN,
        sha256=("fd28404187468f57cf99242be2963127dc9b4aef26c7de3cb9469569801f2625",),
        splits=("train",),
    ),
    "val": SourceFile(
        "highlight_val_release.jsonl",
        "the val queries and their moments",
        _ORIGIN,
        sha256=("f668a1eaea156ec5315e14718999cea043a8cf948d3cafbd8e8d655318c3cd02",),
        splits=("val",),
    ),
    "test": SourceFile(
        "highlight_test_with_gt.jsonl",
        "the test queries and their moments (highlight_test_release.jsonl has no moments)",
        _ORIGIN,
        others=("highlight_test_release.jsonl",),
        sha256=(
            "bd50ec6bb5dd3f72571126ba5fdc7418efdd9219a9487984e483a02e2ce5d493",
            "0462f0cb582b54913671ba5ebfc325931ffa6d422c60cb72520749fc6d5d05a3",
        ),
        splits=("test",),
    ),
}
VIDEOS = SourceFile(
    "videos",
    "the clips, named by YouTube id, first and last second, such as bP5KfdFJzC4_660.0_810.0.mp4",
    "qvhilights_videos.tar.gz, linked in the README of that folder",
    others=("qvhilights_videos",),
)


class QvHighlightsOptions(Options):
    """The location of the data set."""

    root: Path = Field(Path("data/qvhighlights"), description="folder with the annotation files and the videos")
    videos: Path | None = Field(None, description="folder of the clips; left out: videos/ in root")


class QvHighlights:
    """The three splits. Reads nothing until one is loaded."""

    def __init__(self, options: QvHighlightsOptions) -> None:
        self.root = options.root
        self._options = options

    def sources(self) -> tuple[SourceFile, ...]:
        """Return the annotations of the three splits, and the clips."""
        return (*ANNOTATIONS.values(), VIDEOS)

    def splits(self) -> tuple[str, ...]:
        """Return the three official splits."""
        return tuple(OFFICIAL)

    def load(self, split: str, progress: Progress) -> Split:
        """Return the split, a caption with all its moments for each query; without any if the file has none.

        Raises `DatasetError` with the file, its expected path and how to get it, or the line that is wrong.
        """
        from fdakit.dataset_files import find_source, moment_split, require_root

        if split not in OFFICIAL:
            raise DatasetError(f"qvhighlights: no split {split!r}; choose one of {', '.join(OFFICIAL)}")
        require_root(self.root, QVHIGHLIGHTS.name, self.sources())
        captions, remarks = self._captions(split)
        folder = self._options.videos or find_source(self.root, VIDEOS)
        return moment_split(split, captions, folder, official=OFFICIAL[split], remarks=remarks)

    def _captions(self, split: str) -> tuple[tuple[Caption, ...], tuple[str, ...]]:
        """Return the captions, and what is to be said about their moments."""
        from fdakit.dataset_files import MomentCheck, find_source, read_moment_queries

        path = find_source(self.root, ANNOTATIONS[split])
        check, captions, bare = MomentCheck(), [], 0
        for query in read_moment_queries(path):
            moments = check(query.windows or (), duration=query.duration)
            bare += not query.windows
            if moments or not query.windows:
                captions.append(Caption(query.text, query.video, moments))
        without = f"{split}: queries of {path.name} without moments: {bare:,}"
        return tuple(captions), (*((without,) if bare else ()), *check.remarks(split))


def build(options: QvHighlightsOptions, shapes: BuildContext) -> Dataset:
    """Return the data set, which reads nothing until a split is loaded."""
    return QvHighlights(options)


QVHIGHLIGHTS = Component(
    "qvhighlights",
    "QVHighlights: each query describes one or more moments of its video",
    QvHighlightsOptions,
    build,
)


@hookimpl
def fdakit_datasets() -> Iterable[Component[Any, Dataset]]:
    """Offer `qvhighlights`."""
    return (QVHIGHLIGHTS,)
