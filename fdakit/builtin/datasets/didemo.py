"""DiDeMo: personal videos from Flickr; all sentences of a video, joined in their order, are its one caption.

Annotators marked moments of up to 30 s in 8,392 / 1,065 / 1,004 videos; the field retrieves the whole video by the
paragraph. Source: Hendricks et al., *Localizing Moments in Video with Natural Language*, ICCV 2017; lists and
paragraphs as in CLIP4Clip.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    VideoRef,
    hookimpl,
)

from ._didemo_annotations import ANNOTATIONS, LISTS, VIDEOS

COUNTS = {"train": 8392, "val": 1065, "test": 1004}


class DidemoOptions(Options):
    """The location of the data set, and how much of a video is used."""

    root: Path = Field(Path("data/didemo"), description="folder with the sentences, the id lists and the videos")
    videos: Path | None = Field(None, description="folder of the videos; left out: videos/ in root")
    seconds: float = Field(
        30.0,
        ge=0,
        description="of each video from its start, as annotators saw no more; 31 is what CLIP4Clip reads; 0: all",
    )


class Didemo:
    """The three splits. Reads nothing until one is loaded."""

    def __init__(self, options: DidemoOptions) -> None:
        self.root = options.root
        self._options = options

    def sources(self) -> tuple[SourceFile, ...]:
        """Return sentences and id list of each split, and the videos."""
        return (*ANNOTATIONS.values(), *LISTS.values(), VIDEOS)

    def splits(self) -> tuple[str, ...]:
        """Return the three official splits."""
        return tuple(COUNTS)

    def load(self, split: str, progress: Progress) -> Split:
        """Return the split with one caption a video.

        The id list selects the videos; listed ones without sentences are left out and named. The annotations name 29
        videos of val and 33 of test twice, with different suffixes and sentences: published paragraphs, and these,
        consist of the sentences of the listed name only. Raises `DatasetError` with the file, its expected path and
        how to get it, or what is wrong with it.
        """
        from fdakit.dataset_files import count_remarks, find_source, join_paragraphs, locate_source, require_root

        from ._didemo_annotations import listed_videos, read_sentences, sentences_of_all, video_id

        if split not in COUNTS:
            raise DatasetError(f"didemo: no split {split!r}; choose one of {', '.join(COUNTS)}")
        require_root(self.root, DIDEMO.name, self.sources())
        path = find_source(self.root, ANNOTATIONS[split])
        listing = locate_source(self.root, LISTS[split])
        told = read_sentences(path)
        sentences = sentences_of_all(told)
        names = {video_id(name): name for name in told} if listing is None else listed_videos(listing)
        if listing is not None:
            sentences |= {name: told[written] for name, written in names.items() if written in told}
        texts, remarks = join_paragraphs(split, names, sentences, listing=listing or path, annotations=path)
        if listing is None and path.name == ANNOTATIONS[split].path:
            remarks += (self._unlisted(split, path, doubled=len(told) - len(sentences)),)
        official = PublishedCounts(COUNTS[split], COUNTS[split])
        return Split(
            name=split,
            videos=self._videos({name: names[name] for name in texts}),
            captions=tuple(Caption(text, name) for name, text in texts.items()),
            protocol="paragraph",
            official=official,
            remarks=remarks + count_remarks(split, videos=len(texts), captions=len(texts), official=official),
        )

    def _unlisted(self, split: str, path: Path, *, doubled: int) -> str:
        twice = f"; {doubled:,} of them under two names have the sentences of both" if doubled else ""
        return f"{split}: no {LISTS[split].path} in {self.root.absolute()}, so all videos of {path.name} count{twice}"

    def _videos(self, names: Mapping[str, str]) -> tuple[VideoRef, ...]:
        """Return the file of each id: with the listed suffix if it exists, else with any known one."""
        from fdakit.dataset_files import find_source, find_videos

        files = find_videos(self._options.videos or find_source(self.root, VIDEOS), [*names, *names.values()])
        found = {name: files[written] if files[written].is_file() else files[name] for name, written in names.items()}
        end = self._options.seconds or None
        return tuple(VideoRef(name, path, None if end is None else 0.0, end) for name, path in found.items())


def build(options: DidemoOptions, shapes: BuildContext) -> Dataset:
    """Return the data set, which reads nothing until a split is loaded."""
    return Didemo(options)


DIDEMO = Component("didemo", "DiDeMo; all sentences of a video are one caption", DidemoOptions, build)


@hookimpl
def fdakit_datasets() -> Iterable[Component[Any, Dataset]]:
    """Offer `didemo`."""
    return (DIDEMO,)
