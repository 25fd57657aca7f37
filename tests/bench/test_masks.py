"""`bench masks`: known masks get the figures they must, those that fail are named, Ctrl-C keeps what is done."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fdakit import FdakitError, PluginError, RecipeError
from fdakit.bench import masks as module
from fdakit.bench.clips import spread
from fdakit.bench.mask_candidates import read_masks
from fdakit.bench.mask_clips import CONDITIONS, LENGTH, Condition, find_conditions, make_clip, make_clips
from fdakit.bench.mask_plot import write_mask_plot
from fdakit.bench.mask_scores import Counts
from fdakit.bench.mask_tables import fitted, mask_markdown, mask_notes, mask_tables
from fdakit.bench.masks import bench_masks, middle
from fdakit.catalog import Offer, Part, Provider, load_catalog
from fdakit.plugin import Clip, Component, Needs, Options
from fdakit.video import read_frames

STILL, FLAT = find_conditions(["still", "flat-ground"])
SIZE = 64


class Stand:
    """A mask that a function makes of each clip."""

    def __init__(self, make: Callable[[Clip], Any], needs: Needs, place: str) -> None:
        self.make, self.needs, self.place = make, needs, place

    def __call__(self, clip: Clip) -> Any:
        return self.make(clip)


def part(make: Callable[[Clip], Any], *, needs: Any = None, place: str = "worker") -> Part[Any]:
    def build(options: Options, shapes: Any) -> Stand:
        return Stand(make, Needs() if needs is None else needs, place)

    component: Component[Any, Any] = Component("stand", "for tests", Options, build)
    return Part(Offer("mask", component, Provider("tests", "1")), Options())


def blank(clip: Clip) -> Any:
    return np.zeros(clip.frames.shape[:3], np.float32)


def whole(clip: Clip) -> Any:
    return np.ones(clip.frames.shape[:3], np.float32)


def knowing(cache: Path) -> Callable[[Clip], Any]:
    """The truth itself, told by the clip's name and the times of its frames."""

    def make(clip: Clip) -> Any:
        name, _, number = clip.id.rpartition("-")
        truth = make_clip(find_conditions([name])[0], int(number), size=SIZE, cache=cache).truth
        return truth[np.rint(clip.times * 8).astype(int)].astype(np.float32)

    return make


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def bench(cache: Path, parts: dict[str, Part[Any]], **options: Any) -> dict[str, Any]:
    settings = {"conditions": [STILL, FLAT], "clips": 2, "size": SIZE, "frames": 5, "rounds": 2, "peers": []}
    return bench_masks(parts, cache=cache, device="cpu", **{**settings, **options})


@pytest.fixture(scope="module")
def found(cache: Path) -> dict[str, Any]:
    told: list[tuple[str, int, int]] = []
    parts = {"oracle": part(knowing(cache)), "whole": part(whole), "blank": part(blank)}
    made = bench(cache, parts, progress=lambda *facts: told.append(facts))
    assert told == [("rendering clip", n, 4) for n in (1, 2, 3, 4)] + [("condition", n, 2) for n in (1, 2)]
    return made


def rows(found: dict[str, Any], mask: str) -> list[dict[str, Any]]:
    return [row for row in found["results"] if row["mask"] == mask]


def test_the_truth_scores_one(found: dict[str, Any]) -> None:
    for row in rows(found, "oracle"):
        assert (row["precision"], row["recall"], row["iou"]) == (1, 1, 1)
        assert row["coverage"] == row["truth"] > 0.01


def test_all_marked_has_the_precision_of_chance_and_nothing_marked_has_none(found: dict[str, Any]) -> None:
    for row in rows(found, "whole"):
        assert (row["recall"], row["coverage"]) == (1, 1)
        assert row["precision"] == row["iou"] == row["truth"]
    for row in rows(found, "blank"):
        assert (row["precision"], row["recall"], row["iou"], row["coverage"]) == (None, 0, 0, 0)


