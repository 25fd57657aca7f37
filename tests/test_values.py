"""Values check themselves once, stay as they are, and print shapes instead of pixels."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from fdakit import DatasetError, VideoError, features, values
from fdakit.plugin import (
    Batch,
    Caption,
    Clip,
    ClipBatch,
    Fused,
    Needs,
    PairFeatures,
    PublishedCounts,
    Scores,
    SourceFile,
    Split,
    TextFeatures,
    VideoFeatures,
    VideoRef,
)
from fdakit.values import UnreadableVideo, describe


def video(name: str = "v", **segment: float) -> VideoRef:
    return VideoRef(name, Path(f"{name}.mp4"), **segment)


def clip(count: int = 3, **more: Any) -> Clip:
    return Clip("v", np.zeros((count, 4, 6, 3), np.uint8), np.arange(count) / 25, **more)


def frame_features() -> VideoFeatures:
    return VideoFeatures(torch.zeros(2, 3, 8), torch.ones(2, 3, dtype=torch.bool))


def text_features() -> TextFeatures:
    ids = torch.zeros(5, 7, dtype=torch.int64)
    return TextFeatures(torch.zeros(5, 8), mask=ids > 0, ids=ids, cut=torch.zeros(5, dtype=torch.bool))


def scores() -> Scores:
    return Scores(np.zeros((5, 2), np.float32), np.zeros(5, np.int64), np.zeros(2, bool))


def batch() -> Batch:
    alpha = {"none": torch.zeros(2, 3, 1, 4, 4)}
    return Batch(("a", "b"), torch.zeros(2, 3, 3, 4, 4), alpha, torch.ones(2, 3, dtype=torch.bool), torch.zeros(2, 3))


EXAMPLES = (
    video(),
    Caption("a cat", "v"),
    Split("test", (video(),), (Caption("a cat", "v"),)),
    PublishedCounts(670, 27_763),
    SourceFile("test_list.txt", "ids of the test videos", "the authors' page"),
    Needs(),
    clip(),
    UnreadableVideo("v", "damaged"),
    batch(),
    frame_features(),
    text_features(),
    Fused((torch.zeros(1, 2, 2, 2),)),
    scores(),
    ClipBatch(torch.zeros(2, 3, 3, 4, 4), torch.ones(2, 3, dtype=torch.bool), torch.zeros(2, 3)),
    PairFeatures(frame_features(), frame_features(), text_features(), batch(), lambda texts, videos: texts.vectors),
)


def test_there_is_an_example_of_every_value() -> None:
    assert {type(value) for value in EXAMPLES} == {
        kind
        for home in (values, features)
        for kind in vars(home).values()
        if is_dataclass(kind) and kind.__module__ == home.__name__
    }


@pytest.mark.parametrize("value", EXAMPLES, ids=lambda value: type(value).__name__)
def test_values_are_frozen(value: Any) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(value, fields(value)[0].name, None)


def test_values_print_shapes_and_no_pixels() -> None:
    assert repr(clip(neighbours={-1: np.zeros((3, 4, 6, 3), np.uint8)})) == (
        "Clip('v', frames=uint8(3, 4, 6, 3), neighbours=[-1])"
    )
    assert repr(batch()) == "Batch(2 clips, frames=torch.float32(2, 3, 3, 4, 4), none=torch.float32(2, 3, 1, 4, 4))"
    assert repr(frame_features()) == "VideoFeatures(frame, vectors=torch.float32(2, 3, 8), valid=torch.bool(2, 3))"
    assert repr(text_features()) == "TextFeatures(vectors=torch.float32(5, 8), tokens=None)"
    assert repr(scores()) == "Scores(matrix=float32(5, 2), lost=0)"
    assert repr(Split("test", (video(),), ())) == "Split('test', 1 videos, 0 captions)"
    assert describe([1]) == "[1]"


@given(st.floats(0, 100), st.floats(0, 100))
def test_a_segment_must_end_after_its_start(start: float, end: float) -> None:
    if end > start:
        assert video(start=start, end=end).content == ("v.mp4", start, end)
    else:
        with pytest.raises(DatasetError, match="video 'v': segment from"):
            video(start=start, end=end)


def test_two_references_mean_the_same_footage_where_file_and_segment_agree() -> None:
    assert VideoRef("a", Path("x.mp4")).content == VideoRef("b", Path("x.mp4")).content
    assert VideoRef("a", Path("x.mp4")).content != VideoRef("a", Path("y.mp4")).content
    assert video(start=1, end=2).content != video(start=1, end=3).content
    assert video(start=1).content != video().content


@given(st.lists(st.sampled_from("abcdef")), st.lists(st.sampled_from("abcdef")))
def test_a_split_refuses_repeated_ids_and_captions_of_strangers(ids: list[str], owners: list[str]) -> None:
    videos = tuple(video(name) for name in ids)
    captions = tuple(Caption("a cat", owner) for owner in owners)
    if len(set(ids)) == len(ids) and set(owners) <= set(ids):
        assert Split("test", videos, captions).videos == videos
    else:
        with pytest.raises(DatasetError, match=r"split 'test': (ids appear twice|captions name videos)"):
            Split("test", videos, captions)


def test_a_split_says_which_ids_are_at_fault() -> None:
    with pytest.raises(DatasetError, match=r"ids appear twice: \['b'\]; make them unique"):
        Split("test", (video("a"), video("b"), video("b")), ())
    with pytest.raises(DatasetError, match=r"not in it: \['ghost'\]"):
        Split("test", (video("a"),), (Caption("a cat", "ghost"), Caption("a dog", "a")))


@pytest.mark.parametrize(
    ("frames", "times", "fault"),
    [
        (np.zeros((0, 4, 6, 3)), np.zeros(0), r"frames float64\(0, 4, 6, 3\); wanted \(t, h, w, 3\), t > 0"),
        (np.zeros((4, 6, 3)), np.zeros(4), r"frames float64\(4, 6, 3\)"),
        (np.zeros((2, 4, 6, 3)), np.zeros(3), "wanted one time a frame"),
        (np.zeros((2, 4, 6, 3)), np.zeros((2, 1)), "wanted one time a frame"),
    ],
)
def test_a_clip_has_frames_and_one_time_for_each(frames: Any, times: Any, fault: str) -> None:
    with pytest.raises(VideoError, match=fault):
        Clip("v", frames, times)


def test_neighbours_have_the_shape_of_the_frames() -> None:
    with pytest.raises(VideoError, match=r"neighbours at -1 are uint8\(2, 4, 6, 3\)"):
        clip(neighbours={-1: np.zeros((2, 4, 6, 3), np.uint8)})


def test_a_clip_draws_the_same_each_time_and_by_seed_and_id() -> None:
    draws = [one.rng().random() for one in (clip(), clip(), clip(seed=1), Clip("w", clip().frames, clip().times))]
    assert draws[0] == draws[1]
    assert len(set(draws)) == 3


def test_features_refuse_shapes_that_do_not_belong_together() -> None:
    with pytest.raises(ValueError, match=r"wanted \(v, m, d\) and \(v, m\)"):
        VideoFeatures(torch.zeros(2, 3, 8), torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"wanted \(v, m, d\)"):
        VideoFeatures(torch.zeros(2, 8), torch.ones(2, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"of kind 'frames'; wanted .* of kind frame, clip, patch"):
        VideoFeatures(torch.zeros(2, 3, 8), torch.ones(2, 3, dtype=torch.bool), kind="frames")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="pixels and maps of the stem at once"):
        Fused((torch.zeros(1, 2, 2, 2),), pixels=torch.zeros(1, 3, 4, 4))
    ids = torch.zeros(4, 7, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"wanted \(q, d\)"):
        TextFeatures(torch.zeros(5, 8), ids=ids)
    with pytest.raises(ValueError, match=r"wanted \(q, l, d\), \(q, l\)"):
        TextFeatures(torch.zeros(4, 8), torch.zeros(4, 7, 8))


@pytest.mark.parametrize(("owners", "lost"), [(4, 2), (5, 3), (2, 5)])
def test_scores_need_an_owner_a_row_and_a_mark_a_column(owners: int, lost: int) -> None:
    with pytest.raises(ValueError, match=r"wanted \(q, v\), \(q,\) and \(v,\)"):
        Scores(np.zeros((5, 2), np.float32), np.zeros(owners, np.int64), np.zeros(lost, bool))


def _split_of(counts: list[int], **also: Any) -> Split:
    videos = tuple(video(f"v{number}") for number in range(len(counts)))
    captions = [Caption(f"caption {k}", f"v{number}") for number, count in enumerate(counts) for k in range(count)]
    return Split("test", videos, tuple(captions), **also)


@given(st.lists(st.integers(0, 3), max_size=5))
def test_the_protocol_follows_from_the_captions(counts: list[int]) -> None:
    several = max(counts, default=0) > 1
    assert _split_of(counts).protocol == ("multi-caption" if several else "single-caption")
    assert _split_of(counts, protocol="multi-caption").protocol == "multi-caption"
    for protocol in ("single-caption", "paragraph"):
        if several:
            with pytest.raises(
                DatasetError, match=f"protocol '{protocol}', but video 'v.' has . captions; leave protocol"
            ):
                _split_of(counts, protocol=protocol)
        else:
            assert _split_of(counts, protocol=protocol).protocol == protocol


def test_a_caption_states_moments_only_where_it_has_some() -> None:
    assert Caption("a", "v").moments == ()
    assert Caption("a", "v", ((0, 1.5), (0.5, 3))).moments == ((0, 1.5), (0.5, 3))


@pytest.mark.parametrize("moment", [(-1, 2), (2, 2), (3, 2), (0, float("inf")), (float("nan"), 1), (0, float("nan"))])
def test_a_moment_must_be_a_part_of_its_video(moment: tuple[float, float]) -> None:
    with pytest.raises(DatasetError, match=r"a caption of video 'v': the moment from .* s is none"):
        Caption("a", "v", ((0, 1), moment))


def test_names_may_hold_any_bytes_and_captions_must_be_text() -> None:
    odd = VideoRef("caf\udce9", Path("caf\udce9.mp4"))
    assert Split("test", (odd,), (Caption("caf\u00e9 \U0001f600", odd.id),)).videos == (odd,)
    for refused in (VideoRef("v\ud83d", Path("v")), VideoRef("v", Path("v\ud83d"))):
        with pytest.raises(DatasetError, match="a lone surrogate is in no file name"):
            Split("test", (refused,), ())
    for text in ("caf\udce9", "broken \ud83d"):
        with pytest.raises(DatasetError, match=r"a caption of video 'caf.udce9' is no Unicode text: .*save"):
            Split("test", (odd,), (Caption(text, odd.id),))
