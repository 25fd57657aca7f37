"""Charades-STA: films of about 30 s of life at home; each sentence describes one moment of its video.

12,408 sentences on 5,338 videos train, 3,720 on 1,334 test; there is no validation split. The files state no
durations, so a moment that ends after its video is kept as published. Source: Gao et al., *TALL: Temporal Activity
Localization via Language Query*, ICCV 2017; videos of Sigurdsson et al., *Hollywood in Homes*, ECCV 2016.
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

OFFICIAL = {"train": PublishedCounts(5338, 12_408), "test": PublishedCounts(1334, 3720)}
_DIGESTS = {
    "train": "e966fc1970cf6bc4cc73db2dd4fc10e148313810a372eef488defb0dd2ee359f",
    "test": "fab341679c20b0917173dcffffde367a71113fe63f3a645558cef2ebfbfefb55",
}
ANNOTATIONS = {
    split: SourceFile(
        f"charades_sta_{split}.txt",
        f"the {split} sentences and their moments",
        "the links in the README of github.com/jiyanggao/TALL",
        sha256=(digest,),
        splits=(split,),
    )
    for split, digest in _DIGESTS.items()
}
VIDEOS = SourceFile(
    "videos",
    "the videos of Charades, named by their ids, such as AO8RW.mp4",
    "Charades_v1_480.zip of prior.allenai.org/projects/charades",
    others=("Charades_v1_480", "Charades_v1"),
)


class CharadesStaOptions(Options):
    """The location of the data set."""

    root: Path = Field(Path("data/charades-sta"), description="folder with the two annotation files and the videos")
    videos: Path | None = Field(None, description="folder of the videos; left out: videos/ in root")


class CharadesSta:
    """The two splits. Reads nothing until one is loaded."""

    def __init__(self, options: CharadesStaOptions) -> None:
        self.root = options.root
        self._options = options

    def sources(self) -> tuple[SourceFile, ...]:
        """Return the annotations of both splits, and the videos."""
        return (*ANNOTATIONS.values(), VIDEOS)

    def splits(self) -> tuple[str, ...]:
        """Return the two official splits."""
        return tuple(OFFICIAL)

    def load(self, split: str, progress: Progress) -> Split:
        """Return the split, a caption with one moment for each line.

        Raises `DatasetError` with the file, its expected path and how to get it, or the line that is wrong.
        """
        from fdakit.dataset_files import MomentCheck, find_source, moment_split, require_root

        from ._charades_sta_annotations import read_sentences

        if split not in OFFICIAL:
            raise DatasetError(f"charades-sta: no split {split!r}; choose one of {', '.join(OFFICIAL)}")
        require_root(self.root, CHARADES_STA.name, self.sources())
        check = MomentCheck()
        told = ((each, check([each.window])) for each in read_sentences(find_source(self.root, ANNOTATIONS[split])))
        captions = tuple(Caption(each.text, each.video, moments) for each, moments in told if moments)
        folder = self._options.videos or find_source(self.root, VIDEOS)
        return moment_split(split, captions, folder, official=OFFICIAL[split], remarks=check.remarks(split))


def build(options: CharadesStaOptions, shapes: BuildContext) -> Dataset:
    """Return the data set, which reads nothing until a split is loaded."""
    return CharadesSta(options)


CHARADES_STA = Component(
    "charades-sta", "Charades-STA: each sentence describes one moment of its video", CharadesStaOptions, build
)


@hookimpl
def fdakit_datasets() -> Iterable[Component[Any, Dataset]]:
    """Offer `charades-sta`."""
    return (CHARADES_STA,)