def test_the_document(found: dict[str, Any]) -> None:
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [row["condition"] for row in rows(found, "oracle")] == ["still", "flat-ground"]
    keys = {"mask", "condition", "precision", "recall", "iou", "coverage", "truth", "ms_per_frame", "peer", "options"}
    for mask in ("oracle", "whole", "blank"):
        one, other = rows(found, mask)
        assert set(one) == keys
        assert one["ms_per_frame"] == other["ms_per_frame"] > 0
        assert (one["peer"], one["options"]) == (False, {})
    assert set(found["conditions"]) == {"still", "flat-ground"} == set(found["measured"])
    assert found["conditions"]["flat-ground"]["options"] == {"ground_texture": 0.0}
    assert (found["failed"], found["stopped"], found["clips"], found["frames"]) == ({}, False, 2, 5)
    assert {"fdakit", "numpy", "torch", "av", "tests"} <= set(found["versions"])
    assert found["machine"]


def test_counts_are_summed_over_pixels_not_averaged_over_clips() -> None:
    counts = Counts()
    truth = np.zeros((1, 2, 4), bool)
    truth[0, 0] = True
    counts.add(truth.astype(np.float32), truth)
    counts.add(np.full((3, 2, 4), 0.5, np.float32), np.zeros((3, 2, 4), bool))
    counts.add(np.full((1, 2, 4), 0.25, np.float32), truth)
    assert counts.figures() == {
        "precision": 4 / 28,
        "recall": 4 / 8,
        "iou": 4 / 32,
        "coverage": (4 + 12 + 2) / 40,
        "truth": 8 / 40,
    }
    assert set(Counts().figures().values()) == {None}


def test_a_mask_gets_what_it_needs(cache: Path) -> None:
    seen: dict[str, Any] = {}

    def keeping(name: str) -> Callable[[Any], Any]:
        def make(clip: Any) -> Any:
            seen.setdefault(name, clip)
            if name == "device":
                return torch.zeros_like(clip.frames[:, :, 0], dtype=torch.float32)
            return np.zeros(clip.frames.shape[:3], "f4")

        return make

    needs = Needs(neighbours=(-2, 1), motion_vectors=True, luma=True)
    parts = {
        "rich": part(keeping("rich"), needs=needs),
        "device": part(keeping("device"), needs=replace(needs, motion_vectors=False), place="device"),
        "plain": part(keeping("plain")),
    }
    found = bench(cache, parts, conditions=[STILL], clips=1)
    assert found["failed"] == {}
    rich, device, plain = seen["rich"], seen["device"], seen["plain"]
    assert rich.frames.shape == (5, SIZE, SIZE, 3)
    np.testing.assert_allclose(rich.times * 8, spread(LENGTH, 5))
    assert (set(rich.neighbours), set(rich.luma)) == ({-2, 1}, {0, -2, 1})
    assert rich.motion_vectors is not None and any(one is not None and len(one) for one in rich.motion_vectors)
    assert isinstance(device.frames, torch.Tensor) and device.frames.shape == (1, 5, 3, SIZE, SIZE)
    assert device.neighbours[1].shape == device.frames.shape
    np.testing.assert_array_equal(device.frames[0].permute(0, 2, 3, 1).numpy(), rich.frames)
    assert (dict(plain.neighbours), dict(plain.luma), plain.motion_vectors) == ({}, {}, None)


