"""MSR-VTT's files under their various names, and the published counts, by protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fdakit.plugin import PublishedCounts, SourceFile

_ZIP = "msrvtt_data.zip of the CLIP4Clip release v0.0 on github.com/ArrowLuo/CLIP4Clip"
_LISTS = "misc/datasets/msrvtt of github.com/albanie/collaborative-experts"
_HUB = "huggingface.co/datasets/friedrichor/MSR-VTT"

CAPTIONS = SourceFile(
    "MSRVTT_data.json",
    "the 20 captions of each video (of the original release both videodatainfo files)",
    _ZIP,
    others=("MSR_VTT.json", "annotation/MSR_VTT.json", "train_val_videodatainfo.json", "raw-captions.pkl"),
)
ORIGINAL = ("train_val_videodatainfo.json", "test_videodatainfo.json")
FOLDERS = ("TrainValVideo", "TestVideo")
VIDEOS = SourceFile(
    "videos",
    "the clips, video0 to video9999",
    f"MSRVTT.zip at www.robots.ox.ac.uk/~maxbain/frozen-in-time/data, or MSRVTT_Videos.zip of {_HUB}",
    others=("MSRVTT_Videos", "MSRVTT/videos", *FOLDERS),
)
VAL_PAIRS = SourceFile(
    "MSRVTT_val.497.csv",
    "one caption for each of the 497 validation videos, in the columns of MSRVTT_JSFUSION_test.csv",
    "wherever you have it from; left out, all captions of these videos count",
    splits=("val",),
)


@dataclass(frozen=True)
class Layout:
    """One protocol: its lists by split, its published counts, and the file of all captions.

    `pairs`: the test list also holds the captions, one a video.
    """

    lists: Mapping[str, SourceFile]
    official: Mapping[str, PublishedCounts]
    captions: SourceFile = CAPTIONS
    pairs: bool = False


def _list(name: str, split: str, digest: str, *, others: tuple[str, ...] = (), origin: str = _LISTS) -> SourceFile:
    folders = () if name.endswith(".csv") else (f"lists/{name}", f"high-quality/structured-symlinks/{name}")
    return SourceFile(name, f"the ids of the {split} videos", origin, (*folders, *others), (digest,), (split,))


_TEST_1K = replace(
    _list(
        "MSRVTT_JSFUSION_test.csv",
        "test",
        "e61144b312c8a2fc2126f96504c981f8c23c05b3ba9655a56e2af50ac8a4b16a",
        others=("msrvtt_test_1k.json",),
        origin=_ZIP,
    ),
    what="the 1,000 test videos with their captions",
)
_FULL = {
    split: _list(f"{split}_list_full.txt", split, digest)
    for split, digest in {
        "train": "7f35fa96d45e94eed97dda0c2df98342a58fca769e7ffab352bd59c69c933251",
        "val": "be5b1994f643740b80796c392d7b472deed45ddce69ce13fee87609ce303ab3f",
        "test": "e033df45731e025a1b7b4731ee3eddc400b6040c93fffd4ab3eb45a551f0526e",
    }.items()
}
# Held out of 1k-A's and 1k-B's training videos, if requested.
HELD_OUT = replace(_FULL["val"], others=(*_FULL["val"].others, VAL_PAIRS.path))

LAYOUTS: Mapping[str, Layout] = {
    "1k-A-9k": Layout(
        {
            "train": _list(
                "MSRVTT_train.9k.csv",
                "train",
                "0a7ece2418e1f7ac5680555a04ddfef8950293ac3c4bdd6584fb0fa6cc0ff7d3",
                others=("train_list_jsfusion.txt", "lists/train_list_jsfusion.txt", "msrvtt_train_9k.json"),
                origin=_ZIP,
            ),
            "test": _TEST_1K,
        },
        {"train": PublishedCounts(9000, 180_000), "test": PublishedCounts(1000, 1000)},
        replace(CAPTIONS, others=(*CAPTIONS.others, "msrvtt_train_9k.json"), splits=("train", "val")),
        pairs=True,
    ),
    "1k-A-7k": Layout(
        {
            "train": _list(
                "MSRVTT_train.7k.csv",
                "train",
                "ca0d04c34310168b620c90c67eaec702b37398943965f5e1f9f44af8f193da7d",
                others=("msrvtt_train_7k.json",),
                origin=_ZIP,
            ),
            "test": _TEST_1K,
        },
        {"train": PublishedCounts(7010, 140_200), "test": PublishedCounts(1000, 1000)},
        replace(CAPTIONS, others=(*CAPTIONS.others, "msrvtt_train_7k.json"), splits=("train", "val")),
        pairs=True,
    ),
    "full": Layout(
        _FULL,
        {
            "train": PublishedCounts(6513, 130_260),
            "val": PublishedCounts(497, 9940),
            "test": PublishedCounts(2990, 59_800),
        },
    ),
    "1k-B": Layout(
        {
            "train": _list(
                "train_list_miech.txt",
                "train",
                "bd1b91cc6e07ace29fd12c2be74b69031f647567bb647c73b8dd8a28e1455b80",
            ),
            "test": _list(
                "test_list_miech.txt",
                "test",
                "e2b489732475874bb32dd2689bd3a1e13a8473a9bf69a6b97efb8f39a1c12d1e",
            ),
        },
        {"train": PublishedCounts(6656), "test": PublishedCounts(1000)},
    ),
}
