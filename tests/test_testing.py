"""The laws for plugin authors: every built-in keeps them, and each law rejects a part that breaks it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.sample_plugins import component
from pydantic import ValidationError
from torch.nn.functional import normalize

from fdakit import DatasetError
from fdakit.builtin.readers.pyav import PYAV
from fdakit.builtin.samplers.uniform import UNIFORM
from fdakit.catalog import load_catalog
from fdakit.plugin import (
    Caption,
    Clip,
    ClipBatch,
    Component,
    Fused,
    Needs,
    Scores,
    SourceFile,
    Split,
    Stem,
    VideoFeatures,
    VideoRef,
)
from fdakit.testing.building import build_part, example_clip
from fdakit.testing.masks import check_mask
from fdakit.testing.reading import check_dataset, check_reader, check_sampler
from fdakit.testing.towers import check_fusion
from fdakit.testing.vectors import check_aggregator, check_objective, check_rescorer

CATALOG = load_catalog()
GROWING = itertools.count(1)


def offered(kind: str) -> list[Any]:
    return [pytest.param(offer.component, id=offer.component.name) for offer in CATALOG.of_kind(kind)]


def part(made: object) -> Component[Any, Any]:
    """A component whose part is `made`."""
    return component(build=lambda options, shapes: made)


def rejected(law: Callable[[Component[Any, Any]], None], made: object, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        law(part(made))


# What fdakit itself offers


@pytest.mark.parametrize("sampler", offered("sampler"))
def test_every_sampler_keeps_the_laws(sampler: Component[Any, Any]) -> None:
    check_sampler(sampler)


@pytest.mark.parametrize(
    "options", [{"by": "index"}, {"train_pick": "centre"}, {"train_frames": 1, "eval_frames": 1}]
)
def test_uniform_keeps_the_laws_with_other_options(options: dict[str, Any]) -> None:
    check_sampler(UNIFORM, **options)


@pytest.mark.integration
@pytest.mark.parametrize("mask", offered("mask"))
def test_every_mask_keeps_the_laws(mask: Component[Any, Any], tmp_path: Path) -> None:
    options = {"folder": str(tmp_path), "missing": "full"} if mask.name == "files" else {}
    check_mask(mask, **options)
    check_mask(mask, example_clip(3, 224, seed=1), **options)


NEUTRAL = {  # alphas that change nothing
    "alpha-conv": (0.5, 0.0, 1.0),
    "gated": (0.5, 0.0, 1.0),
    "motion-tokens": (0.5, 0.0, 1.0),
    "attention-bias": (0.0, 0.5),
    "blur-background": (1.0,),
    "multiply": (1.0,),
    "none": (0.0, 0.5),
}


@pytest.mark.parametrize("fusion", offered("fusion"))
def test_every_fusion_keeps_the_laws(fusion: Component[Any, Any]) -> None:
    check_fusion(fusion)
    for alpha in NEUTRAL.get(fusion.name, ()):
        check_fusion(fusion, neutral=alpha)


@pytest.mark.parametrize("aggregator", offered("aggregator"))
def test_every_aggregator_keeps_the_laws(aggregator: Component[Any, Any]) -> None:
    check_aggregator(aggregator)


@pytest.mark.parametrize("objective", offered("objective"))
def test_every_objective_keeps_the_laws(objective: Component[Any, Any]) -> None:
    check_objective(objective)


@pytest.mark.parametrize("reader", offered("reader"))
def test_every_reader_keeps_the_laws(reader: Component[Any, Any], clips: Path) -> None:
    for name in ("red-across.mp4", "red-rests.mp4"):
        check_reader(reader, clips / name)


def test_options_are_checked_as_a_recipe_checks_them() -> None:
    assert build_part(UNIFORM, train_frames=3).frames(True) == 3
    for wrong in ({"train_frame": 3}, {"train_frames": "3"}, {"train_frames": 0}):
        with pytest.raises(ValidationError):
            build_part(UNIFORM, **wrong)


def test_the_example_clip_is_seeded_and_shows_a_moving_square() -> None:
    assert np.array_equal(example_clip().frames, example_clip().frames)
    assert not np.array_equal(example_clip().frames, example_clip(seed=1).frames)
    columns = [np.nonzero((frame[..., 0] == 220).any(axis=0))[0].min() for frame in example_clip(4, 40).frames]
    assert columns == [0, 10, 20, 30]


# Samplers


class Sampler:
    """Asks for three frames; `choose` makes the choice."""

    def __init__(self, choose: Callable[[int, Any, np.random.Generator], Any], draws: bool = False) -> None:
        self._choose = choose
        self._draws = draws

    def frames(self, training: bool) -> int:
        return 3

    def draws(self, training: bool) -> bool:
        return self._draws

    def __call__(self, count: int, times: Any, training: bool, rng: np.random.Generator) -> Any:
        return self._choose(count, times, rng)


def any_three(count: int, times: Any, rng: np.random.Generator) -> Any:
    return np.sort(rng.permutation(count)[:3])


def moody_three() -> Callable[..., Any]:
    """The first three frames, then the last three, then the first again, whatever the generator."""
    turn = itertools.count()
    return lambda count, times, rng: np.arange(min(count, 3)) + next(turn) % 2 * max(count - 3, 0)


@pytest.mark.parametrize(
    ("choose", "words"),
    [
        (lambda count, times, rng: np.arange(0), "between 1 and 3"),
        (lambda count, times, rng: np.arange(min(count, 4)), "between 1 and 3"),
        (lambda count, times, rng: np.zeros(3, int), "rise without repeats"),
        (lambda count, times, rng: np.arange(min(count, 3))[::-1], "rise without repeats"),
        (lambda count, times, rng: np.array([-1, 0]), "not be negative"),
        (lambda count, times, rng: np.arange(3), "below the count"),
        (lambda count, times, rng: np.array([0.0]), "whole numbers"),
        (moody_three(), "same generator"),
        (any_three, r"draws\(\) is false"),
    ],
)
def test_a_sampler_that_breaks_a_law_is_rejected(choose: Callable[..., Any], words: str) -> None:
    rejected(check_sampler, Sampler(choose), words)


def test_a_sampler_that_says_it_draws_may_draw() -> None:
    check_sampler(part(Sampler(any_three, draws=True)))


# Masks


class Mask:
    """Marks a clip as `mark` says."""

    def __init__(self, mark: Callable[[Clip], Any], needs: Needs | None = None, place: str = "worker") -> None:
        self._mark = mark
        self.needs = needs or Needs()
        self.place = place

    def __call__(self, clip: Clip) -> Any:
        return self._mark(clip)


def full(clip: Clip, value: float = 1.0, dtype: Any = np.float32) -> Any:
    return np.full(clip.frames.shape[:3], value, dtype)


def scribble(clip: Clip) -> Any:
    clip.frames[0, 0, 0] += 1
    return full(clip)


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        (lambda clip: full(clip, 1.01), "rises to"),
        (lambda clip: full(clip, -0.01), "falls to"),
        (lambda clip: full(clip, np.nan), "not finite"),
        (lambda clip: full(clip, np.inf), "not finite"),
        (lambda clip: full(clip, dtype=np.float64), "float64; wanted float32"),
        (lambda clip: full(clip, dtype=np.uint8), "uint8; wanted float32"),
        (lambda clip: full(clip)[0], "wanted"),
        (lambda clip: full(clip)[:2], "shape"),
        (lambda clip: np.random.default_rng().random(clip.frames.shape[:3], np.float32), "another alpha"),
        (scribble, "changed the clip's frames"),
    ],
)
def test_a_mask_that_breaks_a_law_is_rejected(mark: Callable[[Clip], Any], words: str) -> None:
    rejected(check_mask, Mask(mark), words)


def test_a_mask_that_works_nowhere_is_rejected() -> None:
    rejected(check_mask, Mask(full, place="cloud"), "place is 'cloud'")


def test_a_mask_gets_the_neighbours_and_vectors_it_needs_in_either_place() -> None:
    def differs(clip: Clip) -> Any:
        assert clip.motion_vectors is not None
        assert clip.neighbours[-1].shape == clip.frames.shape
        return (clip.frames != clip.neighbours[-1]).any(-1).astype(np.float32)

    def differs_on_device(clips: ClipBatch) -> Any:
        assert clips.neighbours[-1].shape == clips.frames.shape
        assert clips.luma[0].shape == clips.luma[-1].shape == clips.frames[:, :, 0].shape
        return (clips.frames != clips.neighbours[-1]).any(2).float()

    check_mask(part(Mask(differs, Needs((-1,), motion_vectors=True))))
    check_mask(part(Mask(differs_on_device, Needs((-1,), luma=True), place="device")))
    rejected(check_mask, Mask(full, Needs(motion_vectors=True), place="device"), "set place = 'worker'")


def shared_mean(clips: ClipBatch) -> Any:
    return (clips.frames[:, :, 0] > clips.frames[:, :, 0].float().mean()).float()


def next_frame(clips: ClipBatch) -> Any:
    return (clips.frames != clips.frames.roll(-1, 1)).any(2).float()


def scribble_on_device(clips: ClipBatch) -> Any:
    clips.frames[0, 0] += 1
    return on_device(clips)


def on_device(clips: ClipBatch, value: float = 0.5) -> Any:
    return torch.full(clips.frames[:, :, 0].shape, value)


class OfBatch:
    """A mask on the device with remarks."""

    needs, place = Needs(), "device"

    def __init__(self, remarks: Callable[[ClipBatch], Any]) -> None:
        self.remarks = remarks

    def __call__(self, clips: ClipBatch) -> Any:
        return on_device(clips)


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        (lambda clips: on_device(clips)[:, :, None], "has the shape"),
        (lambda clips: on_device(clips)[0], "has the shape"),
        (lambda clips: on_device(clips).numpy(), "ndarray; wanted a tensor"),
        (lambda clips: clips.frames[:, :, 0], "uint8; wanted float32"),
        (lambda clips: on_device(clips, 1.1), "rises to"),
        (lambda clips: on_device(clips, -0.1), "falls to"),
        (lambda clips: on_device(clips, np.nan), "not finite"),
        (lambda clips: torch.rand(clips.frames[:, :, 0].shape), "another alpha"),
        (scribble_on_device, "changed the clips' frames"),
        (next_frame, "with the batch that it is in"),
        (shared_mean, "with what pads a clip"),
        (lambda clips: on_device(clips, 1 / len(clips.frames)), "with the batch that it is in"),
    ],
)
def test_a_mask_on_the_device_that_breaks_a_law_is_rejected(mark: Callable[[ClipBatch], Any], words: str) -> None:
    rejected(check_mask, Mask(mark, place="device"), words)


def test_remarks_of_a_mask_on_the_device_are_those_of_each_clips_own_frames() -> None:
    check_mask(part(OfBatch(lambda clips: [("",) * int(count) for count in clips.valid.sum(1)])))
    rejected(check_mask, OfBatch(lambda clips: [("",) * clips.frames.shape[1]] * len(clips.frames)), "one a valid")
    rejected(check_mask, OfBatch(lambda clips: [(0,) * int(count) for count in clips.valid.sum(1)]), "wanted strings")


class Saliency(torch.nn.Module):
    """A learned mask on the device; `dead` gives it a weight that nothing reaches, `hard` cuts the gradient."""

    needs, place = Needs(), "device"

    def __init__(self, *, dead: bool = False, hard: bool = False) -> None:
        super().__init__()
        self.head = torch.nn.Conv2d(3, 1, 3, padding=1)
        self.scale = torch.nn.Parameter(torch.ones(()), requires_grad=dead)
        self.hard = hard

    def forward(self, clips: ClipBatch) -> torch.Tensor:
        maps = torch.sigmoid(self.head(clips.frames.flatten(0, 1).float() / 255))
        return ((maps > 0.5).float() if self.hard else maps).view(*clips.valid.shape, *maps.shape[-2:])


def test_every_weight_of_a_learned_mask_must_have_a_gradient() -> None:
    check_mask(part(Saliency()))
    rejected(check_mask, Saliency(dead=True), "no gradient reaches scale")
    rejected(check_mask, Saliency(hard=True), "alpha has no gradient")


def test_a_part_that_is_not_what_its_component_declares_is_rejected() -> None:
    made = replace(part(Mask(full)), declares={"place": "device"})
    with pytest.raises(AssertionError, match="declares place = 'device', but the part has 'worker'"):
        check_mask(made)


# Fusions


class Fusing:
    """A fusion made of a function; may give anything."""

    uses = frozenset({"pixels", "stem", "attention_bias", "keep"})

    def __init__(self, fuse: Callable[..., Fused], *, uses: str = "") -> None:
        self._fuse = fuse
        if uses:
            self.uses = frozenset(uses.split())

    def __call__(self, rgb: Any, alpha: Any, stem: Any) -> Fused:
        return self._fuse(rgb, alpha, stem)


def steering(**asked: Any) -> Callable[..., Fused]:
    """A fusion that leaves the stem alone and asks for the same whatever alpha is."""
    return Fusing(lambda rgb, alpha, stem: Fused(**asked))


def keeping(rgb: torch.Tensor, stem: Stem, count: int) -> Fused:
    return Fused(stem(rgb), keep=torch.arange(min(count, 16)).expand(len(rgb), -1))


@pytest.mark.parametrize(
    ("fuse", "words"),
    [
        (lambda rgb, alpha, stem: Fused(()), "0 maps for 1"),
        (lambda rgb, alpha, stem: Fused(tuple(m[:, :4] for m in stem(rgb))), "map of shape"),
        (lambda rgb, alpha, stem: Fused(tuple(m / 0 for m in stem(rgb))), "not finite"),
        (lambda rgb, alpha, stem: Fused(pixels=rgb[:, :1]), r"pixels \(3, 1, 32, 32\); wanted"),
        (lambda rgb, alpha, stem: Fused(pixels=rgb / 0), "pixels hold values that are not finite"),
        (lambda rgb, alpha, stem: Fused(stem(rgb.mul_(2))), "changed rgb"),
        (lambda rgb, alpha, stem: Fused(stem(rgb * alpha.add_(1))), "changed alpha"),
        (steering(attention_bias=torch.zeros(3, 17)), r"attention_bias \(3, 17\); wanted \(3, 16\)"),
        (steering(attention_bias=torch.full((3, 16), -torch.inf)), "attention_bias holds values"),
        (steering(attention_bias=torch.zeros(3, 16), bias_from=3), "bias_from is 3 of 2"),
        (steering(keep=torch.zeros(3, dtype=torch.int64)), "keep has the shape"),
        (steering(keep=torch.zeros(2, 1, dtype=torch.int64)), "2 rows for 3 frames"),
        (steering(keep=torch.zeros(3, 1)), "whole numbers"),
        (steering(keep=torch.tensor([[0, 2, 1]] * 3)), "ascend"),
        (steering(keep=torch.tensor([[-1, 2]] * 3)), "below 0"),
        (steering(keep=torch.tensor([[3, 16]] * 3)), "beyond the 16"),
        (lambda rgb, alpha, stem: keeping(rgb, stem, 1 + int(alpha.sum())), "one number is wanted"),
    ],
)
def test_a_fusion_that_breaks_a_law_is_rejected(fuse: Callable[..., Fused], words: str) -> None:
    rejected(check_fusion, fuse if isinstance(fuse, Fusing) else Fusing(fuse), words)


def test_a_fusion_gives_only_what_it_says() -> None:
    class Silent(Fusing):
        uses = frozenset({"stem"})

    rejected(check_fusion, Silent(lambda rgb, alpha, stem: Fused(pixels=rgb)), "gives pixels, which its `uses`")


def test_a_fusion_that_is_not_as_neutral_as_it_claims_is_rejected() -> None:
    def nearly(rgb: torch.Tensor, alpha: torch.Tensor, stem: Stem) -> Fused:
        return Fused(tuple(features * (1 + 1e-6) for features in stem(rgb)))

    check_fusion(part(Fusing(nearly, uses="stem")))
    rejected(lambda made: check_fusion(made, neutral=1.0), Fusing(nearly, uses="stem"), "bit-equal")
    dimmed = Fusing(lambda rgb, alpha, stem: Fused(pixels=rgb * (1 - 1e-6 * alpha)), uses="pixels")
    check_fusion(part(dimmed))
    rejected(lambda made: check_fusion(made, neutral=1.0), dimmed, "leave the pixels bit-equal")


@pytest.mark.parametrize(
    ("fuse", "words"),
    [
        (Fusing(lambda rgb, alpha, stem: Fused(pixels=rgb), uses="pixels keep"), "lists keep, which it never gives"),
        (
            Fusing(lambda rgb, alpha, stem: Fused(pixels=rgb - rgb.mean()), uses="pixels"),
            "depends on the other frames",
        ),
        (Fusing(lambda rgb, alpha, stem: Fused(pixels=rgb + stem(rgb)[0].mean()), uses="pixels"), "other frames"),
        (
            Fusing(lambda rgb, alpha, stem: Fused(pixels=rgb * len(stem(rgb))), uses="pixels"),
            "asks for maps of a stem",
        ),
    ],
)
def test_a_fusion_of_pixels_needs_no_stem_and_no_other_frame(fuse: Fusing, words: str) -> None:
    rejected(check_fusion, fuse, words)


# Aggregators


class Pool:
    """Pools frames to one vector as `pool` says."""

    gives = "vector"

    def __init__(self, pool: Callable[[VideoFeatures], Any]) -> None:
        self._pool = pool

    def __call__(self, features: VideoFeatures) -> Any:
        made = self._pool(features)
        return VideoFeatures.of_clips(made) if isinstance(made, torch.Tensor) else made


def shown(features: VideoFeatures, valid: torch.Tensor) -> VideoFeatures:
    return VideoFeatures(features.vectors, valid)


@pytest.mark.parametrize(
    ("pool", "words"),
    [
        (lambda frames: frames.vectors.mean(1), "invalid vectors"),
        (lambda frames: frames.vectors[:, -1], "invalid vectors"),
        (lambda frames: None, r"returned None; wanted fdakit\.plugin\.VideoFeatures"),
        (lambda frames: frames.vectors[:2, 0], "wanted"),
        (lambda frames: frames.vectors[:, 0] / 0, "not finite"),
        (lambda frames: frames.vectors[:, 0] - frames.vectors[:1, 0], "reordering"),
        (lambda frames: frames, "5 vectors a video; it says that it gives one"),
        (lambda frames: shown(frames.rows(slice(None)), frames.valid & False), "says that it gives one"),
    ],
)
def test_an_aggregator_that_breaks_a_law_is_rejected(pool: Callable[..., Any], words: str) -> None:
    rejected(check_aggregator, Pool(pool), words)


def test_an_aggregator_may_give_several_vectors_and_is_held_to_the_same_laws() -> None:
    class Several(Pool):
        gives = "vectors"

    check_aggregator(part(Several(lambda frames: frames)))
    rejected(check_aggregator, Several(lambda f: shown(f, torch.ones_like(f.valid))), "invalid vectors")
    rejected(check_aggregator, Several(lambda f: shown(f, f.valid & False)), "has no valid vector")
    found_by_value = Several(lambda f: shown(f, f.vectors.abs().amax(-1) < 99))
    rejected(check_aggregator, found_by_value, "change what is valid")


# Objectives


def likeness(pairs: Any, *, detach: str = "") -> torch.Tensor:
    videos, texts = pairs.videos.vector, pairs.texts.vectors
    videos, texts = (one.detach() if detach == name else one for name, one in (("videos", videos), ("texts", texts)))
    return (normalize(videos, dim=-1) * normalize(texts, dim=-1)).sum(-1).mean()


class Aside(torch.nn.Module):
    """Has a weight that nothing depends on."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = torch.nn.Parameter(torch.ones(()))

    def forward(self, pairs: Any) -> dict[str, torch.Tensor]:
        return {"loss": likeness(pairs)}


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        (lambda pairs: {}, "no loss"),
        (lambda pairs: {"loss": pairs.videos.vector.sum(1)}, "wanted a scalar"),
        (lambda pairs: {"loss": likeness(pairs) * np.nan}, "is nan"),
        (lambda pairs: {"loss": likeness(pairs).detach()}, "no gradient"),
        (lambda pairs: {"loss": likeness(pairs, detach="videos")}, "the videos"),
        (lambda pairs: {"loss": likeness(pairs, detach="texts")}, "the texts"),
        (lambda pairs: {"loss": 0 * likeness(pairs)}, "the videos"),
        (Aside(), "reaches unused"),
    ],
)
def test_an_objective_that_breaks_a_law_is_rejected(objective: Callable[..., Any], words: str) -> None:
    rejected(check_objective, objective, words)


