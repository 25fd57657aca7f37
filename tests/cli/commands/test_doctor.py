"""`fdakit doctor`: what is installed here, and what is wrong with it."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
from helpers.cli_output import Tell
from helpers.sample_plugins import distribution, mask_plugin

from fdakit import __version__
from fdakit.catalog import load_catalog


def test_json_holds_versions_device_codecs_and_parts(
    tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FDAKIT_CACHE", str(tmp_path))
    told = tell("doctor", "--json")
    assert (told.code, told.err) == (0, "")
    found = told.json
    assert found["environment"]["packages"]["torch"] == version("torch")
    assert __version__ in str(found["environment"])
    assert "h264" in found["codecs"]["decoders"]
    assert ("libx264" in found["codecs"]["GPL encoders in PyAV"]) == found["codecs"]["encodes H.264"]
    assert found["cache"] == str(tmp_path)
    assert found["parts"] == len(load_catalog().offers)


@pytest.mark.parametrize(
    ("available", "said"), [({"libx264", "libx265", "mpeg4"}, "libx264, libx265"), ({"mpeg4"}, "none")]
)
def test_gpl_encoders_of_pyavs_ffmpeg_are_named(
    tell: Tell, monkeypatch: pytest.MonkeyPatch, available: set[str], said: str
) -> None:
    monkeypatch.setattr("fdakit.experiment.doctor.av.codecs_available", available)
    assert tell("doctor", "--json").json["codecs"]["GPL encoders in PyAV"] == said


def test_the_same_is_a_table_for_people(tell: Tell) -> None:
    told = tell("doctor")
    assert told.code == 0
    for word in ("python", "torch", "open_clip", "decoders", "cache", "parts"):
        assert word in told.out.lower().replace("-", "_")


def test_a_torchcodec_without_ffmpeg_is_a_trouble_of_one_line(tell: Tell, without_ffmpeg: None) -> None:
    told = tell("doctor")
    assert told.code == 0
    (line,) = [line for line in told.err.splitlines() if "torchcodec" in line]
    assert line.startswith(
        "trouble: torchcodec cannot load its libraries (Could not load libtorchcodec); install FFmpeg"
    )
    found = tell("doctor", "--json").json
    assert found["optional"]["torchcodec"] is False
    assert [trouble for trouble in found["troubles"] if "torchcodec" in trouble] == [line.removeprefix("trouble: ")]


def test_every_trouble_is_a_line_on_stderr(tell: Tell, site: Path) -> None:
    distribution(site, "fdakit-broken", "1 / 0", module="broken_for_doctor")
    distribution(site, "fdakit-drift", mask_plugin("whole-frame"), module="twin_for_doctor")
    told = tell("doctor")
    assert told.code == 0
    troubles = [
        "plugin fdakit-broken 0.1 (main) cannot be used: ZeroDivisionError: division by zero",
        "mask 'whole-frame' is offered more than once; recipes must write provider:whole-frame",
    ]
    assert told.err.splitlines()[:2] == [f"trouble: {trouble}" for trouble in troubles]
    assert "no trouble found" not in told.out
    assert tell("doctor", "--json").json["troubles"][:2] == troubles
