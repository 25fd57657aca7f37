"""MSR-VTT: 10,000 web clips of 10 to 30 s with 20 captions each, under the protocols in use.

| protocol | train | val | test |
|---|---|---|---|
| `1k-A-9k` | 9,000 videos, 180,000 captions | none | 1,000 videos, one caption each |
| `1k-A-7k` | 7,010 videos, 140,200 captions | none | the same |
| `full` | 6,513 videos | 497 | 2,990 videos, every caption a query |
| `1k-B` | 6,656 videos | none | 1,000 other videos |

Sources: Xu et al., *MSR-VTT*, CVPR 2016 (full); Yu et al., *A Joint Sequence Fusion Model*, ECCV 2018 (1k-A);
Miech et al., arXiv 1804.02516 (1k-B). The lists of 1k-B train on 453 of 1k-A's test videos: a train list that meets
the test split is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    from ._msrvtt_annotations import Annotations


class MsrvttOptions(Options):
    """The protocol, and the location of the data set."""

    root: Path = Field(Path("data/msrvtt"), description="folder with the lists, the captions and the videos")
    protocol: Literal["1k-A-9k", "1k-A-7k", "full", "1k-B"] = Field(
        "1k-A-9k", description="which videos train and test; numbers under different protocols are not comparable"
    )
    hold_out: bool = Field(
        False, description="take the 497 official validation videos out of training as split val; full has it anyway"
    )
    captions_per_video: int | None = Field(
        None,
        ge=1,
        le=1_000,
        description="captions of each training video to use, from the first on; left out: all 20",
    )
    videos: Path | None = Field(None, description="folder of the clips; left out: videos/ or MSRVTT_Videos/ in root")
    captions: Path | None = Field(
        None, description="the file of all captions; left out: the first of its names in root"
    )
    train_list: Path | None = Field(
        None, description="ids of other training videos; refused if it contains test videos"
    )


class Msrvtt:
    """The splits of one protocol."""

    def __init__(self, options: MsrvttOptions) -> None:
        from ._msrvtt_sources import HELD_OUT, LAYOUTS

        self._options = options
        self._layout = LAYOUTS[options.protocol]
        self._holds_out = options.hold_out and "val" not in self._layout.lists
        self._lists = {**self._layout.lists, **({"val": HELD_OUT} if self._holds_out else {})}

    @property
    def root(self) -> Path:
        """The folder of the data set."""
        return self._options.root

    def sources(self) -> tuple[SourceFile, ...]:
        """Return the lists of the protocol, the captions and the clips."""
        from ._msrvtt_sources import VIDEOS

        return (*(self._lists[split] for split in self.splits()), self._layout.captions, VIDEOS)

    def splits(self) -> tuple[str, ...]:
        """Return `train` and `test`; `val` if the protocol has one or it is held out of training."""
        return tuple(split for split in ("train", "val", "test") if split in self._lists)

    def load(self, split: str, progress: Progress) -> Split:
        """Return the split, videos in the order of its list. Raises `DatasetError` naming the file and what to do."""
        from fdakit.dataset_files import count_remarks, require_captions, require_root

        require_root(self.root, MSRVTT.name, self.sources())
        ids, remarks = self._ids(split), []
        if split == "train" and self._holds_out:
            held = set(self._ids("val"))
            ids = tuple(name for name in ids if name not in held)
            remarks.append(f"train: {len(held):,} validation videos held out")
        self._refuse_shared(split, ids)
        path, found = self._captions(split)
        require_captions(found, ids, split=split, path=path, remedy=f"complete ones: {self._layout.captions.origin}")
        most = self._options.captions_per_video if split == "train" else None
        if most is not None:
            remarks.append(f"train: captions taken of each video, from the first on: {most}")
        if split == "val" and self._holds_out:
            remarks.append(f"val: held out of training, captions of {path.name}")
        if split == "test" and self._options.protocol == "1k-B":
            remarks.append("test: publications differ on the captions of 1k-B; here each of a video's is a query")
        captions = tuple(Caption(text, name) for name in ids for text in found[name][:most])
        official = self._layout.official.get(split, PublishedCounts(497))
        files = self._files(ids)
        return Split(
            name=split,
            videos=tuple(VideoRef(name, files[name]) for name in ids),
            captions=captions,
            official=official,
            remarks=(*count_remarks(split, videos=len(ids), captions=len(captions), official=official), *remarks),
        )

    def _ids(self, split: str) -> tuple[str, ...]:
        from fdakit.dataset_files import find_source

        from ._msrvtt_annotations import read_ids

        return self._known_ids(split) or read_ids(find_source(self.root, self._lists[split]))

    def _known_ids(self, split: str) -> tuple[str, ...] | None:
        """Return the list of a split, None if it is absent; the captions' own file has the official splits too."""
        from fdakit.dataset_files import locate_source

        from ._msrvtt_annotations import read_ids

        path = self._options.train_list if split == "train" else None
        path = path or locate_source(self.root, self._lists[split])
        if path is not None:
            return read_ids(path)
        official = self._options.protocol == "full" or split == "val"
        return self._annotated[1].splits.get(split) if official else None

    def _refuse_shared(self, split: str, ids: tuple[str, ...]) -> None:
        """Raise `DatasetError` if videos of this split are in a later one, as far as its list exists."""
        from fdakit.dataset_files import locate_source

        from ._msrvtt_annotations import refuse_shared

        path = self._options.train_list if split == "train" else None
        path = path or locate_source(self.root, self._lists[split]) or self._annotated[0]
        for later in self.splits()[self.splits().index(split) + 1 :]:
            refuse_shared(path, ids, self._known_ids(later) or (), split=split, later=later)

    def _captions(self, split: str) -> tuple[Path, Mapping[str, tuple[str, ...]]]:
        """Return the captions of a split, by video, and their file."""
        from fdakit.dataset_files import find_source, locate_source

        from ._msrvtt_annotations import read_pairs
        from ._msrvtt_sources import VAL_PAIRS

        path = None
        if split == "test" and self._layout.pairs:
            path = find_source(self.root, self._lists["test"])
        elif split == "val" and self._holds_out:
            path = locate_source(self.root, VAL_PAIRS)
        if path is not None:
            return path, read_pairs(path)
        return self._annotated[0], self._annotated[1].captions

    @cached_property
    def _annotated(self) -> tuple[Path, Annotations]:
        """Return the file of all captions, and its content; the original release comes in two."""
        from fdakit.dataset_files import find_source

        from ._msrvtt_annotations import read_annotations
        from ._msrvtt_sources import ORIGINAL

        path = self._options.captions or find_source(self.root, self._layout.captions)
        paths = [path.with_name(name) for name in ORIGINAL] if path.name in ORIGINAL else [path]
        return path, read_annotations([path, *(other for other in paths if other != path and other.is_file())])

    def _files(self, ids: tuple[str, ...]) -> dict[str, Path]:
        """Return the paths of the clips; the original release has two folders."""
        from fdakit.dataset_files import find_source, find_videos

        from ._msrvtt_sources import FOLDERS, VIDEOS

        folder = self._options.videos or find_source(self.root, VIDEOS)
        files = find_videos(folder, ids)
        for other in FOLDERS if folder.name in FOLDERS else ():
            if other != folder.name and folder.with_name(other).is_dir():
                beside = find_videos(folder.with_name(other), ids)
                files |= {name: path for name, path in beside.items() if path.is_file() and not files[name].is_file()}
        return files


def build(options: MsrvttOptions, shapes: BuildContext) -> Dataset:
    """Return the data set, which reads nothing until a split is loaded."""
    return Msrvtt(options)


MSRVTT = Component("msrvtt", "MSR-VTT under the protocols 1k-A, full and 1k-B", MsrvttOptions, build)


@hookimpl
def fdakit_datasets() -> Iterable[Component[Any, Dataset]]:
    """Offer `msrvtt`."""
    return (MSRVTT,)
