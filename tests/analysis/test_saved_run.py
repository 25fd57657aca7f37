"""A run read back from its folder equals what was measured; a damaged one is named."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.finished_runs import finished_run
from helpers.write_faults import count_changes, killed_at, refused_at

from fdakit.analysis.recipe_diff import recipe_differences
from fdakit.analysis.saved_run import SavedRun
from fdakit.cli.main import execute
from fdakit.data_pipeline.splits import Splits
from fdakit.errors import FdakitError, ScoreError
from fdakit.evaluation.scoring import rank_both_directions
from fdakit.experiment.run import run_recipe
from fdakit.experiment.run_folder import RunFolder
from fdakit.plugin.contracts import DIRECTIONS
from fdakit.ranking.metrics import metrics
from fdakit.ranking.ranks import rank_captions, rank_videos
from fdakit.recipe.recipe import Recipe
from fdakit.report.evaluation_report import Report, in_direction
from fdakit.values import Scores


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("saved") / "run"


@pytest.fixture
def folder(kept: Path, make_recipe: Callable[..., Recipe]) -> Path:
    if not kept.exists():
        run_recipe(make_recipe(train={"epochs": 0}), out=kept)
    return kept


def test_a_saved_run_gives_its_numbers_again(folder: Path) -> None:
    saved = SavedRun(folder)
    assert saved.name == "small"
    scores = saved.scores()
    for way, again in zip(DIRECTIONS, (rank_captions(scores), rank_videos(scores)), strict=True):
        ranked = saved.ranked[way]
        assert metrics(ranked.ranking, ties=saved.ties) == in_direction(saved.report, way)
        np.testing.assert_array_equal(ranked.ranking.better, again.better)
        assert ranked.ranking.pool == again.pool == 6
    assert [saved.videos[owner].id for owner in scores.owners] == list(saved.ranked["t2v"].targets)
    assert all(video.path.is_file() for video in saved.videos)


@pytest.mark.parametrize("name", ["report.json", "ranks_t2v.csv", "videos.csv", "similarity.npy"])
@pytest.mark.parametrize("damage", [None, b"", b"{}", b"a,b\n1,2\n"])
def test_what_is_absent_or_damaged_is_named(folder: Path, tmp_path: Path, name: str, damage: bytes | None) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("checkpoints")))
    (copy / name).unlink() if damage is None else (copy / name).write_bytes(damage)
    with pytest.raises(ScoreError, match=name):
        SavedRun(copy).scores()


def test_similarities_that_were_too_many_to_keep_are_told_from_lost_ones(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("checkpoints")))
    (copy / "similarity.npy").unlink()
    sums = copy / "SHA256SUMS"
    kept = [line for line in sums.read_text().splitlines(keepends=True) if "similarity.npy" not in line]
    sums.write_text("".join(kept))
    with pytest.raises(
        ScoreError, match=r"similarity\.npy: was not written, as the similarities were more than eval\."
    ):
        SavedRun(copy).scores()


@pytest.mark.parametrize(
    "name", ["report.json", "ranks_t2v.csv", "ranks_v2t.csv", "videos.csv", "similarity.npy", "recipe.toml"]
)
def test_a_changed_bit_is_never_believed(folder: Path, tmp_path: Path, name: str) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("checkpoints")))
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[:-2] + bytes([content[-2] ^ 4]) + content[-1:])
    with pytest.raises(ScoreError, match=rf"{name}: changed or damaged since it was written .* `fdakit eval"):
        recipe_differences(SavedRun(copy), SavedRun(folder)), SavedRun(copy).scores(), SavedRun(copy).ranked


def test_a_run_without_digests_is_read_with_a_warning_and_lost_ones_are_told(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "SHA256SUMS").unlink()
    with pytest.raises(ScoreError, match="SHA256SUMS: absent, though its checkpoints have theirs"):
        assert SavedRun(copy).report
    (copy / "checkpoints" / "best" / "SHA256SUMS").unlink()
    with pytest.warns(UserWarning, match="copy: was written by an older fdakit, without SHA256SUMS"):
        assert SavedRun(copy).report == SavedRun(folder).report


@pytest.mark.integration
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
def test_a_report_stands_only_beside_all_the_files_it_speaks_of(
    make_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe = make_recipe(train={"epochs": 0})
    splits = Splits(recipe, device=torch.device("cpu"), progress=lambda *_: None)
    split = splits.load("test")
    scores = Scores(np.eye(6, dtype=np.float32), np.arange(6), np.zeros(6, bool))
    rules = {"dataset": "", "split": "", "captions": "", "video_to_text": "grouped", "ties": "expected"}
    found = {"name": "small", "protocol": rules, "t2v": {}, "v2t": {}, "pool": {"t2v": 6, "v2t": 6}}
    report = Report.from_json({**found, "videos": {"damaged_reasons": {}}})

    def write(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("fdakit.experiment.run_folder.report_markdown", str)
            RunFolder(folder).write_report(
                report,
                split=split,
                scores=scores,
                rankings=rank_both_directions(scores, mode="grouped"),
            )

    for name in ("counted", "again"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "recipe.toml").touch()
    moments = count_changes(lambda: write(tmp_path / "counted"))
    for moment in [*range(1, moments - 4, 4), *range(moments - 4, moments + 1)]:  # the report comes last
        killed_at(moment, lambda: write(tmp_path / "again"))
        if (tmp_path / "again" / "report.json").exists():
            np.testing.assert_array_equal(SavedRun(tmp_path / "again").scores().matrix, scores.matrix)
        with refused_at(moment) as calls, contextlib.suppress(FdakitError):
            write(tmp_path / "again")
        assert calls.count >= moment
        leftover = [path.name for path in (tmp_path / "again").glob(".*") if f".{os.getpid()}." in path.name]
        assert leftover == []


def test_a_run_on_real_clips_is_compared_with_itself_and_told_as_a_page(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["compare", str(folder), str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    text = json.dumps(found)
    assert '"p": 1.0' in text
    assert '"p": 0' not in text
    assert execute(["report", str(folder), "--to", "html", "--out", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    capsys.readouterr()
    assert page.count("data:image/jpeg;base64,") == 6  # each clip once
    assert execute(["metrics", str(folder), "--bootstrap", "0", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["t2v"] == SavedRun(folder).report.t2v
    assert execute(["report", str(folder), "--to", "trec", "--out", str(tmp_path / "trec")]) == 0
    run, qrels = (tmp_path / "trec" / name for name in ("run_t2v.trec", "qrels_t2v.txt"))
    capsys.readouterr()
    assert execute(["metrics", str(run), "--truth", str(qrels), "--json"]) == 0
    trec = json.loads(capsys.readouterr().out)
    assert {name: trec["t2v"][name] for name in again["t2v"]} == pytest.approx(again["t2v"])


@pytest.mark.filterwarnings("ignore:.*older fdakit")
@pytest.mark.parametrize("dtype", ["i4", "U3", "c8", "O", "?"])
def test_similarities_of_another_kind_are_refused_in_words(folder: Path, tmp_path: Path, dtype: str) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(folder, copied)
    (copied / "SHA256SUMS").unlink()
    shutil.rmtree(copied / "checkpoints")
    matrix = np.load(copied / "similarity.npy")
    np.save(copied / "similarity.npy", np.zeros(matrix.shape, dtype), allow_pickle=True)
    with pytest.raises(ScoreError, match=r"similarity\.npy: not readable as part of a run"):
        SavedRun(copied).scores()


@pytest.mark.filterwarnings("ignore:.*older fdakit")
def test_a_caption_longer_than_the_standard_library_likes_is_read_back(folder: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(folder, copied)
    (copied / "SHA256SUMS").unlink()
    shutil.rmtree(copied / "checkpoints")
    path = copied / "ranks_t2v.csv"
    head, first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([head, "x" * 200_000 + "," + first.partition(",")[2], *rest]) + "\n")
    assert len(SavedRun(copied).ranked["t2v"].queries[0]) == 200_000


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no /dev/zero")
@pytest.mark.parametrize("name", ["ranks_t2v.csv", "videos.csv", "report.json"])
def test_a_device_in_an_older_run_is_refused_as_part_of_a_run(tmp_path: Path, clips: Path, name: str) -> None:
    videos = [clips / f"{video}.mp4" for video in ("red-across", "blue-down")]
    older = finished_run(tmp_path / "run", np.eye(2), videos=videos, owners=(0, 1))
    assert SavedRun(older).ranked["t2v"].queries
    (older / name).unlink()
    (older / name).symlink_to("/dev/zero")
    run = SavedRun(older)
    with pytest.raises(ScoreError, match=f"{name}: "):
        _ = run.report, run.videos, run.ranked
