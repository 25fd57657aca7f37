"""VATEX: ten-second clips with ten captions in English and ten in Chinese; every caption is a query.

25,991 videos train. The 3,000 of the published validation set are halved into 1,500 for validation and 1,500 for the
test, in two ways that are not comparable: as Chen et al. did, *Fine-grained Video-Text Retrieval with Hierarchical
Graph Reasoning*, CVPR 2020, and as Fang et al., *CLIP2Video*, 2021, whose test list shares 776 videos with the
validation list of the former and 724 with its test list. Source: Wang et al., *VATEX: A Large-Scale, High-Quality
Multilingual Dataset for Video-and-Language Research*, ICCV 2019.
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
    DatasetError,
    Options,
    Progress,
    PublishedCounts,
    SourceFile,
    Split,
    VideoRef,
    hookimpl,
)

from ._vatex_annotations import CAPTIONS, LISTS, OTHER_TEST, SITE, VIDEOS

COUNTS = {"train": 25991, "val": 1500, "test": 1500}
PER_VIDEO = 10


class VatexOptions(Options):
    """The location of the data set, and its language and test list."""

    root: Path = Field(Path("data/vatex"), description="folder with the id lists, the captions and the videos")
    videos: Path | None = Field(None, description="folder of the clips; left out: videos/ in root")
    language: Literal["english", "chinese"] = Field("english", description="of the captions, ten a video in each")
    test_list: Literal["hgr", "clip2video"] = Field(
        "hgr",
        description="hgr: test_list.txt, on which most report; clip2video: test1k5_sec_list.txt, another half of "
        "the same 3,000 videos; val is then the other half; 724 of the 1,500 videos are in both",
    )


class Vatex:
    """The three splits. Reads nothing until one is loaded."""

    def __init__(self, options: VatexOptions) -> None:
        self.root = options.root
        self._options = options

    def sources(self) -> tuple[SourceFile, ...]:
        """Return id lists, captions and videos; the second test list if it is chosen."""
        other = (OTHER_TEST,) if self._options.test_list == "clip2video" else ()
        return (*LISTS.values(), *other, *CAPTIONS, VIDEOS)

    def splits(self) -> tuple[str, ...]:
        """Return the three official splits."""
        return tuple(COUNTS)

    def load(self, split: str, progress: Progress) -> Split:
        """Return the split with all captions of one language.

        Raises `DatasetError` with the file, its expected path and how to get it, or how many listed videos lack
        captions.
        """
        from fdakit.dataset_files import count_remarks, find_source, find_videos, require_root

        if split not in COUNTS:
            raise DatasetError(f"vatex: no split {split!r}; choose one of {', '.join(COUNTS)}")
        require_root(self.root, VATEX.name, self.sources())
        ids, remarks = self._ids(split)
        captions = self._captions(split, ids)
        files = find_videos(self._options.videos or find_source(self.root, VIDEOS), ids)
        counts = sorted({len(captions[name]) for name in ids})
        many = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
        official = PublishedCounts(COUNTS[split], COUNTS[split] * PER_VIDEO)
        found = tuple(Caption(text, name) for name in ids for text in captions[name])
        return Split(
            name=split,
            videos=tuple(VideoRef(name, files[name]) for name in ids),
            captions=found,
            protocol="multi-caption",
            official=official,
            remarks=(
                f"{split}: captions in {self._options.language.title()}, {many} a video",
                *remarks,
                *count_remarks(split, videos=len(ids), captions=len(found), official=official),
            ),
        )

    def _ids(self, split: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the videos of a split, and a remark if they are not those of its own list."""
        from fdakit.dataset_files import find_source, read_id_list

        own = read_id_list(find_source(self.root, LISTS[split]))
        if split == "train" or self._options.test_list == "hgr":
            return own, ()
        other = read_id_list(find_source(self.root, OTHER_TEST))
        if split == "test":
            return other, (f"test: the list of CLIP2Video, {OTHER_TEST.path}",)
        both = (*own, *read_id_list(find_source(self.root, LISTS["test"])))
        taken = frozenset(other)
        remark = f"val: the videos of {LISTS['val'].path} and {LISTS['test'].path} not in {OTHER_TEST.path}"
        return tuple(name for name in both if name not in taken), (remark,)

    def _captions(self, split: str, ids: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
        """Return captions by id, for each of the ids. Raises `DatasetError` if some have none."""
        from fdakit.dataset_files import require_captions

        from ._vatex_annotations import caption_files, read_captions

        found: dict[str, tuple[str, ...]] = {}
        paths = caption_files(self.root, split)
        for path in paths:
            found = {**read_captions(path, self._options.language), **found}
            if found.keys() >= set(ids):
                break
        remedy = f"wanted those in {self._options.language.title()}: fetch the {split} captions from {SITE}"
        require_captions(found, ids, split=split, path=paths[0], remedy=remedy)
        return found


def build(options: VatexOptions, shapes: BuildContext) -> Dataset:
    """Return the data set, which reads nothing until a split is loaded."""
    return Vatex(options)


VATEX = Component("vatex", "VATEX in English or Chinese; every caption a query", VatexOptions, build)


@hookimpl
def fdakit_datasets() -> Iterable[Component[Any, Dataset]]:
    """Offer `vatex`."""
    return (VATEX,)
