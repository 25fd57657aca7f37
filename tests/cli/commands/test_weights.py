"""`fdakit weights inspect` and `convert` on the command line."""

from __future__ import annotations

from pathlib import Path

import torch
from helpers.cli_output import Tell
from safetensors.torch import save_file

FILE = Path(__file__).parents[2] / "fixtures" / "alphaclip" / "vit_w64" / "alpha_visual.pth"


def test_inspect_says_what_a_file_is(tell: Tell) -> None:
    told = tell("weights", "inspect", str(FILE))
    assert told.code == 0
    assert "format:       Alpha-CLIP visual tower" in told.out
    assert tell("weights", "inspect", str(FILE), "--json").json["alpha"] is True


def test_convert_writes_safetensors_or_nothing(tell: Tell, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    assert tell("weights", "convert", str(FILE), "--out", str(out)).code == 0
    assert out.is_file()
    told = tell("weights", "convert", str(tmp_path / "absent.pth"), "--out", str(tmp_path / "b.safetensors"))
    assert told.code == 2
    assert "no such weights file" in told.err
    assert not (tmp_path / "b.safetensors").exists()
    assert tell("weights", "convert", str(FILE), "--out", str(tmp_path / "b.bin")).code == 2


def test_inspect_shows_some_of_many_names(tell: Tell, tmp_path: Path) -> None:
    save_file({f"t{number:03}": torch.empty(0) for number in range(300)}, tmp_path / "w.safetensors")
    told = tell("weights", "inspect", str(tmp_path / "w.safetensors"))
    assert "t019 and 280 more\n" in told.out
    assert len(tell("weights", "inspect", str(tmp_path / "w.safetensors"), "--json").json["other"]) == 300
