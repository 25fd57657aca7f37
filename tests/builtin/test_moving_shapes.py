"""moving-shapes: seeded scenes, real video files, a cache that survives kills, and a task that needs motion."""

from __future__ import annotations

import json
import shutil
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from fdakit import DatasetError
from fdakit.builtin.datasets.moving_shapes import MOVING_SHAPES, MovingShapes, MovingShapesOptions, build
from fdakit.plugin import BuildContext, Split, VideoRef
from fdakit.synthetic import render as module
from fdakit.synthetic.scene import CAPTIONS, COLOURS, KINDS, MOTIONS, PLACES, plan_scene

pytestmark = pytest.mark.integration

LOOK = MovingShapesOptions().look()
TAU = 25  # grey levels above which frame differences count as motion


def _silent(what: str, done: int, total: int) -> None:
    pass


def _dataset(cache: Path, **options: Any) -> MovingShapes:
    model = MovingShapesOptions.model_validate_json(json.dumps({"clips": 5, **options}))
    return build(model, BuildContext(cache=cache))


def _decode(video: VideoRef) -> NDArray[np.uint8]:
    with av.open(str(video.path)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def _grey(frames: NDArray[np.uint8]) -> NDArray[np.int64]:
    grey: NDArray[np.int64] = np.rint(frames @ np.array([0.299, 0.587, 0.114])).astype(np.int64)
    return grey


def _near(mask: Any) -> NDArray[np.bool_]:
    """The mask `(h, w)` widened by two pixels, over which the codec smears edges."""
    padded = np.pad(mask, 2)
    h, w = mask.shape
    near: NDArray[np.bool_] = np.any([padded[y : y + h, x : x + w] for y in range(5) for x in range(5)], axis=0)
    return near


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def rendered(cache: Path) -> Iterator[Split]:
    yield _dataset(cache).load("test", _silent)


@pytest.mark.integration
def test_one_clip_for_each_caption(cache: Path, rendered: Split) -> None:
    captions = [caption.text for caption in rendered.captions]
    assert len(captions) == len(set(captions)) == len(rendered.videos) == CAPTIONS == 96
    assert captions[:3] == ["a red circle moves across", "a red circle falls down", "a red circle goes round"]
    assert "an orange cross goes round" in captions
    assert rendered.protocol == "single-caption"
    val = _dataset(cache).load("val", _silent)
    assert [caption.text for caption in val.captions] == captions
    assert not {video.id for video in val.videos} & {video.id for video in rendered.videos}
    assert (_decode(val.videos[0]) != _decode(rendered.videos[0])).any()


def test_training_captions_run_through_all_in_turn() -> None:
    counts = Counter(plan_scene(LOOK, "train", i).caption for i in range(200))
    assert len(counts) == CAPTIONS
    assert set(counts.values()) == {2, 3}


def test_files_decode_to_what_was_drawn(rendered: Split) -> None:
    for i in (0, 50, 95):
        decoded, drawn = _decode(rendered.videos[i]), module.draw_clip(LOOK, "test", i)
        assert decoded.shape == drawn.shape == (16, 64, 64, 3)
        # Colours are stored at half the resolution, so only brightness is kept closely.
        assert np.abs(_grey(decoded) - _grey(drawn)).mean() < 4
    with av.open(str(rendered.videos[0].path)) as file:
        assert file.streams.video[0].codec_context.name == "h264"
        assert file.streams.video[0].average_rate == 8


def test_only_the_mover_changes(rendered: Split) -> None:
    """Decoded frames a quarter of the clip apart: still parts keep far below tau, the mover is marked."""
    recalls = []
    for i, video in list(enumerate(rendered.videos))[::5]:
        frames, truth = _grey(_decode(video)), module.mover_masks(LOOK, "test", i)
        still = ~_near(truth.any(0))
        assert np.ptp(frames, axis=0)[still].max() < TAU, video.id
        for a, b in ((2, 6), (6, 10), (10, 14)):
            marked = np.abs(frames[b] - frames[a]) > TAU
            assert marked[still].sum() == 0
            recalls.append(marked[truth[b]].mean())
    assert np.median(recalls) > 0.8
    assert min(recalls) > 0.25  # the mover may pass in front of a shape of like brightness


def test_caption_names_the_mover(rendered: Split) -> None:
    for i, video in list(enumerate(rendered.videos))[::5]:
        scene = plan_scene(LOOK, "test", i)
        colour, form = scene.mover.kind
        assert f" {colour} {form} " in scene.caption == rendered.captions[i].text
        truth = module.mover_masks(LOOK, "test", i)
        assert truth.any((1, 2)).all()
        # What lies where the truth says has the colour that the caption says.
        seen = np.median(_decode(video)[truth], axis=0)
        nearest = min(COLOURS, key=lambda name: float(np.abs(seen - COLOURS[name]).sum()))
        assert nearest == colour, (video.id, seen)
        steps = np.abs(np.diff(scene.mover.centres, axis=0)).sum(0)
        kind = MOTIONS[i % 3]
        assert (steps[0] > 20, steps[1] > 20) == {
            "moves across": (True, False),
            "falls down": (False, True),
            "goes round": (True, True),
        }[kind]


@pytest.mark.parametrize("size", [32, 64, 96])
def test_shapes_stay_in_the_picture(size: int) -> None:
    for i in range(0, 300, 7):
        scene = plan_scene(replace(LOOK, size=size, still_share=0.5), "train", i)
        for shape in (scene.mover, *scene.still):
            assert shape.centres.min() >= shape.radius
            assert shape.centres.max() <= size - 1 - shape.radius


def test_single_frames_treat_all_shapes_alike() -> None:
    """Kinds never repeat within a clip, and still shapes lie where movers pass."""
    movers: list[Any] = []
    others: list[Any] = []
    for i in range(600):
        scene = plan_scene(LOOK, "train", i)
        colours = [shape.kind[0] for shape in (scene.mover, *scene.still)]
        assert sorted(colours) == sorted(COLOURS)
        movers.append(scene.mover.centres[::5])
        others.extend(shape.centres for shape in scene.still)
    for axis in (0, 1):
        mover, other = np.concatenate(movers)[:, axis], np.concatenate(others)[:, axis]
        assert abs(mover.mean() - other.mean()) < 3
        assert abs(mover.std() - other.std()) < 3


@pytest.mark.integration
def test_same_options_same_bytes_and_another_seed_others(cache: Path, tmp_path: Path, rendered: Split) -> None:
    again = _dataset(tmp_path).load("test", _silent)
    for ours, theirs in zip(rendered.videos, again.videos, strict=True):
        assert ours.path.read_bytes() == theirs.path.read_bytes()
    seed = _dataset(cache, seed=1).load("test", _silent)
    assert [c.text for c in seed.captions] == [c.text for c in rendered.captions]
    assert all((_decode(a) != _decode(b)).any() for a, b in zip(seed.videos[:9], rendered.videos, strict=False))


def test_a_clip_depends_on_no_other(cache: Path) -> None:
    few, more = (_dataset(cache, clips=n).load("train", _silent) for n in (2, 5))
    assert few.captions == more.captions[:2]
    for a, b in zip(few.videos, more.videos, strict=False):
        assert a.path != b.path
        assert a.path.read_bytes() == b.path.read_bytes()


@pytest.mark.integration
def test_still_captions_are_distinct_and_true(cache: Path) -> None:
    """A share of the captions names a still shape by its place; each caption stays the only one of its kind."""
    split = _dataset(cache, still_share=0.4).load("test", _silent)
    texts = [caption.text for caption in split.captions]
    still = [i for i, text in enumerate(texts) if text.endswith(PLACES)]
    assert len(set(texts)) == CAPTIONS
    assert 0.25 < len(still) / CAPTIONS < 0.55
    for i in range(CAPTIONS):
        scene = plan_scene(replace(LOOK, still_share=0.4), "test", i)
        if i not in still:
            assert scene.mover.kind in KINDS and " ".join(scene.mover.kind) in texts[i]
            continue
        named = scene.still[0]
        assert " ".join(named.kind) in texts[i]
        assert scene.mover.kind[0] != named.kind[0]
        third = int(named.centres[0, 0] * 3 / LOOK.size)
        assert texts[i].endswith(PLACES[third])


def test_every_caption_may_name_a_still_shape() -> None:
    look = replace(LOOK, still_share=1.0, distractors=1)
    texts = {plan_scene(look, "val", i).caption for i in range(CAPTIONS)}
    assert len(texts) == CAPTIONS
    assert "a white cross rests on the right" in texts


def test_pan_moves_the_ground_and_not_the_movers_path() -> None:
    panned = replace(LOOK, pan=2.0, noise=0.0, distractors=0)
    truth = module.mover_masks(panned, "test", 3)
    assert (truth == module.mover_masks(replace(LOOK, distractors=0), "test", 3)).all()
    frames = _grey(module.draw_clip(panned, "test", 3))
    covered = _near(truth[0] | truth[1])
    gaps = {}
    for shift in (-2, -1, 0, 1, 2):
        valid = ~(covered | np.roll(covered, shift, 1))
        valid[:, :2] = valid[:, -2:] = False
        gaps[shift] = np.abs(np.roll(frames[0], shift, 1) - frames[1])[valid].mean()
    best = min(gaps, key=lambda shift: float(gaps[shift]))
    assert abs(best) == 2
    assert gaps[best] < 0.1 < gaps[0]


def test_flicker_changes_brightness_as_a_whole() -> None:
    plain, dim = (
        _grey(module.draw_clip(replace(LOOK, flicker=f, noise=0.0), "test", 4)).astype(float) for f in (0.0, 20.0)
    )
    change = dim - plain
    # Dark and bright pixels may be cut off at 0 and 255; the others move together.
    change[(dim < 3) | (plain < 3) | (dim > 250)] = np.nan
    levels = np.nanmedian(change, axis=(1, 2))
    assert np.nanmax(np.abs(change - levels[:, None, None])) <= 4
    assert levels.std() > 5
    assert np.abs(levels).max() <= 20


@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_noise_is_a_deviation_in_grey_levels(noise: float) -> None:
    look = replace(LOOK, noise=noise, distractors=0)
    frames, truth = _grey(module.draw_clip(look, "test", 0)), module.mover_masks(look, "test", 0)
    still = ~_near(truth.any(0)) & (frames.min(0) > 4 * noise)
    assert frames[:, still].std(axis=0).mean() == pytest.approx(noise, abs=0.4)


def test_a_second_load_renders_nothing(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    first = _dataset(tmp_path).load("train", lambda *facts: told.append(facts))
    assert told == [("rendering train", i + 1, 5) for i in range(5)]
    times = [video.path.stat().st_mtime_ns for video in first.videos]
    assert _dataset(tmp_path).load("train", lambda *facts: told.append(facts)) == first
    assert [video.path.stat().st_mtime_ns for video in first.videos] == times
    assert len(told) == 5


def test_options_lie_in_folders_of_their_own(tmp_path: Path) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"clips": 6},
        {"events": 2, "clips": 6},
        {"frames": 8},
        {"size": 48},
        {"distractors": 2},
        {"pan": 1.0},
        {"flicker": 9.0},
        {"noise": 0.0},
        {"still_share": 0.5},
        {"ground_level": 64.0},
        {"ground_texture": 0.0},
        {"texture": 9.0},
        {"texture_scales": 2},
        {"contrast": 0.5},
        {"shadow": 0.5},
        {"zoom": 0.01},
        {"rotation": 1.0},
        {"shake": 1.0},
        {"cut": True},
        {"crf": 30},
        {"seed": 3},
    ]
    assert len({_dataset(tmp_path, **change).folder() for change in changes}) == len(changes)
    assert set(MovingShapesOptions.model_fields) == {key for change in changes for key in change}


