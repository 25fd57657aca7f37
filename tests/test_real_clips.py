"""The table of docs/explanation/real_clips.md is what the command above it gives. A minute: `pytest -m proof`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fdakit.cli.main import execute

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "real_clips.md"
MASKS = ("frame-difference", "compensated-difference", "motion-vectors")


def table() -> dict[str, list[float]]:
    """Coverages in percent by the name of the clip."""
    row = re.compile(r"\| (\w+) \|[^|]*\| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|")
    return {match[1]: [float(match[place]) for place in (2, 3, 4)] for match in row.finditer(PAGE.read_text())}


def test_the_table_and_the_command_name_the_same_clips() -> None:
    command = PAGE.read_text().split("```")[1]
    assert sorted(re.findall(r"(\w+)\.mp4", command)) == sorted(table())
    assert f"--compare {','.join(MASKS)}" in command


@pytest.mark.proof
def test_the_table_is_what_the_command_gives(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = table()
    clips = [str(data_dir / "videos" / "natural" / f"{name}.mp4") for name in wanted]
    options = ["--compare", ",".join(MASKS), "--frames", "6", "--no-video", "--out", str(tmp_path), "--json"]
    assert execute(["masks", *clips, *options]) == 0
    for video in json.loads(capsys.readouterr().out)["videos"]:
        name = Path(video["video"]).stem
        found = [round(100 * mask["mean_coverage"], 1) for mask in video["masks"]]
        assert found == wanted[name], name