def test_an_objective_may_say_that_it_trains_the_videos_alone() -> None:
    made = part(lambda pairs: {"caption": likeness(pairs, detach="texts")})
    check_objective(made, reaches=("videos",))


# Readers


class Reader:
    """The built-in reader with one thing changed."""

    def __init__(
        self, *, times: Callable[[Any], Any] | None = None, read: Callable[[Any], Any] | None = None
    ) -> None:
        self._reader = build_part(PYAV)
        self._times = times or (lambda times: times)
        self._read = read or (lambda indices: indices)

    def times(self, video: Any) -> Any:
        return self._times(self._reader.times(video))

    def read(self, video: Any, indices: Any, needs: Any, size: Any) -> Any:
        return self._reader.read(video, self._read(indices), needs, size)


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        (Reader(times=lambda times: times + 1), "count from the first frame"),
        (Reader(times=lambda times: np.concatenate([times[:1], times[:0:-1]])), "must not fall"),
        (Reader(times=lambda times: times[:-1] * 2), "times of"),
        (Reader(read=lambda indices: np.arange(11) if len(indices) == 12 else indices), "11 frames for 12 times"),
        (Reader(read=lambda i: i - 1 if len(i) == 1 and i[0] else i), "differ from a full read"),
        (Reader(read=lambda i: i[:1] if len(i) < 12 else i), "differ from a full read"),
    ],
)
def test_a_reader_that_breaks_a_law_is_rejected(reader: Reader, words: str, clips: Path) -> None:
    rejected(lambda made: check_reader(made, clips / "red-across.mp4"), reader, words)


