"""The sizes of splits as their papers and releases state them, beside which what is read is told."""

from __future__ import annotations

from fdakit.builtin.datasets import activitynet, charades_sta, didemo, lsmdc, msvd, qvhighlights, vatex
from fdakit.builtin.datasets._msrvtt_sources import LAYOUTS
from fdakit.plugin import PublishedCounts


def test_msrvtt_has_twenty_captions_a_video_and_its_lists_the_published_sizes() -> None:
    videos = {
        name: {split: each.videos for split, each in layout.official.items()} for name, layout in LAYOUTS.items()
    }
    assert videos == {
        "1k-A-9k": {"train": 9000, "test": 1000},
        "1k-A-7k": {"train": 7010, "test": 1000},
        "full": {"train": 6513, "val": 497, "test": 2990},
        "1k-B": {"train": 6656, "test": 1000},
    }
    for name, layout in LAYOUTS.items():
        for split, each in layout.official.items():
            if name == "1k-B":
                assert each.captions is None
            else:
                assert each.captions == each.videos * (1 if split == "test" and name != "full" else 20)


def test_other_data_sets_have_the_published_sizes() -> None:
    assert activitynet.COUNTS == {"train": 10_009, "test": 4917, "val_2": 4885}
    assert didemo.COUNTS == {"train": 8392, "val": 1065, "test": 1004}
    assert vatex.COUNTS == {"train": 25_991, "val": 1500, "test": 1500}
    assert vatex.PER_VIDEO == 10
    assert dict(msvd.OFFICIAL) == {
        "train": PublishedCounts(1200, 48_774),
        "val": PublishedCounts(100, 4290),
        "test": PublishedCounts(670, 27_763),
    }
    sizes = {name: official for name, (_, official) in lsmdc.TESTS.items()}
    assert sizes == {"1k": PublishedCounts(1000, 1000), "full": PublishedCounts(10_053, 10_053)}


def test_data_sets_of_moments_have_the_published_sizes() -> None:
    assert activitynet.SENTENCES == {"train": 37_417, "test": 17_505, "val_2": 17_031}
    assert dict(charades_sta.OFFICIAL) == {
        "train": PublishedCounts(5338, 12_408),
        "test": PublishedCounts(1334, 3720),
    }
    assert dict(qvhighlights.OFFICIAL) == {
        "train": PublishedCounts(7100, 7218),
        "val": PublishedCounts(1519, 1550),
        "test": PublishedCounts(1529, 1542),
    }
