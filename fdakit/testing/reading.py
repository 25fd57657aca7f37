"""Laws of what brings frames and captions: samplers, readers, data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fdakit.split_rules import PROTOCOLS
from fdakit.values import Needs, VideoRef

from .building import Part, build_kind


def check_sampler(component: Part, **options: Any) -> None:
    """Check that indices are sorted, distinct, in range, at least one and at most `frames(training)`."""
    sampler = build_kind("sampler", component, **options)
    for training in (False, True):
        asked = sampler.frames(training)
        for count in (1, 2, 3, 7, 50, 1000):
            times = np.arange(count) / 25
            chosen = np.asarray(sampler(count, times, training, np.random.default_rng(0)))
            where = f"count={count}, training={training}: {chosen}"
            assert chosen.dtype.kind in "iu", f"indices must be whole numbers; {where}"
            assert 1 <= len(chosen) <= asked, f"between 1 and {asked} indices are wanted; {where}"
            assert (np.diff(chosen) > 0).all(), f"indices must rise without repeats; {where}"
            assert chosen.min() >= 0, f"indices must not be negative; {where}"
            assert chosen.max() < count, f"indices must be below the count; {where}"
            again = np.asarray(sampler(count, times, training, np.random.default_rng(0)))
            assert (again == chosen).all(), f"the same generator must give the same choice; {where}"
            if not sampler.draws(training):
                other = np.asarray(sampler(count, times, training, np.random.default_rng(1)))
                assert (other == chosen).all(), f"draws() is false, so the choice must not be random; {where}"


def check_reader(component: Part, path: Path, **options: Any) -> None:
    """Ascending times from 0, and any frames asked for equal those of reading everything."""
    reader = build_kind("reader", component, **options)
    video = VideoRef("video", path)
    times = reader.times(video)
    assert times[0] == 0, f"the first frame is at {times[0]} s; times count from the first frame"
    assert (np.diff(times) >= 0).all(), "times must not fall"
    everything = reader.read(video, np.arange(len(times)), Needs(), None)
    assert len(everything.frames) == len(times), f"{len(everything.frames)} frames for {len(times)} times"
    for indices in ([0], [len(times) - 1], list(range(0, len(times), 3))):
        clip = reader.read(video, np.array(indices), Needs(), None)
        assert np.array_equal(clip.frames, everything.frames[indices]), f"frames {indices} differ from a full read"
        assert np.array_equal(clip.times, times[indices]), f"times of {indices} differ"


def check_dataset(component: Part, **options: Any) -> None:
    """Check that every split it names loads videos and captions under a known protocol, and repeatably.

    Where it offers `sources()`, each lies under a name of its own in `root` and serves splits that can be asked for.
    """
    dataset = build_kind("dataset", component, **options)
    names = dataset.splits()
    assert names, "the data set names no split"
    if hasattr(dataset, "sources"):
        assert isinstance(dataset.root, Path), f"root {dataset.root!r}; wanted the folder that the sources lie in"
        paths = [source.path for source in dataset.sources()]
        assert paths, "sources() names nothing; leave it out"
        assert len(set(paths)) == len(paths), f"two sources are laid out under one name among {paths}"
    for name in names:
        split = dataset.load(name, lambda what, done, total: None)
        assert split.videos, f"split {name!r} holds no video"
        assert split.captions, f"split {name!r} holds no caption"
        assert split.protocol in PROTOCOLS, f"protocol {split.protocol!r}; wanted one of {', '.join(PROTOCOLS)}"
        assert dataset.load(name, lambda what, done, total: None) == split, f"split {name!r} loads differently again"
