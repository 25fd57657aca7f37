"""MSVD: 1,970 short clips with about 40 captions each; every caption is a query, unless `protocol` takes some.

Splits of 1,200 / 100 / 670 videos as in CLIP4Clip. Source: Chen and Dolan, *Collecting Highly Parallel Data for
Paraphrase Evaluation*, ACL 2011. Captions are read from `raw-captions.pkl` (word lists), a JSON map from clip id to
captions, the lines of `AllVideoDescriptions.txt`, or the corpus csv, which has many languages.

The csv holds a few more English descriptions than were published: among those of val and test, five that continue in
a second paragraph and one in Devanagari. They are left out with a remark, so that every source gives the same 4,290
and 27,763 queries.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

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

if TYPE_CHECKING:
    from ._msvd_annotations import Descriptions

OFFICIAL = {
    "train": PublishedCounts(1200, 48_774),
    "val": PublishedCounts(100, 4290),
    "test": PublishedCounts(670, 27_763),
}
QUERIES = {"all-captions": None, "five-captions": 5, "first-caption": 1}  # of each video, at most
_ZIP = "msvd_data.zip of the CLIP4Clip release v0.0 on github.com/ArrowLuo/CLIP4Clip"
_DIGESTS = {
    "train": "223a750f33fcec3c5fcb1894123564e67286edd1e9f9473be97930340027d659",
    "val": "9527cf1ef6c8fe2fb1ecfda0e1856acc563fecef5ff0a409b5d908b65c1e6ed4",
    "test": "95eacd1fddb1d88cd7144267913ef02d0ecb8cc94a88bc484035433a2d8f9c7a",
}
LISTS = {
    split: SourceFile(
        f"{split}_list.txt",
        f"the clip ids of the {split} split",
        _ZIP,
        sha256=(digest,),
        splits=(split,),
    )
    for split, digest in _DIGESTS.items()
}
CAPTIONS = SourceFile(
    "raw-captions.pkl",
    "the captions by clip id",
    f"{_ZIP}, or the corpus csv from www.microsoft.com/en-us/download/details.aspx?id=52422",
    others=(
        "captions_msvd.json",
        "captions.json",
        "AllVideoDescriptions.txt",
        "MSR Video Description Corpus.csv",
        "video_corpus.csv",
    ),
)
VIDEOS = SourceFile(
    "videos",
    "the clips",
    "YouTubeClips.tar of www.cs.utexas.edu/users/ml/clamp/videoDescription",
    others=("YouTubeClips", "msvd_videos", "MSVD_Videos"),
)


class MsvdOptions(Options):
    """The location of the data set, and the language."""

    root: Path = Field(Path("data/msvd"), description="folder with the id lists, the captions and the videos")
    videos: Path | None = Field(None, description="folder of the clips; left out: videos/ or YouTubeClips/ in root")
    captions: Path | None = Field(None, description="the caption file; left out: the first of its names in root")
    protocol: Literal["all-captions", "five-captions", "first-caption"] = Field(
        "all-captions",
        description="captions of each video of val and test that are queries: all (CLIP4Clip and most papers), the "
        "first five, or the first (MTEB, MMEB-V2); training has all",
    )
    language: str = Field(
        "English", description="language of the captions; those other than English from the corpus csv"
    )


class Msvd:
    """The three splits, captions joined to their videos by id."""

    def __init__(self, options: MsvdOptions) -> None:
        self._options = options

    @property
    def root(self) -> Path:
        """The folder of the data set."""
        return self._options.root

    def sources(self) -> tuple[SourceFile, ...]:
        """Return the lists, the captions and the clips."""
        return (*LISTS.values(), CAPTIONS, VIDEOS)

    def splits(self) -> tuple[str, ...]:
        """Return the three official splits."""
        return ("train", "val", "test")

    def load(self, split: str, progress: Progress) -> Split:
        """Return the split; raises `DatasetError` with the file, its expected path and how to get it."""
        from fdakit.dataset_files import (
            count_remarks,
            find_source,
            find_videos,
            read_id_list,
            require_captions,
            require_root,
        )

        require_root(self.root, MSVD.name, self.sources())
        language = self._options.language
        english = language.casefold() == "english"
        listed = read_id_list(find_source(self.root, LISTS[split]))
        path, found = self._descriptions
        # Only the English captions are published as splits; those of other languages lack some clips.
        ids = listed if english else tuple(name for name in listed if name in found.captions) or listed
        require_captions(found.captions, ids, split=split, path=path, remedy=f"complete ones: {CAPTIONS.origin}")
        files = find_videos(self._options.videos or find_source(self.root, VIDEOS), ids)
        scored = "all-captions" if split == "train" else self._options.protocol
        most = QUERIES[scored]
        captions = tuple(Caption(text, name) for name in ids for text in found.captions[name][:most])
        published = OFFICIAL[split].videos
        official = OFFICIAL[split] if most is None else PublishedCounts(published, most * published)
        official = official if english else PublishedCounts(published)
        remarks = [*count_remarks(split, videos=len(ids), captions=len(captions), official=official)]
        if len(ids) < len(listed):
            remarks.append(f"{split}: clips without captions in {language!r} left out: {len(listed) - len(ids):,}")
        return Split(
            name=split,
            videos=tuple(VideoRef(name, files[name]) for name in ids),
            captions=captions,
            protocol="multi-caption" if most is None else scored,
            official=official,
            remarks=(*remarks, *found.remarks(split, ids)),
        )

    @cached_property
    def _descriptions(self) -> tuple[Path, Descriptions]:
        from fdakit.dataset_files import find_source

        from ._msvd_annotations import read_descriptions

        path = self._options.captions or find_source(self.root, CAPTIONS)
        return path, read_descriptions(path, self._options.language)


def build(options: MsvdOptions, shapes: BuildContext) -> Dataset:
    """Return the data set, which reads nothing until a split is loaded."""
    return Msvd(options)


MSVD = Component("msvd", "MSVD as CLIP4Clip splits it; every caption a query, or some of them", MsvdOptions, build)


@hookimpl
def fdakit_datasets() -> Iterable[Component[Any, Dataset]]:
    return (MSVD,)
