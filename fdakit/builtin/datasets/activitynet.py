"""ActivityNet Captions: long videos; all sentences of a video, joined in their order, are its one caption.

With `protocol = "moments"` each sentence is a caption instead, with the moment that it describes.
10,009 videos train, and the 4,917 of `val_1` are what the field reports, so they are `test` here; `val_2` describes
4,885 of the same videos a second time. There is no `val`: to choose a checkpoint on `val_1` is to choose it on the
test set. Source: Krishna et al., *Dense-Captioning Events in Videos*, ICCV 2017; paragraphs as in Zhang et al.,
*Cross-Modal and Hierarchical Modeling of Video and Text*, ECCV 2018; moments as counted by Zhang et al., *Learning 2D
Temporal Adjacent Networks for Moment Localization with Natural Language*, AAAI 2020.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    keyed_seed,
)

from ._activitynet_annotations import ANNOTATIONS, LISTS, VIDEOS

COUNTS = {"train": 10009, "test": 4917, "val_2": 4885}
SENTENCES = {"train": 37_417, "test": 17_505, "val_2": 17_031}


class ActivityNetOptions(Options):
    """The location of the data set, and which videos belong to a split."""

    root: Path = Field(Path("data/activitynet"), description="folder with the sentences and the videos")
    videos: Path | None = Field(None, description="folder of the videos; left out: videos/ in root")
    ids: Literal["annotated", "listed"] = Field(
        "annotated",
        description="annotated: every video with sentences counts; listed: only those that the id list in root names "
        "too (train_ids.json, val_ids.json or train_list.txt, val_1_list.txt, val_2_list.txt)",
    )
    protocol: Literal["paragraph", "moments"] = Field(
        "paragraph",
        description="paragraph: all sentences of a video are one caption; moments: each sentence is a caption, with "
        "the part of the video that it describes",
    )
    hold_out: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the train videos that are `val` instead, the same ones in every run; 0: no val split",
    )


class ActivityNet:
    """`train`, `test`, `val` if some videos are held out, and `val_2` if its file exists."""

    def __init__(self, options: ActivityNetOptions) -> None:
        self.root = options.root
        self._options = options

    def sources(self) -> tuple[SourceFile, ...]:
        """Return sentences and id list of each split, and the videos; `val_2` and the lists are optional."""
        return (*ANNOTATIONS.values(), *LISTS.values(), VIDEOS)

    def splits(self) -> tuple[str, ...]:
        """Return the splits in the order train, val, test, val_2."""
        from fdakit.dataset_files import locate_source

        val = ("val",) if self._options.hold_out else ()
        val_2 = ("val_2",) if locate_source(self.root, ANNOTATIONS["val_2"]) else ()
        return ("train", *val, "test", *val_2)

    def load(self, split: str, progress: Progress) -> Split:
        """Return the split with one caption a video, or with one a sentence.

        Raises `DatasetError` naming the file that is absent or wrong, and where to get it.
        """
        from fdakit.dataset_files import count_remarks, require_root

        known = dict.fromkeys((*self.splits(), "val_2"))
        if split not in known:
            raise DatasetError(f"activitynet: no split {split!r}; choose one of {', '.join(known)}")
        require_root(self.root, ACTIVITYNET.name, self.sources())
        source = "train" if split == "val" else split
        texts, remarks = self._paragraphs(source)
        captions: dict[str, tuple[Caption, ...]] = {name: (Caption(text, name),) for name, text in texts.items()}
        official = PublishedCounts(COUNTS[source], COUNTS[source])
        if self._options.protocol == "moments":
            captions, more = self._moments(source, tuple(texts))
            remarks, official = (*remarks, *more), PublishedCounts(COUNTS[source], SENTENCES[source])
        total = sum(map(len, captions.values()))
        remarks += count_remarks(source, videos=len(captions), captions=total, official=official)
        if source == "train" and self._options.hold_out:
            held = _held_out(tuple(captions), self._options.hold_out)
            remarks += (f"{split}: {len(held):,} of {len(captions):,} train videos are held out as val",)
            captions = {name: told for name, told in captions.items() if (name in held) == (split == "val")}
        return Split(
            name=split,
            videos=self._videos(tuple(captions)),
            captions=tuple(caption for told in captions.values() for caption in told),
            protocol="paragraph" if self._options.protocol == "paragraph" else "multi-caption",
            official=None if split == "val" else official,
            remarks=remarks,
        )

    def _moments(self, split: str, ids: Sequence[str]) -> tuple[dict[str, tuple[Caption, ...]], tuple[str, ...]]:
        """Return a caption for each sentence that has a moment, by id, and what was left out or cut."""
        from fdakit.dataset_files import MomentCheck, find_source

        from ._activitynet_annotations import read_timed_sentences

        told, check = read_timed_sentences(find_source(self.root, ANNOTATIONS[split])), MomentCheck()
        found: dict[str, tuple[Caption, ...]] = {}
        for name in ids:
            of_video = zip(told[name].sentences, told[name].windows, strict=True)
            timed = ((text, check([window], duration=told[name].duration)) for text, window in of_video)
            found[name] = tuple(Caption(" ".join(text.split()), name, moments) for text, moments in timed if moments)
        return {name: captions for name, captions in found.items() if captions}, check.remarks(split)

    def _paragraphs(self, split: str) -> tuple[dict[str, str], tuple[str, ...]]:
        """Return the captions of an official split by id, and how its id list differs from its sentences."""
        from fdakit.dataset_files import find_source, join_paragraphs, locate_source, name_ids

        from ._activitynet_annotations import read_ids, read_sentences

        path = find_source(self.root, ANNOTATIONS[split])
        sentences = read_sentences(path)
        select = self._options.ids == "listed"
        listing = (find_source if select else locate_source)(self.root, LISTS[split])
        if listing is None:
            return join_paragraphs(split, sentences, sentences, listing=path, annotations=path)
        listed = read_ids(listing)
        texts, remarks = join_paragraphs(split, listed, sentences, listing=listing, annotations=path)
        unlisted = sorted(sentences.keys() - set(listed))
        if unlisted:
            fate = "left out" if select else "counted"
            what = "1 video" if len(unlisted) == 1 else f"{len(unlisted):,} videos"
            remarks += (f"{split}: {what} of {path.name} not in {listing.name}, {fate}: {name_ids(unlisted)}",)
        if not select:
            texts, _ = join_paragraphs(split, sentences, sentences, listing=path, annotations=path)
        return texts, remarks

    def _videos(self, ids: Sequence[str]) -> tuple[VideoRef, ...]:
        """Return the file of each id, whose name may or may not start with v_."""
        from fdakit.dataset_files import find_source, find_videos

        folder = self._options.videos or find_source(self.root, VIDEOS)
        files = find_videos(folder, [*ids, *(name[2:] for name in ids)])
        paths = (files[name[2:]] if files[name[2:]].is_file() else files[name] for name in ids)
        return tuple(VideoRef(name, path) for name, path in zip(ids, paths, strict=True))


def _held_out(ids: Sequence[str], share: float) -> frozenset[str]:
    """Return at least one id and not all of them, chosen by the ids alone."""
    count = min(max(1, round(share * len(ids))), len(ids) - 1)
    return frozenset(sorted(ids, key=lambda name: keyed_seed("activitynet", name))[:count])


def build(options: ActivityNetOptions, shapes: BuildContext) -> Dataset:
    """Return the data set, which reads nothing until a split is loaded."""
    return ActivityNet(options)


ACTIVITYNET = Component(
    "activitynet", "ActivityNet Captions; all sentences of a video are one caption", ActivityNetOptions, build
)


@hookimpl
def fdakit_datasets() -> Iterable[Component[Any, Dataset]]:
    """Offer `activitynet`."""
    return (ACTIVITYNET,)
