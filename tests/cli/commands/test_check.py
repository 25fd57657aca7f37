"""`fdakit check`: valid or not, with every fault, and nothing built."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.cli_output import Tell
from helpers.shipped import NEEDS, OF_PACKAGES, OWN

FAULTY = '[dataset]\nuse = "msvd"\n[encoder]\nuse = "tiny"\n[mask]\nuse = "whole-frame"\nthreshold = 1\n[trian]\n'


@pytest.fixture
def faulty(tmp_path: Path) -> str:
    file = tmp_path / "faulty.toml"
    file.write_text(FAULTY)
    return str(file)


def test_a_valid_recipe_is_ok(tell: Tell) -> None:
    told = tell("check", "fda_msvd")
    assert (told.code, told.out, told.err) == (0, "fda_msvd: ok, 13 parts\n", "")


def test_every_shipped_recipe_is_ok(tell: Tell) -> None:
    told = tell("check", *OWN)
    assert told.err == ""
    assert told.code == 0
    assert told.out.count(": ok, ") == len(OWN)


@pytest.mark.parametrize("name", OF_PACKAGES)
def test_a_recipe_of_a_package_says_how_to_get_it(tell: Tell, name: str) -> None:
    told = tell("check", name)
    assert told.code == 2
    for package in NEEDS[name]:
        assert re.search(rf"package {package!r} is (installed, and|installed: pip install \S*{package})", told.err)


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
    assert told.out == "fda_msvd: ok, 13 parts\n"
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


def test_an_option_without_effect_is_a_warning(tell: Tell) -> None:
    idle = ("check", "quickstart", "--set", "train.micro_batch=65")
    told = tell(*idle)
    assert (told.code, told.out) == (0, "quickstart: ok, 13 parts\n")
    assert told.err.startswith(
        "warning: --set train.micro_batch=65: train.micro_batch: found 65, which has no effect "
    )
    (found,) = tell(*idle, "--json").json
    assert [f"warning: {line}" for line in found["warnings"]] == told.err.splitlines()


def test_nothing_is_built_or_read(tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = tell("check", "fda_msvd", "--set", "dataset.root=absent", "--set", "encoder.model=no-such-model")
    assert told.code == 0
    assert list(tmp_path.iterdir()) == []


ALPHA_CLIP = ("--set", "train.rates.alpha-path=1e-4", "--set", 'train.freeze=["text-tower", "logit-scale"]')


def test_verbose_shows_what_trains_without_weights_or_data(
    tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = ("--set", "dataset.use=msvd", "--set", "dataset.root=absent", *ALPHA_CLIP)
    told = tell("check", "quickstart", "--verbose", *settings)
    assert (told.code, told.err) == (0, "")
    first, *table, total = told.out.splitlines()
    assert first == "quickstart: ok, 13 parts"
    rows = {tuple(line.split()[:1]) + tuple(line.split()[-1:]): line.split() for line in table if line.strip()}
    assert rows["alpha-path", "trains"] == ["alpha-path", "1", "32,768", "0.0001", "yes", "trains"]
    assert rows["stem", "trains"] == ["stem", "1", "98,304", "0.001", "yes", "trains"]
    assert rows["text-tower", "frozen"] == ["text-tower", "29", "939,520", "frozen"]
    assert rows["logit-scale", "frozen"] == ["logit-scale", "2", "2", "frozen"]
    assert total == "943,360 of 1,882,882 parameters train"
    assert list(tmp_path.iterdir()) == []


def test_verbose_json_holds_the_groups_with_every_name(tell: Tell) -> None:
    told = tell("check", "quickstart", "--verbose", "--json", *ALPHA_CLIP)
    (found,) = told.json
    training = found["training"]
    assert training["parameters"] == sum(group["parameters"] for group in training["groups"]) == 1882882
    assert training["trained"] == sum(g["parameters"] for g in training["groups"] if g["trains"]) == 943360
    alpha = next(group for group in training["groups"] if group["name"] == "alpha-path")
    assert alpha == {
        "name": "alpha-path",
        "trains": True,
        "rate": 1e-4,
        "decays": True,
        "parameters": 32768,
        "weights": ["fusion.convolutions.0.weight"],
    }
    assert [g["rate"] for g in training["groups"] if not g["trains"]] == [None, None]
    (plain,) = tell("check", "quickstart", "--json").json
    assert plain == {key: value for key, value in found.items() if key != "training"}


def test_verbose_names_what_only_the_model_can_tell_and_checks_the_other_recipes(tell: Tell) -> None:
    told = tell(
        "check", "quickstart", "fda_msvd", "--verbose", "--set", "encoder.use=tiny", "--set", "train.freeze_blocks=3"
    )
    assert told.code == 2
    faults = told.err.splitlines()
    assert len(faults) == 2
    assert all(fault.startswith("--set train.freeze_blocks=3: train.freeze_blocks: ") for fault in faults)
    assert told.out == ""
    assert tell("check", "quickstart", "--set", "train.freeze_blocks=3").code == 0


def test_verbose_says_where_a_recipe_only_evaluates(tell: Tell) -> None:
    told = tell("check", "quickstart", "--verbose", "--set", "train.epochs=0")
    assert told.out.splitlines()[-2:] == [
        "0 of 1,882,881 parameters train",  # those of objectives are not made
        "train.epochs = 0: this recipe only evaluates",
    ]
    assert "only evaluates" not in tell("check", "quickstart", "--verbose").out


def test_a_part_that_does_not_fit_is_told_once_with_its_file(tell: Tell, tmp_path: Path) -> None:
    recipe = tmp_path / "odd.toml"
    encoder = '[encoder]\nuse = "open-clip"\nmodel = "RN50"\n'
    recipe.write_text(f'[dataset]\nuse = "moving-shapes"\n{encoder}[fusion]\nuse = "motion-tokens"\n')
    told = tell("check", str(recipe), "--verbose")
    assert told.code == 2
    assert told.err.count("odd.toml") == 1
    assert "this encoder has none" in told.err
