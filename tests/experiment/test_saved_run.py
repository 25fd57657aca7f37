"""A run read back from its folder equals what was measured; a damaged one is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fdakit.cli.main import execute
from fdakit.errors import ScoreError
from fdakit.experiment.run import run_recipe
from fdakit.experiment.saved_run import SavedRun
from fdakit.ranking.metrics import metrics
from fdakit.ranking.ranks import rank_captions, rank_videos
from fdakit.recipe import Recipe


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
    for way, again in (("t2v", rank_captions(scores)), ("v2t", rank_videos(scores))):
        ranked = saved.ranked[way]
        assert metrics(ranked.ranking, ties=saved.ties) == saved.report[way]
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
    assert again["t2v"] == SavedRun(folder).report["t2v"]
    assert execute(["report", str(folder), "--to", "trec", "--out", str(tmp_path / "trec")]) == 0
    run, qrels = (tmp_path / "trec" / name for name in ("run_t2v.trec", "qrels_t2v.txt"))
    capsys.readouterr()
    assert execute(["metrics", str(run), "--truth", str(qrels), "--json"]) == 0
    trec = json.loads(capsys.readouterr().out)
    assert {name: trec["t2v"][name] for name in again["t2v"]} == pytest.approx(again["t2v"])