def test_a_killed_run_does_no_harm(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path)
    left = dataset.folder() / ".train-dead" / "set"
    left.mkdir(parents=True)
    (left / "00000.mp4").write_bytes(b"half a file")

    class StopError(Exception):
        pass

    def stop(what: str, done: int, total: int) -> None:
        if done == 3:
            raise StopError

    with pytest.raises(StopError):
        dataset.load("train", stop)
    assert [path.name for path in dataset.folder().iterdir()] == [".train-dead"]
    assert all(len(_decode(video)) == 16 for video in dataset.load("train", _silent).videos)


@pytest.mark.parametrize("loss", ["clip", "index", "row"])
def test_a_damaged_set_is_rendered_anew(tmp_path: Path, loss: str) -> None:
    split = _dataset(tmp_path).load("train", _silent)
    folder = split.videos[0].path.parent
    before = {video.id: video.path.read_bytes() for video in split.videos}
    if loss == "clip":
        split.videos[2].path.unlink()
    elif loss == "index":
        (folder / "index.tsv").unlink()
    else:
        rows = (folder / "index.tsv").read_text().splitlines()
        (folder / "index.tsv").write_text("\n".join(rows[:-1]))
    again = _dataset(tmp_path).load("train", _silent)
    assert {video.id: video.path.read_bytes() for video in again.videos} == before
    assert [path.name for path in folder.parent.iterdir()] == ["train"]


