"""MSVD: 1,970 short clips with about 40 captions each; every caption is a query.

Splits of 1,200 / 100 / 670 videos as in CLIP4Clip. Source: Chen and Dolan, *Collecting Highly Parallel Data
for Paraphrase Evaluation*, ACL 2011.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import Field

from fdakit import Caption, Component, Dataset, DatasetError, Options, Progress, Shapes, Split, VideoRef, hookimpl

CAPTION_FILES = ("captions_msvd.json", "captions.json", "raw-captions.pkl")
VIDEO_FOLDERS = ("videos", "YouTubeClips", "msvd_videos", "MSVD_Videos")
HOW = (
    "lay it out as train_list.txt, val_list.txt, test_list.txt and raw-captions.pkl (all in msvd_data.zip of the "
    "CLIP4Clip release v0.0 on github.com/ArrowLuo/CLIP4Clip) beside videos/, which holds the clips of "
    "YouTubeClips.tar from www.cs.utexas.edu/users/ml/clamp/videoDescription"
)


class MsvdOptions(Options):
    """Where the data set lies."""

    root: Path = Field(Path("data/msvd"), description="folder with the id lists, the captions and the videos")
    videos: Path | None = Field(None, description="folder of the clips; left out: videos/ or YouTubeClips/ in root")


class Msvd:
    """The three splits, captions joined to their videos by id."""

    def __init__(self, options: MsvdOptions) -> None:
        self._root = options.root
        self._videos = options.videos

    def splits(self) -> tuple[str, ...]:
        """Always the three official ones."""
        return ("train", "val", "test")

    def load(self, split: str, progress: Progress) -> Split:
        """The split; raises `DatasetError` saying which file goes where and how to get it."""
        from fdakit import find_videos, read_caption_map, read_id_list

        if not self._root.is_dir():
            raise DatasetError(f"{self._root.absolute()}: MSVD is absent; {HOW}")
        ids = read_id_list(self._root / f"{split}_list.txt")
        captions = read_caption_map(self._captions())
        without = [name for name in ids if not captions.get(name)]
        if without:
            raise DatasetError(
                f"{self._captions().absolute()}: no captions for {len(without)} of {len(ids)} {split} videos, "
                f"such as {without[0]}; {HOW}"
            )
        files = find_videos(self._folder(), ids)
        return Split(
            name=split,
            videos=tuple(VideoRef(name, files[name]) for name in ids),
            captions=tuple(Caption(text, name) for name in ids for text in captions[name]),
            protocol="multi-caption",
        )

    def _captions(self) -> Path:
        for name in CAPTION_FILES:
            if (self._root / name).is_file():
                return self._root / name
        raise DatasetError(f"{self._root.absolute()}: holds none of {', '.join(CAPTION_FILES)}; {HOW}")

    def _folder(self) -> Path:
        if self._videos is not None:
            return self._videos
        folders = [self._root / name for name in VIDEO_FOLDERS]
        return next((folder for folder in folders if folder.is_dir()), folders[0])


def build(options: MsvdOptions, shapes: Shapes) -> Dataset:
    """Reads nothing until a split is loaded."""
    return Msvd(options)


MSVD = Component("msvd", "MSVD as CLIP4Clip splits it; every caption a query", MsvdOptions, build)


@hookimpl
def fdakit_datasets() -> Iterable[Component[Any, Dataset]]:
    return (MSVD,)
