"""Damaged videos: what a training does by policy and ledger, what repair uses, and what the report tells."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import video_faults

from fdakit import VideoError
from fdakit.data_pipeline import damage
from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_item import ClipItem
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.data_pipeline.damage import FrameRepair, ledger_path
from fdakit.data_pipeline.loading.clip_loader import batches
from fdakit.dataset_files.damage_ledger import Finding, Ledger, mark_of
from fdakit.dataset_tools.video_scan import scan_videos
from fdakit.experiment.checkpoint_evaluation import evaluate_checkpoint
from fdakit.experiment.run import run_recipe
from fdakit.plugin import BuildContext, Needs, Preprocess, Split, VideoRef
from fdakit.recipe.recipe import Recipe
from fdakit.report.evaluation_report import Report
from fdakit.report.report_tables import report_markdown
from fdakit.values import UnreadableVideo
from fdakit.video import frame_times, read_frames

pytestmark = pytest.mark.integration

MakeRecipe = Callable[..., Recipe]
TOWER = Preprocess(size=32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
SOUND = [number for number in range(video_faults.FRAMES) if number not in video_faults.HOLES]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FDAKIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def data(manifest: Path, tmp_path: Path) -> dict[str, Any]:
    """The small data set with `blue-down` damaged in part and `yellow-down` wholly; both in train and test."""
    root = shutil.copytree(manifest.parent, tmp_path / "clips")
    video_faults.holed_film(root / "blue-down.mp4")
    (root / "yellow-down.mp4").write_bytes(b"no film")
    return {"use": "manifest", "path": str(root / "manifest.csv")}


@pytest.fixture
def recipe(make_recipe: MakeRecipe, data: dict[str, Any]) -> Callable[..., Recipe]:
    """`recipe("skip")`: every frame is sampled, so that damage is met whenever a damaged video is read."""

    def make(policy: str, **tables: Any) -> Recipe:
        sampler = {"use": "uniform", "train_frames": 40, "eval_frames": 40, "train_pick": "centre"}
        loader = {"damage": policy, **tables.pop("loader", {})}
        return make_recipe(dataset=data, sampler=sampler, loader=loader, **tables)

    return make


def split_of(recipe: Recipe, name: str = "train") -> Split:
    return recipe.parts["dataset"].build(BuildContext()).load(name, lambda what, done, total: None)  # type: ignore[no-any-return]


def known_damage(recipe: Recipe, split: Split) -> dict[str, str]:
    return damage.known_damage(recipe.loader, split, where=recipe.where)


def check(recipe: Recipe) -> Path:
    """What `fdakit data check` does for the training videos of a recipe; gives the ledger's path."""
    path = ledger_path(recipe.loader)
    paths = [video.path for video in split_of(recipe).videos]
    scan_videos(paths, ledger=Ledger(path), jobs=1, time_limit=60.0, progress=lambda what, done, total: None)
    return path


def source_of(recipe: Recipe, **options: Any) -> ClipDataset:
    split = split_of(recipe)
    return ClipDataset(
        ClipSettings.of(recipe), split.videos, training=True, preprocess=TOWER, shapes=BuildContext(), **options
    )


def drawn(source: ClipDataset, name: str, epoch: int = 0) -> Any:
    places = {video.id: place for place, video in enumerate(source.videos)}
    return source[ClipRequest(places[name], epoch)]


