"""What `fdakit search` makes of moments: sheet, clips and player, told to people and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from helpers import sample_videos

from fdakit.cli.commands.search import command
from fdakit.errors import FdakitError
from fdakit.search import opened_index
from fdakit.search.found_moments import FoundMoment
from fdakit.search.results import players


def found(path: Path, start: float, end: float) -> FoundMoment:
    return FoundMoment(path, start, end, 0.3, (start, end), 0.1, 1.6, 0.0)


class StandInIndex:
    """Answers every question with the same moments."""

    moments: tuple[FoundMoment, ...] = ()

    def __init__(self, *_: object, **__: object) -> None: ...

    def __enter__(self) -> StandInIndex:
        return self

    def __exit__(self, *_: object) -> None: ...

    def search(self, *_: object, **__: object) -> list[FoundMoment]:
        return list(self.moments)

    def line(self) -> float:
        return 0.2


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = sample_videos.encode(tmp_path / "film.mp4", sample_videos.numbered(40), options=sample_videos.GROUPED)
    moments = (found(path, 0.5, 1.0), found(tmp_path / "gone.mp4", 0.0, 1.0), found(path, 1.2, 1.6))
    monkeypatch.setattr(StandInIndex, "moments", moments)
    monkeypatch.setattr(opened_index, "Index", StandInIndex)
    return tmp_path / "index"


def asked(index: Path, *options: str) -> Any:
    return CliRunner().invoke(command, [str(index), "a dog", *options], catch_exceptions=False, standalone_mode=False)


def test_the_clip_of_every_moment_and_the_sheet_are_told_as_json(index: Path, tmp_path: Path) -> None:
    sheet, clips = tmp_path / "sheet.jpg", tmp_path / "clips"
    told = json.loads(asked(index, "--json", "--sheet", str(sheet), "--clip", str(clips)).stdout)
    assert told["sheet"] == str(sheet)
    assert sheet.stat().st_size > 1000
    first, gone, last = (moment["clip"] for moment in told["moments"])
    assert (first["start"], first["lossless"]) == (0.48, True)
    assert last["end"] == pytest.approx(1.6)
    assert "no such file" in gone["error"]
    assert sorted(map(str, clips.iterdir())) == sorted([first["path"], last["path"]])


def test_people_are_told_what_the_clips_cover(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    said = asked(index, "--clip", str(tmp_path / "clips"), "--exact", "--sheet", str(tmp_path / "sheet.png")).stdout
    assert "2 clips" in said
    assert "film_0m00.5s-0m01.0s.mp4   0:00.5 to 0:01" in said
    assert said.count("encoded") == 2
    assert "not cut: " in said
    assert "sheet: " in said


def test_nothing_is_written_of_nothing(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StandInIndex, "moments", ())
    sheet, clips = tmp_path / "sheet.jpg", tmp_path / "clips"
    assert "nothing found" in asked(index, "--sheet", str(sheet), "--clip", str(clips), "--play").stdout
    assert not sheet.exists()
    assert not clips.exists()


def test_the_first_moment_is_played(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[tuple[Path, float, float]] = []
    monkeypatch.setattr(players, "play", lambda *moment: played.append(moment))
    asked(index, "--play")
    assert played == [(tmp_path / "film.mp4", 0.5, 1.0)]


def test_what_cannot_be_is_refused_before_the_index_is_asked(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="add --clip FOLDER"):
        asked(tmp_path / "no index", "--exact")
    with pytest.raises(FdakitError, match=r"ending in \.jpg or \.png"):
        asked(tmp_path / "no index", "--sheet", "sheet.pdf")
