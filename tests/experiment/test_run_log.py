"""The log of a run has a digest once the run has ended, and is read line by line before that."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fdakit import FdakitError
from fdakit.experiment.option_grid import epoch_seconds
from fdakit.experiment.run import run_recipe
from fdakit.experiment.run_log import read_log
from fdakit.recipe.recipe import Recipe

MakeRecipe = Callable[..., Recipe]
LOG, SUMS = "metrics.jsonl", "SHA256SUMS"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def full(make_recipe: MakeRecipe) -> Recipe:
    return make_recipe(observer=[{"use": "jsonl"}])


@pytest.fixture
def run(runs: Path, full: Recipe, tmp_path: Path) -> Path:
    """A copy of a finished run that was made once."""
    if not (runs / "full").exists():
        run_recipe(full, out=runs / "full")
    return Path(shutil.copytree(runs / "full", tmp_path / "run"))


def verify(folder: Path) -> None:
    """`sha256sum -c`, and every file of the folder is listed."""
    subprocess.run(["sha256sum", "--quiet", "-c", SUMS], cwd=folder, check=True)
    names = {line.split("  ", 1)[1] for line in (folder / SUMS).read_text().splitlines()}
    assert names == {path.name for path in folder.iterdir() if path.is_file()} - {SUMS}


def another_digit(path: Path) -> None:
    """Change one digit, so that the file is as readable as before."""
    text = path.read_text()
    place = text.index('"seconds": ') + len('"seconds": ')
    path.write_text(f"{text[:place]}{(int(text[place]) + 1) % 10}{text[place + 1 :]}")


@pytest.mark.integration
def test_every_file_of_a_finished_run_is_listed_also_after_it_was_taken_up(full: Recipe, run: Path) -> None:
    verify(run)
    run_recipe(full, resume=run)
    verify(run)
    assert [event.event for event in read_log(run)].count("run_finished") == 2


@pytest.mark.integration
def test_a_changed_digit_in_the_log_of_a_finished_run_is_told_and_not_gone_on_with(full: Recipe, run: Path) -> None:
    another_digit(run / LOG)
    with pytest.raises(FdakitError, match=r"metrics\.jsonl: changed or damaged .*; remove it, and the seconds are"):
        epoch_seconds(run)
    report = (run / "report.json").read_bytes()
    with pytest.raises(
        FdakitError, match=r"metrics\.jsonl: changed or damaged .*; remove it; its epochs are written"
    ):
        run_recipe(full, resume=run)
    (run / LOG).unlink()
    run_recipe(full, resume=run)
    verify(run)
    assert (run / "report.json").read_bytes() == report
    epochs = [event.epoch for event in read_log(run) if event.event == "epoch_finished"]
    assert epochs == [1, 2]


def test_a_log_that_is_still_written_on_has_no_digest_and_a_torn_last_line_is_no_damage(run: Path) -> None:
    lines = (run / SUMS).read_text().splitlines(keepends=True)
    (run / SUMS).write_text("".join(line for line in lines if LOG not in line))
    events = read_log(run)
    with (run / LOG).open("a") as log:
        log.write('{"event": "run_sta')
    assert read_log(run) == events


@pytest.mark.parametrize("line", [b"{", b"\xff", b"[1]", b'{"epoch": 1}', b"\0" * 9, b'{"event": "epoch_finished"}'])
def test_a_line_of_the_log_that_is_no_event_is_named(tmp_path: Path, line: bytes) -> None:
    (tmp_path / LOG).write_bytes(b'{"event": "run_started"}\n' + line + b"\n")
    with pytest.raises(FdakitError, match=r"metrics\.jsonl: line 2: not "):
        read_log(tmp_path)


@pytest.mark.integration
def test_a_run_that_goes_on_tells_of_damaged_lines_and_writes_its_epochs_anew(full: Recipe, run: Path) -> None:
    (run / SUMS).unlink()  # as in a run that was killed
    (run / "report.json").unlink()
    whole = [event for event in read_log(run) if event.event == "epoch_finished"]
    another_digit(run / LOG)
    started, *others = (run / LOG).read_text().splitlines(keepends=True)
    (run / LOG).write_text(started + "what is this?\n" + "".join(others))
    with pytest.warns(UserWarning, match=r"metrics\.jsonl: line 2, 3: changed or damaged; written anew"):
        run_recipe(full, resume=run)
    found = [event for event in read_log(run) if event.event == "epoch_finished"]
    assert sorted(found, key=lambda event: int(event.epoch)) == whole
    assert "what is this" not in str(read_log(run))