@pytest.mark.integration
def test_with_a_ledger_fail_stops_before_the_first_step_with_the_whole_list(
    recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    ledger = check(recipe("fail"))
    with pytest.raises(VideoError) as caught:
        run_recipe(recipe("fail"), out=tmp_path / "run")
    first, *lines = str(caught.value).splitlines()
    assert first == (
        f"split 'train': 2 of 7 videos are damaged, by the ledger {ledger}; fix or remove them, or set "
        'loader.damage = "skip" or "repair"'
    )
    assert len(lines) == 2
    assert any("blue-down.mp4: repaired: 18 of 20 frames decode: decoding fails" in line for line in lines)
    assert any("yellow-down.mp4: unreadable: cannot be opened as a video" in line for line in lines)
    assert not (tmp_path / "run").exists()


def test_what_the_ledger_remarks_is_said_once(recipe: Callable[..., Recipe]) -> None:
    asked = recipe("skip")
    ledger, videos = Ledger(check(asked)), split_of(asked).videos
    for video in videos[:2]:
        mark = mark_of(video.path)
        assert mark is not None
        ledger.write(video.path, mark, Finding("ok", remarks="its clock jumps\nits time starts again"))
    with pytest.warns(UserWarning, match="2: its clock jumps; 2: its time starts again") as caught:
        known_damage(asked, split_of(asked))
    assert len(caught) == 1


@pytest.mark.integration
def test_without_a_ledger_fail_says_so_once_and_meets_damage_at_the_file(
    recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    said = r"the ledger knows none of the 7 train videos; `fdakit data check small\.toml` finds damaged ones"
    with pytest.warns(UserWarning, match=said) as caught, pytest.raises(VideoError) as failed:
        run_recipe(recipe("fail"), out=tmp_path / "run")
    assert len([warning for warning in caught if "ledger" in str(warning.message)]) == 1
    assert "-down.mp4: " in str(failed.value)
    assert str(failed.value).endswith('set loader.damage = "skip" or "repair" to train without what is damaged')


def test_a_ledger_that_knows_all_is_not_mentioned_and_one_that_knows_some_says_how_many(
    make_recipe: MakeRecipe,
) -> None:
    recipe = make_recipe()
    with pytest.warns(UserWarning, match="the ledger knows none of the 7 train videos"):
        assert known_damage(recipe, split_of(recipe)) == {}
    split = split_of(recipe)
    scan_videos(
        [video.path for video in split.videos[:5]],
        ledger=Ledger(ledger_path(recipe.loader)),
        jobs=1,
        time_limit=60.0,
        progress=lambda what, done, total: None,
    )
    with pytest.warns(UserWarning, match="the ledger does not know 2 of the 7 train videos"):
        known_damage(recipe, split)
    check(recipe)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert known_damage(recipe, split) == {}


def test_clips_that_fdakit_renders_itself_need_no_ledger(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(dataset={"use": "moving-shapes", "clips": 2, "frames": 2, "size": 32})
    split = Split("train", (VideoRef("drawn", tmp_path / "cache/moving-shapes/1.mp4"),), ())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert known_damage(recipe, split) == {}


def test_a_recipe_may_name_its_own_ledger(recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    mine = recipe("skip", loader={"ledger": str(tmp_path / "mine.sqlite")})
    assert check(mine) == tmp_path / "mine.sqlite"
    assert set(known_damage(mine, split_of(mine))) == {"blue-down.mp4", "yellow-down.mp4"}
    assert known_damage(recipe("skip"), split_of(mine)) == {}


def test_what_the_policies_leave_out_by_the_ledger(recipe: Callable[..., Recipe]) -> None:
    check(recipe("skip"))
    split = split_of(recipe("skip"))
    assert set(known_damage(recipe("skip"), split)) == {"blue-down.mp4", "yellow-down.mp4"}
    assert set(known_damage(recipe("repair"), split)) == {"yellow-down.mp4"}


def test_where_nothing_is_left_the_run_does_not_start(recipe: Callable[..., Recipe], data: dict[str, Any]) -> None:
    for path in Path(data["path"]).parent.glob("*.mp4"):
        path.write_bytes(b"no film")
    for policy in ("skip", "repair"):
        check(recipe(policy))
        with pytest.raises(VideoError, match="7 of 7 videos are damaged, by the ledger"):
            known_damage(recipe(policy), split_of(recipe(policy)))


@pytest.mark.integration
@pytest.mark.parametrize("ledger", [True, False], ids=["ledger", "no ledger"])
@pytest.mark.parametrize(
    ("policy", "skipped", "repaired"),
    [("skip", {"blue-down.mp4", "yellow-down.mp4"}, set()), ("repair", {"yellow-down.mp4"}, {"blue-down.mp4"})],
)
def test_a_training_goes_on_without_the_damage_and_the_report_counts_it(
    recipe: Callable[..., Recipe], tmp_path: Path, policy: str, skipped: set[str], repaired: set[str], ledger: bool
) -> None:
    chosen = recipe(policy)
    if ledger:
        check(chosen)
    report = run_recipe(chosen, out=tmp_path / "run").report.to_json()
    videos = report["videos"]
    training = videos["training"]
    assert set(training["skipped_reasons"]) == skipped
    assert set(training["repaired_reasons"]) == repaired
    assert (training["skipped"], training["repaired"]) == (len(skipped), len(repaired))
    # In the evaluation every video stays in the pool, whatever the policy.
    assert videos["counted"] == 6
    assert set(videos["damaged_reasons"]) == skipped
    assert set(videos["repaired_reasons"]) == repaired
    text = report_markdown(Report.from_json(report))
    assert f"training met damaged videos: {len(skipped)} left out, {len(repaired)} used in part" in text
    assert ("1 video is damaged in part: only frames that decode were used" in text) == bool(repaired)
    assert evaluate_checkpoint(chosen, tmp_path / "run").report.to_json() == report


@pytest.mark.integration
def test_the_ledger_changes_no_number(recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    before = run_recipe(recipe("skip"), out=tmp_path / "before").report
    check(recipe("skip"))
    after = run_recipe(recipe("skip"), out=tmp_path / "after").report
    assert (before.t2v, before.v2t) == (after.t2v, after.v2t)


@pytest.mark.integration
def test_under_fail_a_damaged_video_is_a_miss_in_evaluation(recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    videos = run_recipe(recipe("fail", train={"epochs": 0}), out=tmp_path / "run").report.to_json()["videos"]
    assert set(videos["damaged_reasons"]) == {"blue-down.mp4", "yellow-down.mp4"}
    assert (videos["repaired"], videos["training"]["skipped"]) == (0, 0)


@pytest.mark.integration
def test_an_epoch_without_any_video_ends_the_training(
    recipe: Callable[..., Recipe], data: dict[str, Any], tmp_path: Path
) -> None:
    for path in Path(data["path"]).parent.glob("*.mp4"):
        path.write_bytes(b"no film")
    with pytest.raises(VideoError, match=r"train: no video of epoch 1 could be read:\n.*cannot be opened"):
        run_recipe(recipe("skip"), out=tmp_path / "run")


def test_repair_samples_among_the_sound_frames_and_marks_the_clip(recipe: Callable[..., Recipe]) -> None:
    found = drawn(source_of(recipe("repair")), "blue-down.mp4")
    assert isinstance(found, ClipItem)
    assert video_faults.numbers(found.frames) == SOUND
    assert found.times.tolist() == [number / 8 for number in SOUND]
    assert found.repaired.startswith("decoding fails")
    sound = drawn(source_of(recipe("repair")), "red-across.mp4")
    assert sound.repaired == ""
    assert isinstance(drawn(source_of(recipe("repair")), "yellow-down.mp4"), UnreadableVideo)
    assert isinstance(drawn(source_of(recipe("skip")), "blue-down.mp4"), UnreadableVideo)


def test_repair_leaves_what_decodes_as_it_is(make_recipe: MakeRecipe, data: dict[str, Any]) -> None:
    """Frames that miss the hole come out: then the damage makes no difference."""
    found = []
    for policy in ("fail", "repair"):
        recipe = make_recipe(
            dataset=data,
            sampler={"use": "uniform", "train_frames": 3, "train_pick": "centre"},
            loader={"damage": policy},
        )
        found.append(drawn(source_of(recipe), "blue-down.mp4"))
    assert not set(video_faults.numbers(found[0].frames)) & set(video_faults.HOLES)
    np.testing.assert_array_equal(found[0].frames, found[1].frames)
    assert found[1].repaired == ""


def test_repaired_clips_are_counted_each_time_they_are_read(recipe: Callable[..., Recipe]) -> None:
    source = source_of(recipe("repair"))
    place = [video.id for video in source.videos].index("blue-down.mp4")
    for _ in range(2):
        (batch,) = batches(source, [[ClipRequest(0), ClipRequest(place)]], workers=0, prefetch=1)
        assert list(batch.repaired) == ["blue-down.mp4"]
        assert batch.lost == ()


@pytest.fixture(scope="module")
def holed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return video_faults.holed_film(tmp_path_factory.mktemp("holed") / "holed.mp4")


@pytest.mark.parametrize("start", [None, 0.5, 0.7])
@pytest.mark.parametrize("end", [None, 1.5])
@pytest.mark.parametrize("gaps", [(), (-1,), (-2, 1)])
def test_sound_frames_are_those_that_come_out_with_their_neighbours(
    holed: Path, start: float | None, end: float | None, gaps: tuple[int, ...]
) -> None:
    video, needs = VideoRef("v", holed, start, end), Needs(neighbours=gaps)
    found = FrameRepair().decodable_frames(video, needs)
    times = frame_times(video)
    assert found.times.tolist() == times[found.indices].tolist()
    clip = read_frames(video, indices=found.indices, needs=needs, tolerant=True)
    assert video_faults.numbers(clip.frames) == np.rint(found.times * 8).astype(int).tolist()
    for index in sorted(set(range(len(times))) - set(found.indices.tolist())):
        with pytest.raises(VideoError):
            read_frames(video, indices=np.array([index]), needs=needs, tolerant=True)


def test_a_segment_without_a_sound_frame_is_lost(holed: Path) -> None:
    hole = VideoRef("v", holed, 5 / 8, 7 / 8)
    with pytest.raises(VideoError, match=r"holed\.mp4: decoding fails: .*; none of the 2 frames of video 'v' can be"):
        FrameRepair().decodable_frames(hole, Needs())
