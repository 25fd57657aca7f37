"""folder: your own videos, each with its caption next to it, in the layout of webdataset and video2dataset.

`name.mp4` has its caption in `name.txt`, in `name.json`, or in both; folders may be nested, and a video may have any
known suffix. First-level folders `train`, `val` and `test` are splits; if there are none, everything is `test`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from fdakit.dataset_files import name_ids
from fdakit.plugin import (
    BuildContext,
    Caption,
    Component,
    Dataset,
    DatasetError,
    Options,
    Progress,
    SourceFile,
    Split,
    VideoRef,
    hookimpl,
)

if TYPE_CHECKING:
    from ._folder_listing import Sample

SPLITS = ("train", "val", "test")


class FolderOptions(Options):
    """The folder, and the source of its captions."""

    path: Path = Field(description="the folder; unpack .tar shards first")
    caption_key: str | None = Field(
        None, description="key of the captions in .json files, text or a list of text; left out: caption, else text"
    )
    skip_uncaptioned: bool = Field(
        False, description="leave videos without a caption out and say how many; false: they are an error"
    )


class Folder:
    """The data set. Lists the folder on first use, and reads captions when a split is loaded."""

    def __init__(self, options: FolderOptions) -> None:
        self.root = options.path
        self._options = options

    def sources(self) -> tuple[SourceFile, ...]:
        """Return the folder itself."""
        what = "videos, each beside a .txt or .json file of the same name that holds its caption"
        return (SourceFile(".", what, "your own collection, or video2dataset with output_format = files"),)

    def splits(self) -> tuple[str, ...]:
        """Return the splits that have a folder of their own, else `test`."""
        return tuple(name for name in SPLITS if self._has(name)) or ("test",)

    def load(self, split: str, progress: Progress) -> Split:
        """Return a split, videos ordered by path. An id is the path below the folder, without the suffix.

        Several lines of a .txt file are one caption; captions of a .json file come after it, without repeats. Raises
        `DatasetError` if the split has no video, a video no caption, or a caption file cannot be read.
        """
        from ._folder_listing import read_captions

        if split not in self.splits():
            raise DatasetError(f"{self.root.absolute()}: no split {split!r}; it has: {', '.join(self.splits())}")
        samples = self._split_samples(split)
        texts: dict[str, tuple[str, ...]] = {}
        for done, (name, sample) in enumerate(samples.items(), 1):
            texts[name] = read_captions(sample, key=self._options.caption_key)
            progress(f"reading captions of {split}", done, len(samples))
        bare = [name for name in samples if not texts[name]]
        if bare and (not self._options.skip_uncaptioned or len(bare) == len(samples)):
            raise DatasetError(self._no_captions(bare, samples))
        videos = tuple(VideoRef(name, samples[name].video) for name in samples if texts[name])
        captions = tuple(Caption(text, video.id) for video in videos for text in texts[video.id])
        remarks = [f"{split}: {_count(bare, 'video')} without a caption, left out: {name_ids(bare)}"] if bare else []
        return Split(
            name=split,
            videos=videos,
            captions=captions,
            remarks=(*remarks, *self._strays(split)),
        )

    @cached_property
    def _found(self) -> tuple[Mapping[str, Sample], tuple[str, ...]]:
        from ._folder_listing import walk_samples

        return walk_samples(self.root)

    def _has(self, split: str) -> bool:
        try:
            return (self.root / split).is_dir()
        except OSError as error:
            raise DatasetError(
                f"{self.root.absolute()}: cannot be read ({error.strerror}); correct its rights"
            ) from error

    def _prefix(self, split: str) -> str:
        """Return the start of a split's names: its folder, or "" if the whole folder is one split."""
        return f"{split}/" if self._has(split) else ""

    def _split_samples(self, split: str) -> dict[str, Sample]:
        prefix = self._prefix(split)
        found = {name: sample for name, sample in self._found[0].items() if name.startswith(prefix)}
        if not found:
            raise DatasetError(f"{self.root.absolute()}: split {split!r} holds no video; put some there")
        return found

    def _strays(self, split: str) -> tuple[str, ...]:
        """Return remarks on files that were ignored."""
        samples, texts = self._found
        prefix, places = self._prefix(split), tuple(map(self._prefix, self.splits()))
        lone = [name for name in texts if name.startswith(prefix)]
        told = [f"{split}: {_count(lone, '.txt file')} without a video: {name_ids(lone, shown=5)}"] if lone else []
        outside = [name for name in samples if not name.startswith(places)]
        if outside:
            said = ", ".join(places)
            told.append(f"{_count(outside, 'video')} outside {said}, in no split: {name_ids(outside, shown=5)}")
        return tuple(told)

    def _no_captions(self, bare: list[str], samples: Mapping[str, Sample]) -> str:
        from ._folder_listing import json_keys

        key = self._options.caption_key or "caption"
        keys = next((found for name in bare if (found := json_keys(samples[name]))), ())
        said = f", not {', '.join(map(repr, keys[:8]))} alone" if keys else ""
        leave = "" if len(bare) == len(samples) else ", or set skip_uncaptioned = true to leave them out"
        return (
            f"{self.root.absolute()}: {len(bare):,} of {len(samples):,} videos have no caption: "
            f"{name_ids(bare, shown=3)}; put a .txt file beside each, or a .json file with the key {key!r}{said} "
            f"(caption_key names another){leave}"
        )


def _count(names: Sequence[str], what: str) -> str:
    return f"1 {what}" if len(names) == 1 else f"{len(names):,} {what}s"


def build(options: FolderOptions, shapes: BuildContext) -> Dataset:
    """Return the data set, which reads nothing until splits are requested."""
    return Folder(options)


FOLDER = Component(
    "folder", "a folder of videos, each with its caption in a .txt or .json file next to it", FolderOptions, build
)


@hookimpl
def fdakit_datasets() -> Iterable[Component[Any, Dataset]]:
    """Offer `folder`."""
    return (FOLDER,)