def test_a_mask_that_fails_is_named_and_the_others_go_on(cache: Path) -> None:
    def raising(clip: Clip) -> Any:
        raise ValueError("no such luck")

    def later(clip: Clip) -> Any:
        return blank(clip) if clip.id.startswith("still") else raising(clip)

    def tired() -> Callable[[Clip], Any]:
        calls = iter(range(4))  # two clips, the warm-up and a round of timing
        return lambda clip: blank(clip) if next(calls, None) is not None else raising(clip)

    def unbuilt(options: Any, shapes: Any) -> Any:
        raise PluginError("weights are missing")

    good = part(whole)
    parts = {
        "good": good,
        "raising": part(raising),
        "later": part(later),
        "tired": part(tired()),
        "nan": part(lambda clip: np.full(clip.frames.shape[:3], np.nan, np.float32)),
        "shape": part(lambda clip: np.zeros((1, 2, 2), np.float32)),
        "no mask": part(blank, needs="luma"),
        "unbuilt": replace(good, offer=replace(good.offer, component=replace(good.offer.component, build=unbuilt))),
    }
    found = bench(cache, parts, failed={"absent": "needs options"}, rounds=3)
    assert set(found["failed"]) == {"absent", *parts} - {"good"}
    assert "mask 'stand' (tests 1) failed on video 'still-0': ValueError: no such luck" in found["failed"]["raising"]
    assert "wanted 0 to 1" in found["failed"]["nan"]
    assert "wanted fdakit.plugin.Needs" in found["failed"]["no mask"]
    assert found["failed"]["unbuilt"] == "weights are missing"
    assert [row["mask"] for row in found["results"]] == ["good", "later", "good"]
    assert all(row["ms_per_frame"] > 0 for row in found["results"])
    assert "left out: tired: mask 'stand'" in "\n".join(mask_notes(found))
    nobody = bench(cache, {"raising": part(raising)})
    assert (nobody["results"], list(nobody["failed"])) == ([], ["raising"])
    assert mask_tables(nobody)[0].rows == ()


def test_a_peer_and_a_mask_of_one_name_stand_side_by_side(cache: Path) -> None:
    pytest.importorskip("cv2")
    found = bench(cache, {"opencv-difference": part(whole)}, conditions=[STILL], peers=["opencv-difference"])
    assert [(row["mask"], row["peer"]) for row in found["results"]] == [
        ("opencv-difference", False),
        ("peer:opencv-difference", True),
    ]
    assert found["results"][0]["recall"] == 1 > found["results"][1]["recall"]


def stopping(at: str) -> Callable[[Clip], Any]:
    def make(clip: Clip) -> Any:
        if clip.id.startswith(at):
            raise KeyboardInterrupt
        return blank(clip)

    return make


def test_ctrl_c_keeps_the_conditions_that_are_done(cache: Path) -> None:
    found = bench(cache, {"whole": part(whole), "slow": part(stopping("flat"))})
    assert (found["stopped"], found["measured"]) == (True, ["still"])
    assert {(row["mask"], row["condition"]) for row in found["results"]} == {("whole", "still"), ("slow", "still")}
    assert {row["ms_per_frame"] is None for row in found["results"]} == {False}
    assert mask_tables(found)[0].columns == ("mask", "ms", "still")
    with pytest.raises(KeyboardInterrupt):
        bench(cache, {"slow": part(stopping("still"))})


def test_ctrl_c_while_timing_keeps_the_rounds(cache: Path) -> None:
    calls = iter(range(2 + 1 + 2))

    def make(clip: Clip) -> Any:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return blank(clip)

    found = bench(cache, {"slow": part(make)}, rounds=9)
    assert (found["stopped"], found["measured"]) == (True, ["still"])
    assert found["results"][0]["ms_per_frame"] > 0


