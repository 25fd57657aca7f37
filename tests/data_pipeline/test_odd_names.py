"""Names that are not UTF-8, from the data set to every file that a run and its readers write."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fdakit.analysis.run_reports import run_page, write_trec
from fdakit.analysis.saved_run import SavedRun
from fdakit.dataset_files.damage_ledger import Ledger
from fdakit.dataset_tools.video_scan import scan_videos
from fdakit.experiment.checkpoint_evaluation import evaluate_checkpoint
from fdakit.experiment.run import run_recipe
from fdakit.recipe.recipe import Recipe

ODD = os.fsdecode(b"caf\xe9.mp4")
NAMES = (ODD, " lead.mp4", "\u2028.mp4", "plain.mp4")
CLIPS = ("red-across", "green-across", "blue-down", "pink-down")


@pytest.fixture
def films(clips: Path, tmp_path: Path) -> Path:
    """Four clips under odd names, each with its caption beside it, and a manifest that names them."""
    folder = tmp_path / "films"
    folder.mkdir()
    try:
        for name, clip in zip(NAMES, CLIPS, strict=True):
            shutil.copy(clips / f"{clip}.mp4", folder / name)
            (folder / name).with_suffix(".txt").write_text(f"a {clip} thing")
    except (OSError, UnicodeError):
        pytest.skip("this file system takes no names that are not UTF-8")
    pairs = list(zip(NAMES, CLIPS, strict=True))
    lines = [f'"{name}","a {clip} thing",{split}' for split in ("train", "test") for name, clip in pairs]
    (folder / "m.csv").write_bytes(os.fsencode("\n".join(["path,caption,split", *lines])))
    return folder


@pytest.mark.integration
@pytest.mark.parametrize("use", ["manifest", "folder"])
def test_a_run_and_its_readers_keep_them(
    make_recipe: Callable[..., Recipe], films: Path, tmp_path: Path, use: str
) -> None:
    trained = use == "manifest"
    path = films / "m.csv" if trained else films
    recipe = make_recipe(
        dataset={"use": use, "path": str(path)},
        train={"epochs": int(trained)},
        mask={"use": "soft"},
        loader={"damage": "skip"},
        eval={"controls": ["rolled", "other-video"]},
        frame_store={"folder": str(tmp_path / "frames")},
    )
    finished = run_recipe(recipe, out=tmp_path / "run")
    saved = SavedRun(tmp_path / "run")
    assert {video.path for video in saved.videos} == {films / name for name in NAMES}
    assert {os.fsencode(target) for target in saved.ranked["t2v"].targets} == {
        os.fsencode(name if trained else name.removesuffix(".mp4")) for name in NAMES
    }
    again = evaluate_checkpoint(recipe, tmp_path / "run", out=tmp_path / "again")
    assert again.report.to_json()["t2v"] == finished.report.to_json()["t2v"]
    page = run_page(saved, worst=2, best=2, progress=lambda what, done, total: None)
    assert "caf" in page and "a blue-down thing" in page
    trec = [Path(written).read_bytes() for written in write_trec(saved, tmp_path / "trec")]
    assert all(b"caf%E9" in content for content in trec)


def test_the_ledger_keeps_them(films: Path, tmp_path: Path) -> None:
    (films / ODD).write_bytes(b"no film")
    paths = [films / name for name in NAMES]
    ledger = Ledger(tmp_path / "ledger.sqlite")
    found = scan_videos(paths, ledger=ledger, jobs=1, time_limit=0, progress=lambda what, done, total: None)
    assert [found.findings[path].status for path in paths] == ["unreadable", "ok", "ok", "ok"]
    assert ledger.find(paths) == found.findings