class Rescoring:
    """A rescorer made of a function of the matrix."""

    def __init__(
        self, change: Callable[..., Any], directions: tuple[str, ...] = ("t2v",), needs: Any = False
    ) -> None:
        self.change, self.directions = change, directions
        self.needs_all_queries = self.needs_bank = needs

    def __call__(self, scores: Scores, bank: Any, direction: str) -> Any:
        return replace(scores, matrix=self.change(scores.matrix))


def _in_place(matrix: Any) -> Any:
    matrix *= 2
    return matrix.copy()


@pytest.mark.parametrize(
    ("rescorer", "words"),
    [
        (Rescoring(lambda m: m, directions=("v2x",)), "wanted 't2v', 'v2t' or both"),
        (Rescoring(lambda m: m, needs=1), "needs_all_queries is .*; wanted True or False"),
        (Rescoring(lambda m: m / 0.0), "t2v: scores are not finite"),
        (Rescoring(_in_place), "changed the scores it was given"),
        (Rescoring(lambda m: m + np.arange(6)[:, None]), "equal captions no longer score equally"),
    ],
)
def test_a_rescorer_that_breaks_a_law_is_rejected(rescorer: Rescoring, words: str) -> None:
    with np.errstate(all="ignore"):
        rejected(check_rescorer, rescorer, words)