def test_timing_is_on_one_thread_and_cut_pictures(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMED", 48)
    seen: list[tuple[tuple[int, ...], int]] = []

    def make(clip: Clip) -> Any:
        seen.append((clip.frames.shape[1:3], torch.get_num_threads()))
        return blank(clip)

    before = torch.get_num_threads()
    bench(cache, {"one": part(make)}, conditions=[STILL], rounds=3)
    assert seen == [((SIZE, SIZE), 1)] * 2 + [((48, 48), 1)] * 4
    assert torch.get_num_threads() == before


def test_what_belongs_to_a_clip_is_cut_with_it() -> None:
    rng = np.random.default_rng(0)
    frames, near = rng.integers(256, size=(2, 2, 240, 300, 3), dtype=np.uint8)
    vectors = (None, np.array([[150, 120, 16, 16, 3, -2]], np.float32))
    cut = middle(
        Clip(
            "a",
            frames,
            np.arange(2.0),
            {-1: near},
            motion_vectors=vectors,
            luma={0: frames[..., 1], -1: near[..., 0]},
        )
    )
    np.testing.assert_array_equal(cut.frames, frames[:, 8:232, 38:262])
    np.testing.assert_array_equal(cut.neighbours[-1], near[:, 8:232, 38:262])
    np.testing.assert_array_equal(cut.luma[-1], near[:, 8:232, 38:262, 0])
    assert cut.motion_vectors is not None
    assert cut.motion_vectors[0] is None
    assert cut.motion_vectors[1].tolist() == [[112, 112, 16, 16, 3, -2]]
    small = Clip("b", frames[:, :100, :100], np.arange(2.0))
    np.testing.assert_array_equal(middle(small).frames, small.frames)


def test_masks_are_read_by_label() -> None:
    catalog = load_catalog()
    labels = ["frame-difference threshold=10 reference=native", "whole-frame", "frame-difference gap=7"]
    parts, failed = read_masks(labels, catalog=catalog, gap=3)
    assert (list(parts), failed) == (labels, {})
    native, frame, seven = (one.options.model_dump() for one in parts.values())
    assert (native["threshold"], native["reference"], native["gap"]) == (10, "native", 3)
    assert "gap" not in frame
    assert seven["gap"] == 7
    everyone, failed = read_masks([], catalog=catalog)
    assert set(everyone) == {offer.component.name for offer in catalog.of_kind("mask")}
    assert failed == {}
    assert everyone["frame-difference"].options.gap == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("nope", "mask.use: unknown mask 'nope'"),
        ("", "mask.use: missing"),
        (
            "frame-difference thresold=1",
            "mask.thresold: unknown option of 'frame-difference'.* did you mean 'threshold'",
        ),
        ("frame-difference control=zero", "mask.control: acts on a mask that is made already"),
    ],
)
def test_a_wrong_label_is_the_users_fault(label: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        read_masks([label], catalog=load_catalog())


def test_installed_masks_that_need_options_are_left_out_and_twins_told_apart() -> None:
    class Demanding(Options):
        weights: str

    catalog, build = load_catalog(), part(blank).offer.component.build
    demanding: Component[Any, Any] = Component("demanding", "wants weights", Demanding, build)
    twin: Component[Any, Any] = Component("whole-frame", "the same name", Options, build)
    more = (Offer("mask", demanding, Provider("tests", "1")), Offer("mask", twin, Provider("tests", "1")))
    parts, failed = read_masks([], catalog=replace(catalog, offers=(*catalog.offers, *more)))
    assert list(failed) == ["demanding"]
    assert "mask.weights: missing" in failed["demanding"]
    assert {"fdakit:whole-frame", "tests:whole-frame"} <= set(parts)


def test_clips_are_rendered_once_and_their_truth_is_known(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def render(clips: int) -> list[Path]:
        make_clips([STILL, FLAT], clips=clips, size=32, cache=tmp_path, progress=lambda *done: told.append(done))
        return sorted(tmp_path.rglob("*.mp4"))

    one = render(1)
    times = [path.stat().st_mtime_ns for path in one]
    assert told == [(1, 2), (2, 2)]
    two = render(2)
    assert told[2:] == [(3, 4), (4, 4)]
    assert [path.stat().st_mtime_ns for path in one] == times
    assert len(two) == 4
    assert {path.parent.parent for path in two} == {tmp_path / "bench"}  # where `fdakit cache clear` finds them
    assert [path.name for path in sorted(tmp_path.rglob("*.*"))] == ["000.mp4", "001.mp4"] * 2
    clip = make_clip(FLAT, 1, size=32, cache=tmp_path)
    assert clip.video.path in two
    assert clip.truth.shape == (LENGTH, 32, 32)
    assert clip.truth.any(axis=(1, 2)).all()


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "bench").write_text("a file where the folder should be")
    with pytest.raises(FdakitError, match=r"cannot be written .* set FDAKIT_CACHE"):
        make_clip(STILL, 0, size=32, cache=tmp_path)


def test_conditions_are_named_once_and_all_can_be_drawn() -> None:
    names = [condition.name for condition in CONDITIONS]
    assert len(set(names)) == len(names) == 19
    assert len({(condition.look(240), condition.crf, condition.staging) for condition in CONDITIONS}) == 19
    assert find_conditions([]) == CONDITIONS
    assert [one.name for one in find_conditions(["cut", "still"])] == ["still", "cut"]
    with pytest.raises(FdakitError, match="no condition 'pan-3'; did you mean 'pan-"):
        find_conditions(["still", "pan-3"])


def test_the_conditions_textures_are_where_they_say() -> None:
    def asked(condition: Condition) -> tuple[bool, bool]:
        look = condition.look(240)
        return look.texture > 0, look.ground_texture > 0

    flat = {"flat-object": (False, True), "flat-ground": (True, False)}
    for condition in CONDITIONS:
        assert asked(condition) == flat.get(condition.name, (True, True))


def test_tables_hold_every_figure_and_fit_the_width(found: dict[str, Any]) -> None:
    iou, precision, recall = mask_tables(found)
    assert iou.columns == precision.columns == ("mask", "ms", "still", "flat-ground")
    assert [row[0] for row in recall.rows] == ["oracle", "whole", "blank"]
    assert iou.rows[0][2:] == ("1.00", "1.00")
    assert precision.rows[2][2:] == ("-", "-")
    assert recall.rows[2][2:] == ("0.00", "0.00")
    assert fitted(iou, 200) == [iou]
    first, second = fitted(iou, 30)
    assert (first.columns, second.columns) == (("mask", "ms", "still"), ("mask", "ms", "flat-ground"))
    assert [row[2] for row in second.rows] == [row[3] for row in iou.rows]
    assert [len(table.columns) for table in fitted(iou, 1)] == [3, 3]


def test_markdown_has_three_tables_and_the_notes(found: dict[str, Any]) -> None:
    lines = mask_markdown(found).splitlines()
    assert lines.count("| mask | ms | still | flat-ground |") == 3
    assert len([line for line in lines if line.startswith("| blank |")]) == 3
    said = "\n".join(line for line in lines if line.startswith("- "))
    for words in ("2 clips a condition, 5 frames of each at 64 px", "the mover covers", "one thread; device cpu"):
        assert words in said


def test_the_plot_is_a_picture(found: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from PIL import Image

    write_mask_plot(found, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.format == "PNG"
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24) or ()}
    for wanted in ((253, 231, 37), (68, 1, 84)):  # viridis at 1 and 0
        assert min(np.abs(np.subtract(colour, wanted)).max() for colour in colours) <= 1
    with pytest.raises(FdakitError, match="cannot be written"):
        write_mask_plot(found, tmp_path)
    with pytest.raises(FdakitError, match="nothing to plot"):
        write_mask_plot({**found, "results": []}, tmp_path / "plot.png")


def test_repeated_pictures_and_bars_are_in_film_and_truth_alike(cache: Path) -> None:
    repeated, barred = find_conditions(["repeated", "letterbox"])
    clip = make_clip(repeated, 0, size=SIZE, cache=cache)
    frames = read_frames(clip.video, indices=np.arange(LENGTH)).frames.astype(int)
    changes = np.abs(np.diff(frames, axis=0)).mean((1, 2, 3))
    again = [place for place in range(LENGTH - 1) if place % 6 == 5]
    assert (changes < np.median(changes) / 3).nonzero()[0].tolist() == [0, *[place + 1 for place in again]][:7]
    assert all((clip.truth[place] == clip.truth[place + 1]).all() for place in (0, 6, 12))
    assert not (clip.truth[3] == clip.truth[4]).all()
    clip = make_clip(barred, 0, size=SIZE, cache=cache)
    frames = read_frames(clip.video, indices=np.arange(LENGTH)).frames
    for rows in (slice(SIZE // 8), slice(SIZE - SIZE // 8, None)):
        assert frames[:, rows].mean() < 10
        assert not clip.truth[:, rows].any()
    assert clip.truth.any() and frames[:, SIZE // 4].mean() > 40
