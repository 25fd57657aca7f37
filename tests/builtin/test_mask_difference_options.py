"""`frame-difference` beyond the paper: grey rules, references, thresholds, sizes, backends, presets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.plain_masks import RAW, clip, grey, told
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from fdakit.builtin.masks.frame_difference import FRAME_DIFFERENCE
from fdakit.data_pipeline.mask_calls import mask_alpha
from fdakit.mask_ops import backends
from fdakit.plugin import Clip, VideoRef
from fdakit.testing.building import build_part, example_clip
from fdakit.testing.masks import check_mask
from fdakit.video import frame_times, read_frames

needs_opencv = pytest.mark.skipif(not backends.find_spec("cv2"), reason="OpenCV is not installed")
BACKENDS = ["scikit-image", "numpy", pytest.param("opencv", marks=needs_opencv), "torch"]


def masks(seen: Clip, **options: Any) -> NDArray[np.float32]:
    part = build_part(FRAME_DIFFERENCE, **options)
    return mask_alpha(part, seen, label="mask", device="cpu")


@pytest.mark.integration
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["lion.mp4", "basketball.mp4", "yoga.mp4"])
def test_the_paper_s_mask_of_real_clips_equals_the_second_telling(data_dir: Path, name: str, backend: str) -> None:
    video = VideoRef(name, next((data_dir / "videos" / "natural").rglob(name)))
    indices = ((np.arange(4) + 0.5) * len(frame_times(video)) / 4).astype(np.int64)
    seen = read_frames(video, indices=indices, size=(128, 176))
    found = masks(seen, preset="paper", backend=backend)
    np.testing.assert_array_equal(found, told(seen.frames))
    assert 0 < found.mean() < 1


@pytest.mark.parametrize("backend", BACKENDS)
@given(
    st.integers(0, 2**32),
    st.sampled_from(["previous", "union", "intersection", "native"]),
    st.sampled_from(["bt601", "max-channel"]),
    st.sampled_from(["fixed", "mad", "otsu"]),
    st.sampled_from(["disk", "square"]),
    st.booleans(),
    st.sampled_from(["hard", "soft"]),
    st.integers(0, 9),
)
@settings(max_examples=25, deadline=None)
def test_backends_are_equal_to_the_bit_whatever_is_asked(
    backend: str,
    seed: int,
    reference: str,
    rule: str,
    threshold: str,
    element: str,
    holes: bool,
    alpha: str,
    grow: int,
) -> None:
    rng = np.random.default_rng(seed)
    shape = (4, int(rng.integers(2, 12)), int(rng.integers(2, 12)), 3)
    frames, near = (rng.integers(0, 256, shape, np.uint8).repeat(8, axis=1).repeat(9, axis=2) for _ in range(2))
    seen = replace(clip(frames), neighbours={-1: near})
    options = {
        "reference": reference,
        "grey": rule,
        "threshold_rule": threshold,
        "element": element,
        "fill_holes": holes,
        "alpha": alpha,
        "dilation": grow,
        "connectivity": 4 if holes else 8,
        "fallback": "whole-frame",
    }
    np.testing.assert_array_equal(
        masks(seen, backend=backend, **options), masks(seen, backend="scikit-image", **options)
    )


def boxes(*lefts: int) -> NDArray[np.uint8]:
    """Black frames with a white box 20 wide at each of the lefts."""
    pictures = np.zeros((len(lefts), 64, 96), np.uint8)
    for picture, left in zip(pictures, lefts, strict=True):
        picture[20:40, left : left + 20] = 200
    return grey(*pictures)


def columns(mask: NDArray[np.float32]) -> list[int]:
    return np.flatnonzero(mask[30]).tolist()


def test_references_are_the_frame_before_either_or_both() -> None:
    frames = boxes(0, 30, 60)
    before = masks(clip(frames), **RAW)
    assert columns(before[1]) == [*range(20), *range(30, 50)]
    union = masks(clip(frames), reference="union", **RAW)
    assert columns(union[1]) == [*range(20), *range(30, 50), *range(60, 80)]
    both = masks(clip(frames), reference="intersection", **RAW)
    assert columns(both[1]) == list(range(30, 50))  # the ghosts are gone
    for found in (union, both):  # the first and the last have one neighbour
        np.testing.assert_array_equal(found[0], before[1])
        np.testing.assert_array_equal(found[2], before[2])


def test_a_native_reference_compares_with_the_neighbour_and_knows_the_file_s_beginning() -> None:
    frames, near = boxes(10, 50), boxes(10, 47)
    seen = replace(clip(frames), neighbours={-3: near})
    found = masks(seen, reference="native", gap=3, **RAW)
    assert columns(found[1]) == [47, 48, 49, 67, 68, 69]
    np.testing.assert_array_equal(found[0], found[1])  # nothing comes before the file's first frame
    later = replace(seen, times=np.array([2.0, 3.0]))
    assert not masks(later, reference="native", gap=3, **RAW)[0].any()  # there a still frame is a still frame
    assert masks(seen, reference="native", gap=3, first_frame="whole-frame", **RAW)[0].all()


def test_max_channel_sees_a_change_of_colour_that_luma_does_not() -> None:
    frames = np.full((2, 32, 32, 3), 100, np.uint8)
    frames[1] = (100 - 57, 100 + 29, 100)  # of the same luma
    assert not masks(clip(frames), **RAW)[1].any()
    assert masks(clip(frames), grey="max-channel", **RAW)[1].all()


def test_decoder_luma_is_asked_for_and_used() -> None:
    part = build_part(FRAME_DIFFERENCE, grey="decoder-luma", **RAW)
    assert part.needs.luma
    frames = np.zeros((2, 32, 32, 3), np.uint8)
    luma = frames[..., 0].copy()
    luma[1, :16] = 90
    assert part(replace(clip(frames), luma={0: luma}))[1].mean() == 0.5
    check_mask(FRAME_DIFFERENCE, grey="decoder-luma")


def test_an_adaptive_threshold_rises_with_the_noise_and_never_falls_under_the_fixed_one() -> None:
    rng = np.random.default_rng(0)
    noisy = np.clip(rng.normal(120, 30, (2, 96, 96)), 0, 255).astype(np.uint8)
    noisy[1, 30:50, 30:50] = 255 - noisy[0, 30:50, 30:50] // 3
    fixed, adapted = (masks(clip(grey(*noisy)), threshold_rule=rule, **RAW)[1] for rule in ("fixed", "mad"))
    assert adapted.mean() < 0.3 * fixed.mean()
    assert (adapted <= fixed).all()


def test_a_working_size_makes_the_mask_there_and_gives_it_back_at_full_size() -> None:
    frames = boxes(0, 40)
    small = masks(clip(frames), working_size=32, **RAW)
    assert small.shape == (2, 64, 96)
    np.testing.assert_array_equal(small[1], masks(clip(frames), **RAW)[1])  # edges on even pixels stay


def test_soft_alpha_tells_how_much_it_changed() -> None:
    frames = np.zeros((2, 32, 32, 3), np.uint8)
    frames[1, :8], frames[1, 8:16], frames[1, 16:24] = 30, 40, 255
    alpha = masks(clip(frames), alpha="soft", **RAW)[1]
    assert alpha[[4, 12, 20, 28], 0].tolist() == [pytest.approx(0.6), pytest.approx(0.8), 1, 0]


def test_robust_switches_the_fallback_on_and_what_is_set_beside_it_wins() -> None:
    rng = np.random.default_rng(1)
    scenes = rng.integers(0, 256, (2, 8, 8, 1), np.uint8).repeat(12, axis=1).repeat(12, axis=2).repeat(3, axis=3)
    frames = np.stack([scenes[0], scenes[0], scenes[1]])  # stillness, then a cut
    part = build_part(FRAME_DIFFERENCE, preset="robust")
    assert part.remarks(clip(frames)) == ("empty", "empty", "cut")
    assert part(clip(frames)).min() == 1
    paper = build_part(FRAME_DIFFERENCE, preset="paper")
    assert paper.remarks(clip(frames)) == ("", "", "")
    assert paper(clip(frames))[:2].max() == 0
    kept = build_part(FRAME_DIFFERENCE, preset="robust", fallback="none")
    np.testing.assert_array_equal(kept(clip(frames)), paper(clip(frames)))
    every = FRAME_DIFFERENCE.options.presets["robust"]
    np.testing.assert_array_equal(masks(clip(frames), preset="robust"), masks(clip(frames), **every))


@pytest.mark.parametrize(
    "options", [{}, {"reference": "union"}, {"preset": "robust", "first_frame": "empty"}], ids=str
)
def test_a_frame_with_nothing_to_compare_is_marked_whole_and_says_so(options: dict[str, Any]) -> None:
    part = build_part(FRAME_DIFFERENCE, **options)
    alone = clip(example_clip(1, 48).frames)
    assert part(alone).min() == 1
    assert part.remarks(alone) == ("alone",)
    assert "alone" not in part.remarks(clip(example_clip(3, 48).frames))


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(ValidationError, match="backend 'torch' takes frames as they are"):
        FRAME_DIFFERENCE.options.model_validate({"backend": "torch", "working_size": 64})


@pytest.mark.parametrize(
    "options",
    [
        {"preset": "robust"},
        {"reference": "native", "gap": 3},
        {"reference": "intersection", "grey": "max-channel", "threshold_rule": "otsu"},
        {"alpha": "soft", "threshold_rule": "mad", "working_size": 50, "fill_holes": True, "dilation": 4},
        {"backend": "torch", "reference": "union"},
        {"backend": "torch", "grey": "decoder-luma"},
    ],
    ids=str,
)
def test_the_contracts_laws_hold(options: dict[str, Any]) -> None:
    check_mask(FRAME_DIFFERENCE, **options)


def test_a_clip_is_left_as_it_was() -> None:
    seen = example_clip(4, 64)
    before = seen.frames.copy()
    masks(seen, reference="union", grey="max-channel")
    np.testing.assert_array_equal(seen.frames, before)
