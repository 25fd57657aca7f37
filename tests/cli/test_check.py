"""`fdakit check`: valid or not, with every fault, and nothing built."""

from __future__ import annotations

from pathlib import Path

import pytest
from telling import Tell

from fdakit.recipe_text import shipped_recipes

FAULTY = '[dataset]\nuse = "msvd"\n[encoder]\nuse = "tiny"\n[mask]\nuse = "whole-frame"\nthreshold = 1\n[trian]\n'


@pytest.fixture
def faulty(tmp_path: Path) -> str:
    file = tmp_path / "faulty.toml"
    file.write_text(FAULTY)
    return str(file)


def test_a_valid_recipe_is_ok(tell: Tell) -> None:
    told = tell("check", "fda_msvd")
    assert (told.code, told.out, told.err) == (0, "fda_msvd: ok, 11 parts\n", "")


def test_every_shipped_recipe_is_ok(tell: Tell) -> None:
    told = tell("check", *shipped_recipes())
    assert told.err == ""
    assert told.code == 0
    assert told.out.count(": ok, ") == len(shipped_recipes())


def test_every_fault_is_a_line_on_stderr(tell: Tell, faulty: str) -> None:
    told = tell("check", faulty)
    assert told.code == 2
    assert told.out == ""
    first, second = told.err.splitlines()
    assert first == f"{faulty}: trian: unknown table or key; did you mean 'train'?"
    assert second.startswith(f"{faulty}: mask.threshold: unknown option of 'whole-frame' (fdakit ")


def test_one_faulty_recipe_does_not_hide_the_others(tell: Tell, faulty: str) -> None:
    told = tell("check", faulty, "fda_msvd", "nowhere")
    assert told.code == 2
    assert told.out == "fda_msvd: ok, 11 parts\n"
    assert "nowhere: no such recipe" in told.err


def test_settings_are_checked_with_the_recipe(tell: Tell, faulty: str) -> None:
    assert tell("check", faulty, "--set", "mask.threshold=", "--set", "trian=").code == 0
    told = tell("check", "fda_msvd", "--set", "train.epochs=many", "--set", "mask.control=rolld")
    assert told.code == 2
    assert "train.epochs: found 'many'" in told.err
    assert "mask.control: found 'rolld'" in told.err
    assert "--set mask: found no value" in tell("check", "fda_msvd", "--set", "mask").err


def test_json_holds_every_recipe_its_faults_and_its_parts(tell: Tell, faulty: str) -> None:
    told = tell("check", "fda_msvd", faulty, "--json")
    assert told.code == 2
    assert told.err == ""
    good, bad = told.json
    assert (good["recipe"], good["ok"], good["faults"]) == ("fda_msvd", True, [])
    assert any(part.startswith("mask 'frame-difference' (fdakit ") for part in good["parts"])
    assert (bad["recipe"], bad["ok"], bad["parts"]) == (faulty, False, [])
    assert [fault.split(": ")[1] for fault in bad["faults"]] == ["trian", "mask.threshold"]


def test_nothing_is_built_or_read(tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = tell("check", "fda_msvd", "--set", "dataset.root=absent", "--set", "encoder.model=no-such-model")
    assert told.code == 0
    assert list(tmp_path.iterdir()) == []
