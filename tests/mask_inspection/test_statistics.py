"""A census of masks: the clips that training or evaluation is given, counted once, and what the numbers say."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from fdakit import VideoError
from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_item import ClipItem
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.errors import PartError
from fdakit.mask_inspection.findings import advice, outliers, repeating, shares, statistics_facts
from fdakit.mask_inspection.statistics import ClipMaskStats, MaskDataset, MaskStatistics, collect_statistics
from fdakit.mask_inspection.statistics_files import write_facts, write_outliers
from fdakit.mask_inspection.viewer import tower_view
from fdakit.plugin import Split, keyed_rng
from fdakit.recipe.recipe import Recipe
from fdakit.synthetic.render import write_clip
from fdakit.values import Caption, UnreadableVideo, VideoRef

pytestmark = pytest.mark.integration

MakeRecipe = Callable[..., Recipe]
NAMES = ("red-across", "green-across", "blue-down", "pink-down", "red-rests")


def silent(what: str, done: int, total: int) -> None:
    """No progress."""


@pytest.fixture
def whole(clips: Path) -> Callable[[str], Split]:
    """Five videos as the split of a name."""

    def make(name: str) -> Split:
        videos = tuple(VideoRef(video, clips / f"{video}.mp4") for video in NAMES)
        return Split(name, videos, tuple(Caption("a caption", video) for video in NAMES))

    return make


@pytest.mark.parametrize(("split", "training"), [("train", True), ("val", False)])
def test_what_is_counted_is_what_training_and_evaluation_are_given(
    make_recipe: MakeRecipe, whole: Callable[[str], Split], split: str, training: bool
) -> None:
    recipe = make_recipe(
        sampler={"use": "uniform", "train_frames": 4, "eval_frames": 3},
        view={"flip": 0.5, "crop_scale": [0.3, 0.6]},
        mask={"use": "frame-difference", "control": "whole-frame"},
    )
    preprocess, shapes = tower_view(recipe)
    source = ClipDataset(
        ClipSettings.of(recipe),
        whole(split).videos,
        training=training,
        preprocess=preprocess,
        shapes=shapes,
        controls=["none"],
    )
    heard: list[tuple[str, int, int]] = []
    census = collect_statistics(recipe, whole(split), progress=lambda *said: heard.append(said))
    assert [clip.id for clip in census.clips] == list(NAMES)
    for number, clip in enumerate(census.clips):
        item = source[ClipRequest(number)]
        assert isinstance(item, ClipItem)
        assert clip.times == tuple(item.times)
        assert clip.coverage == tuple(item.alphas["none"].mean((1, 2), dtype=np.float64))
        assert clip.seconds > 0
    assert heard == [(f"counting {split} masks", done, 5) for done in range(1, 6)]
    assert (census.asked, census.whole, census.stopped) == (5, 5, False)


def test_workers_count_the_same(make_recipe: MakeRecipe, whole: Callable[[str], Split]) -> None:
    recipe = make_recipe(mask={"use": "frame-difference", "preset": "robust"})
    one, two = (collect_statistics(recipe, whole("test"), jobs=jobs, progress=silent) for jobs in (0, 1))
    assert [replace(clip, seconds=0) for clip in one.clips] == [replace(clip, seconds=0) for clip in two.clips]
    assert any(word for clip in one.clips for word in clip.remarks)


def test_a_mask_of_the_device_is_counted_without_workers(
    make_recipe: MakeRecipe, whole: Callable[[str], Split], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fdakit.mask_inspection import statistics

    monkeypatch.setattr(statistics, "WorkerCrew", None)
    census = collect_statistics(make_recipe(mask={"use": "on-device"}), whole("test"), jobs=2, progress=silent)
    assert 0 < census.clips[0].coverage[0] < 0.5


def test_lost_videos_are_told_and_the_rest_is_counted(
    make_recipe: MakeRecipe, whole: Callable[[str], Split], tmp_path: Path
) -> None:
    (tmp_path / "none.mp4").write_bytes(b"no film")
    split = whole("test")
    split = replace(split, videos=(*split.videos[:-1], VideoRef("red-rests", tmp_path / "none.mp4")))
    census = collect_statistics(make_recipe(), split, progress=silent)
    assert [video.id for video in census.lost] == ["red-rests"]
    assert len(census.clips) == 4
    assert "1 of 5 videos could not be read" in advice(census)[-1]
    nothing = Split("test", split.videos[-1:], split.captions[-1:])
    with pytest.raises(VideoError, match="none of its 1 videos could be read"):
        collect_statistics(make_recipe(), nothing, progress=silent)


def test_a_limit_spreads_over_the_split(make_recipe: MakeRecipe, whole: Callable[[str], Split]) -> None:
    census = collect_statistics(make_recipe(), whole("test"), limit=2, progress=silent)
    assert [clip.id for clip in census.clips] == [NAMES[1], NAMES[3]]
    assert (census.asked, census.whole) == (2, 5)
    assert len(collect_statistics(make_recipe(), whole("test"), limit=50, progress=silent).clips) == 5


def test_ctrl_c_keeps_what_is_counted(make_recipe: MakeRecipe, whole: Callable[[str], Split]) -> None:
    def press(after: int) -> Callable[[str, int, int], None]:
        def progress(what: str, done: int, total: int) -> None:
            if done == after:
                raise KeyboardInterrupt

        return progress

    census = collect_statistics(make_recipe(), whole("test"), progress=press(2))
    assert (census.stopped, len(census.clips), census.asked) == (True, 2, 5)
    assert statistics_facts(census)["stopped"] is True


def test_a_failing_mask_is_named(make_recipe: MakeRecipe, whole: Callable[[str], Split]) -> None:
    recipe = make_recipe(mask={"use": "failing", "video": "blue-down"})
    with pytest.raises(PartError, match=r"mask 'failing' .*blue-down"):
        collect_statistics(recipe, whole("test"), progress=silent)


@pytest.fixture
def census(make_recipe: MakeRecipe) -> Callable[..., MaskStatistics]:
    """`census([0.1, 0.2], [0.5, 1.0, "cut"], mask={...})`: clips by coverage; a word remarks on the last frame.

    `cuts` of the first frames of each clip show another scene; `repeats` are those of each clip.
    """

    def make(
        *clips: Sequence[Any], lost: int = 0, cuts: int = 0, repeats: tuple[int, int] = (0, 0), **tables: Any
    ) -> MaskStatistics:
        recipe = make_recipe(**tables)
        counted = []
        for number, values in enumerate(clips):
            covered = tuple(float(value) for value in values if not isinstance(value, str))
            words = [value for value in values if isinstance(value, str)]
            remarks = (*[""] * (len(covered) - len(words)), *words)
            counted.append(
                ClipMaskStats(
                    f"clip-{number}",
                    tuple(n / 4 for n in range(len(covered))),
                    covered,
                    remarks,
                    0.5,
                    cuts=tuple(n < cuts for n in range(len(covered))),
                    repeats=repeats,
                )
            )
        gone = tuple(UnreadableVideo(f"lost-{n}", "gone") for n in range(lost))
        source = MaskDataset(recipe, [], training=False)
        return MaskStatistics(recipe, "test", tuple(counted), gone, len(clips) + lost, 100, False, source)

    return make


def test_shares_are_of_the_masks_own_finding(census: Callable[..., MaskStatistics]) -> None:
    found = shares(census([0.0, 0.001, 0.95], [0.5, 1.0, "cut"], [0.3, 1.0, "full"], [0.3, 0.5, 1.0, "empty"]))
    assert found == {"empty": 0.3, "full": 0.2, "cut": 0.0, "repeated": 0.0, "fallen_back": 0.3}
    own = census([0.01, 0.5], mask={"use": "frame-difference", "min_coverage": 0.02})
    assert shares(own)["empty"] == 0.5


def test_advice_is_given_where_numbers_are_bad(census: Callable[..., MaskStatistics]) -> None:
    assert advice(census([0.1, 0.2], [0.3, 0.4])) == []
    (moving,) = advice(census([0.95, 0.97, 0.1]))
    assert moving.startswith("67% of masks cover more than 90%: the camera moves")
    assert "compensated-difference" in moving
    (wide,) = advice(census([0.3, 0.5, 0.4]))
    assert wide.startswith("half of the masks cover more than 40%: moving objects rarely cover so much")
    assert wide.endswith("try compensated-difference")
    (other,) = advice(census([0.95, 0.97, 0.1], mask={"use": "soft"}))
    assert other.endswith("try a mask that follows the camera")  # of another's mask no option is known
    (own,) = advice(census([0.95, 0.97, 0.1], mask={"use": "compensated-difference"}))
    assert own.endswith("raise the mask's threshold")
    (still,) = advice(census([0.0, 0.0, 0.1]))
    assert still.startswith("67% of masks mark almost nothing")
    assert advice(census([0.2, 0.1], [0.2, 0.1], cuts=1)) == [
        "50% of frames are compared across a cut; sample more frames, or take a mask that compares native "
        "neighbours, as compensated-difference"
    ]
    assert advice(census([0.2, 0.1], cuts=1, mask={"use": "compensated-difference"})) == []
    assert "no motion vectors" in advice(census([0.2, 1.0, "no-vectors"], mask={"use": "motion-vectors"}))[0]
    assert advice(census([0.2, 1.0, "no-vectors"])) == []
    assert advice(census([0.3, 0.3], lost=3)) == [
        "3 of 4 videos could not be read; `fdakit data check` finds all that are damaged"
    ]
    assert advice(census([1.0, 1.0], mask={"use": "whole-frame"})) == []


def test_cuts_are_counted_whatever_the_mask_and_its_fallback(
    make_recipe: MakeRecipe, whole: Callable[[str], Split], tmp_path: Path
) -> None:
    scenes = keyed_rng(0, "scenes").integers(0, 25, (2, 6, 8, 3), np.uint8)  # dark ones
    film = np.stack([scenes[place // 8].repeat(12, axis=0).repeat(12, axis=1) for place in range(16)])
    path = tmp_path / "cut.mp4"
    write_clip(film, path, crf=20)
    split = whole("test")
    split = replace(split, videos=(VideoRef(split.videos[0].id, path), *split.videos[1:]))
    for mask in ({"use": "frame-difference"}, {"use": "compensated-difference"}, {"use": "whole-frame"}):
        census = collect_statistics(make_recipe(mask=mask), split, progress=silent)
        first, *others = census.clips
        assert sum(first.cuts) == 1, mask
        assert not any(cut for clip in others for cut in clip.cuts)
        facts = statistics_facts(census)
        assert facts["shares"]["cut"] == 1 / facts["frames"]
        assert facts["clips"][0]["cuts"] == [first.cuts.index(True)]


def test_repeated_frames_are_told(census: Callable[..., MaskStatistics]) -> None:
    told = census([0.1, 0.2], [0.1, 0.2], repeats=(6, 48))
    assert shares(told)["repeated"] == 0.125
    assert statistics_facts(told)["repeating"] == {"clips": 2, "above": 0.1}
    assert repeating(census([0.1], repeats=(1, 48))) == 0


def test_the_oddest_are_named_with_their_reasons(census: Callable[..., MaskStatistics]) -> None:
    found = outliers(census([0.4, 0.4], [0.01, 0.03], [0.9, 0.9], [0.4, 1.0, "cut"], [0.7, 0.0]))
    assert [(odd.clip.id, odd.reason, odd.focus) for odd in found] == [
        ("clip-1", "emptiest: 2.0% marked", 0),
        ("clip-2", "fullest: 90.0% marked", 0),
        ("clip-3", "remarks on 1 of 2 frames: cut 1", 1),
        ("clip-4", "largest change: 70.0% to 0.0% from 0.00 s on", 1),
        ("clip-0", "emptiest: 40.0% marked", 0),
    ]
    assert outliers(census([1.0, 1.0], [1.0])) == []


@given(st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=4), min_size=1, max_size=40))
def test_no_clip_is_odd_twice_and_there_are_twenty_at_most(values: list[list[float]]) -> None:
    clips = [ClipMaskStats(str(n), tuple(range(len(v))), tuple(v), ("",) * len(v), 1.0) for n, v in enumerate(values)]
    found = [odd.clip.id for odd in outliers(MaskStatistics(None, "x", tuple(clips), (), 1, 1, False, None))]  # type: ignore[arg-type]
    assert len(found) == len(set(found)) <= 20


def test_the_files_tell_what_was_counted(
    make_recipe: MakeRecipe, whole: Callable[[str], Split], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = collect_statistics(
        make_recipe(mask={"use": "frame-difference", "preset": "robust"}), whole("test"), progress=silent
    )
    facts = statistics_facts(taken)
    (tmp_path / "coverage.svg").write_text("of a former count")
    undrawn = write_facts(taken, facts, tmp_path)
    assert json.loads((tmp_path / "masks.json").read_text()) == facts
    assert facts["frames"] == sum(facts["coverage"]["histogram"]["counts"]) == 13
    assert len(facts["coverage"]["histogram"]["counts"]) == 20
    covered = [share for clip in facts["clips"] for share in clip["coverage"]]
    assert facts["coverage"]["mean"] == pytest.approx(np.mean(covered))
    assert facts["mask"]["options"]["fallback"] == "whole-frame"
    if find_spec("matplotlib"):
        ElementTree.fromstring((tmp_path / "coverage.svg").read_text())
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        assert undrawn == ""
        undrawn = write_facts(taken, facts, tmp_path)
    assert undrawn == (
        f'{tmp_path / "coverage.svg"} is not drawn: matplotlib is not installed; pip install "fdakit[plot]"'
    )
    assert not (tmp_path / "coverage.svg").exists()
    heard: list[int] = []
    sheet = write_outliers(taken, tmp_path, progress=lambda what, done, total: heard.append(total))
    assert sheet == tmp_path / "oddest.png"
    assert Image.open(sheet).width > 300
    assert heard == [len(facts["oddest"])] * len(facts["oddest"])
    dull = collect_statistics(make_recipe(mask={"use": "whole-frame"}), whole("test"), progress=silent)
    assert write_outliers(dull, tmp_path, progress=silent) is None
    assert not sheet.exists()
