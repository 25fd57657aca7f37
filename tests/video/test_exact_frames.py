"""The law of exact frames: whatever codec, container and flags, they are those of a sequential decode by one thread.

The full form, every pair of codec and container that PyAV can write and all that may befall them:
`python -m pytest -m proof tests/video/test_exact_frames.py`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import av
import av.error
import numpy as np
import pytest
from helpers.codec_pairs import Kind, every_kind, films
from helpers.sample_videos import sequential
from hypothesis import given, settings, strategies as st

from fdakit import VideoError
from fdakit.plugin import VideoRef
from fdakit.video import OpenVideo

CHOSEN = [
    Kind("mpeg4", 0, "mp4", "every-key"),
    Kind("h263", 0, "3gp", "every-key"),
    Kind("mpeg2video", 4, "mov", "every-key"),
    Kind("libx265", 0, "mp4", "wrong-keys"),
    Kind("libvpx-vp9", 0, "mp4", "every-key"),
    Kind("libx264", 2, "mkv", "one-key"),
    Kind("libx264", 3, "mp4", "wrong-keys"),
    Kind("libx264", 4, "mp4"),
    Kind("libx264", 0, "avi"),
    Kind("mpeg4", 3, "avi"),
    Kind("mpeg4", 5, "mpg"),
    Kind("libx264", 0, "asf"),
    Kind("libx264", 0, "h264"),
    Kind("libx264", 2, "ts", "cut-at-key"),
    Kind("libx265", 0, "mkv", "cut-at-key"),
    Kind("mpeg2video", 4, "ts", "cut-at-key"),
    Kind("mpeg4", 4, "mkv", "cut"),
    Kind("libx264", 0, "ts", "joined"),
    Kind("mpeg2video", 3, "mpg", "joined"),
    Kind("libx264", 0, "mp4", "jump"),
    Kind("libx264", 0, "mp4", "edit-list"),
    Kind("mpeg4", 0, "mp4", "edit-list"),
    Kind("libvpx", 0, "avi"),
    Kind("ffv1", 1, "mkv", "every-key"),
    Kind("rv20", 0, "rm"),
    Kind("gif", 0, "gif"),
]

Film = tuple[Path, list[np.ndarray]]


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Film]:
    """Films of the chosen kinds, as far as this PyAV can write them, with the frames of a sequential decode."""
    folder = tmp_path_factory.mktemp("kinds")
    return {kind.name: (path, sequential(path)) for kind, path in films(folder, CHOSEN)}


@pytest.mark.parametrize("kind", CHOSEN, ids=lambda kind: kind.name)
def test_each_frame_alone_is_that_of_a_sequential_decode(chosen: dict[str, Film], kind: Kind) -> None:
    if kind.name not in chosen:
        pytest.skip("this PyAV cannot write it")
    assert not differences(*chosen[kind.name])


@pytest.mark.integration
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_frames_in_any_order_of_reads_are_those_of_a_sequential_decode(
    chosen: dict[str, Film], data: st.DataObject
) -> None:
    path, full = chosen[data.draw(st.sampled_from(sorted(chosen)))]
    asked = st.lists(st.integers(0, len(full) - 1), min_size=1, max_size=8, unique=True).map(sorted)
    with OpenVideo(VideoRef("a", path)) as video:
        for indices, sparse in data.draw(st.lists(st.tuples(asked, st.booleans()), min_size=1, max_size=3)):
            found = video.read(np.array(indices), sparse=sparse).frames
            assert all(np.array_equal(frame, full[index]) for frame, index in zip(found, indices, strict=True))


def differences(path: Path, full: list[np.ndarray], *, seed: int = 0) -> list[str]:
    """What of a film is not as its sequential decode: count, frames read alone, in sets, and in full."""
    rng = np.random.default_rng(seed)
    with OpenVideo(VideoRef("a", path)) as video:
        count = len(video.times())
        if count != len(full):
            return [f"{count} frames instead of {len(full)}"]
        sets = [[index] for index in range(count)]
        sets += [np.sort(rng.choice(count, min(size, count), replace=False)).tolist() for size in (2, 5, 12)]
        asked = [(indices, True) for indices in sets] + [(sets[-1], False)]
        return [
            f"frames {indices}"
            for indices, sparse in asked
            if not all(
                map(np.array_equal, video.read(np.array(indices), sparse=sparse).frames, (full[i] for i in indices))
            )
        ]


@pytest.mark.proof
def test_every_pair_of_codec_and_container(tmp_path: Path) -> None:
    wrong, tried, pairs = [], Counter[str](), set()
    for kind, path in films(tmp_path, every_kind(changes=True)):
        try:
            full = sequential(path)
        except (av.error.FFmpegError, AttributeError, IndexError):  # not recognised, or its beginning is gone
            path.unlink()
            continue
        if not full:
            with pytest.raises(VideoError), OpenVideo(VideoRef("a", path)) as video:
                video.read(np.array([0]))
        else:
            wrong += [f"{kind.name}: {what}" for what in differences(path, full)]
        tried[kind.change or "as written"] += 1
        pairs.add((kind.codec, kind.ending))
        path.unlink()
    print(f"{tried.total()} films, {len(pairs)} pairs of codec and container: {dict(tried)}")
    assert not wrong, "\n".join(wrong)
    assert len(pairs) >= 40