class Listed:
    """A data set of one split, made anew by a function each time."""

    root = Path("data")

    def __init__(self, load: Callable[[], Split], sources: tuple[SourceFile, ...] = ()) -> None:
        self._load = load
        if sources:
            self.sources = lambda: sources

    def splits(self) -> tuple[str, ...]:
        return ("test",)

    def load(self, split: str, progress: Any) -> Split:
        return self._load()


def _split(captions: int = 1, **also: Any) -> Split:
    return Split("test", (VideoRef("v", Path("v.mp4")),), (Caption("a cat", "v"),) * captions, **also)


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        (Listed(lambda: _split(0)), "'test' holds no caption"),
        (Listed(lambda: _split(protocol="best of five")), "protocol 'best of five'; wanted one of single-caption"),
        (Listed(lambda: _split(next(GROWING))), "loads differently again"),
        (Listed(_split, (SourceFile("a", "b", "c"),) * 2), "two sources are laid out under one name"),
    ],
)
def test_a_data_set_that_breaks_a_law_is_rejected(dataset: Listed, words: str) -> None:
    rejected(check_dataset, dataset, words)


@pytest.mark.parametrize("protocol", ["single-caption", "paragraph"])
def test_a_data_set_whose_captions_contradict_its_protocol_is_rejected(protocol: str) -> None:
    with pytest.raises(DatasetError, match=f"protocol '{protocol}', but video 'v' has 2 captions"):
        check_dataset(part(Listed(lambda: _split(2, protocol=protocol))))


def test_a_data_set_that_keeps_the_laws_passes() -> None:
    check_dataset(part(Listed(_split, (SourceFile("a", "b", "c"),))))