def test_two_at_once_both_end_well(tmp_path: Path) -> None:
    """Another process finishes the same set while this one is about to."""
    other = _dataset(tmp_path / "other").load("train", _silent).videos[0].path.parent
    dataset = _dataset(tmp_path)

    def overtake(what: str, done: int, total: int) -> None:
        if done == total:
            shutil.copytree(other, dataset.folder() / "train")

    split = dataset.load("train", overtake)
    assert all(video.path.is_file() for video in split.videos)
    assert [path.name for path in dataset.folder().iterdir()] == ["train"]


def test_without_libx264_it_warns_once_and_falls_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = _dataset(tmp_path).folder()
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    module.codec.cache_clear()
    try:
        with pytest.warns(UserWarning, match="no libx264; moving-shapes are encoded as mpeg4"):
            dataset = _dataset(tmp_path)
            assert dataset.folder() != usual
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            split = dataset.load("train", _silent)
        frames, truth = _grey(_decode(split.videos[0])), module.mover_masks(LOOK, "train", 0)
        assert len(frames) == 16
        assert np.ptp(frames, axis=0)[~_near(truth.any(0))].max() < TAU
    finally:
        module.codec.cache_clear()


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no split 'dev'; choose one of train, val, test"):
        _dataset(tmp_path).load("dev", _silent)
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match=r"cannot be written .*choose another cache") as caught:
        _dataset(tmp_path / "file").load("train", _silent)
    assert str(caught.value).startswith(str(tmp_path / "file"))
    wrong: list[dict[str, Any]] = [
        {"still_share": 0.2, "distractors": 0},
        {"still_share": 0.2, "cut": True},
        {"size": 33},
        {"distractors": 8},
        {"frames": 1},
        {"clips": 0},
    ]
    for options in wrong:
        with pytest.raises(ValidationError):
            MovingShapesOptions.model_validate(options)


def test_component() -> None:
    assert MOVING_SHAPES.name == "moving-shapes"
    assert MOVING_SHAPES.options().model_dump() == MovingShapesOptions.model_validate({}).model_dump()
    assert all(field.description for field in MovingShapesOptions.model_fields.values())


def test_shapes_are_a_tenth_to_an_eighth_of_the_picture_wide_to_their_rim() -> None:
    radii = [plan_scene(LOOK, "train", i).mover.radius / LOOK.size for i in range(200)]
    assert 0.1 <= min(radii) < 0.105
    assert 0.12 < max(radii) <= 0.125
