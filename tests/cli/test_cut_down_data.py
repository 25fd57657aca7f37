"""The shipped recipes of MSVD, MSR-VTT and LSMDC, from training to report, on a few videos in the official layout.

Steps and batch alone are changed. `helpers.cut_down_data` says what the data are. Weights are random and lie where
the published ones would; models are small ones under the published names, but in one of the long trials.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from helpers.cli_output import Tell
from helpers.cut_down_data import SETS, Counts, lay_out
from helpers.published_names import small_models, weights_file, write_alpha_tower, write_weights
from helpers.shipped import NEEDS, install_beside
from safetensors.torch import load_file

from fdakit.recipe.document import Document, read_document, shipped_recipes

STEPS = ("train.epochs=1", "train.max_steps=2", "train.batch_size=2")
NAMES = {
    name: document
    for name, path in shipped_recipes().items()
    if (document := read_document(path))["dataset"]["use"] in SETS
}
FEW = (
    "fda_msvd",
    "fda_distilled_msrvtt",
    "controls/fda_lsmdc_c5_other_video",
    "msrvtt_zero_shot",
    "fda_clip4clip_lsmdc",
    "fda_prompt_switch_msrvtt",
    "max_sim_msrvtt",
    "xpool_msvd",
)
"""One recipe of each system, and of each data set several."""
AS_PUBLISHED = (
    "fda_msvd_b32",
    "fda_distilled_msvd",
    "fda_clip4clip_lsmdc",
    "fda_prompt_switch_msrvtt",
    "max_sim_msrvtt",
    "xpool_msvd",
)
"""One recipe of each system, for models of the published sizes."""
FEWEST = {"train": 4, "val": 2, "test": 4}
MORE = {"train": 8, "val": 4, "test": 8}
SAME = ("t2v", "v2t", "ci95", "pool", "controls", "rescored", "masks", "captions")
"""What is in a report that an evaluation of its run must give again."""


@dataclass(frozen=True)
class Workplace:
    """A folder as the recipes assume it; what one needs is put there when it is asked for."""

    folder: Path
    data: Path
    videos: Counts
    seconds: float

    def provide(self, recipe: Document) -> None:
        name, encoder = recipe["dataset"]["use"], recipe["encoder"]
        root = self.folder / recipe["dataset"]["root"]
        if not root.exists():
            lay_out(root, name, self.data, videos=self.videos, seconds=self.seconds)
        weights = weights_file(self.folder / "hub", encoder["model"], encoder["pretrained"])
        if not weights.exists():
            write_weights(weights, encoder["model"])
        if "visual_checkpoint" in encoder and not (tower := self.folder / encoder["visual_checkpoint"]).exists():
            write_alpha_tower(tower, load_file(weights))

    def captions(self, name: str) -> int:
        """How many captions the test split of a data set has."""
        if name != "msvd":
            return self.videos["test"]
        annotations = self.data / "annotations" / "msvd"
        captions = json.loads((annotations / "captions_msvd.json").read_text(encoding="utf-8"))
        ids = (annotations / "test_list.txt").read_text(encoding="utf-8").split()
        return sum(len(captions[video]) for video in ids[: self.videos["test"]])


@contextmanager
def workplace(folder: Path, data: Path, *, videos: Counts, seconds: float) -> Iterator[Workplace]:
    """An empty one as the working directory, with the packages beside fdakit installed and without a network."""
    with pytest.MonkeyPatch.context() as patch:
        (site := folder / "site").mkdir()
        install_beside(site, patch)
        patch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder / "hub"))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.chdir(folder)
        yield Workplace(folder, data, videos, seconds)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Iterator[Workplace]:
    """Two seconds of each video, and small models."""
    folder = tmp_path_factory.mktemp("short")
    with small_models(folder), workplace(folder, data_dir, videos=FEWEST, seconds=2) as place:
        yield place


@pytest.fixture
def full(tmp_path: Path, data_dir: Path) -> Iterator[Workplace]:
    """More videos, all of each, and small models."""
    with small_models(tmp_path), workplace(tmp_path, data_dir, videos=MORE, seconds=60) as place:
        yield place


@pytest.fixture
def published(tmp_path: Path, data_dir: Path) -> Iterator[Workplace]:
    """Few videos, all of each, and models of the published sizes."""
    with workplace(tmp_path, data_dir, videos=FEWEST, seconds=60) as place:
        yield place


def run(name: str, place: Workplace, tell: Tell, *settings: str) -> Mapping[str, Any]:
    """Check a recipe and run it into the folder `run`; its report, with the counts that the data have."""
    recipe = NAMES[name]
    place.provide(recipe)
    told = tell("check", name)
    assert (told.code, told.err) == (0, "")
    chosen = (*(STEPS if trains(recipe) else ()), *settings)
    told = tell("run", name, "--json", "--out", "run", *(part for line in chosen for part in ("--set", line)))
    assert told.code == 0, told.err
    report: Mapping[str, Any] = told.json
    counts = (report["videos"]["counted"], report["captions"]["counted"])
    assert counts == (place.videos["test"], place.captions(recipe["dataset"]["use"]))
    assert (report["videos"]["missing"], report["videos"]["damaged"]) == (0, 0)
    assert report["protocol"]["split"] == "test"
    return report


def trains(recipe: Document) -> bool:
    return bool(recipe["train"]["epochs"])


def check_training(recipe: Document, place: Workplace, report: Mapping[str, Any]) -> None:
    """Two steps were taken, towers changed unless frozen, and the checkpoint was chosen by the right split."""
    last = Path("run", "checkpoints", "last")
    assert json.loads((last / "checkpoint.json").read_text())["step"] == 2
    encoder = recipe["encoder"]
    before = load_file(weights_file(place.folder / "hub", encoder["model"], encoder["pretrained"]))
    after = load_file(last / "model.safetensors")
    changed = {name for name, value in before.items() if not torch.equal(value, after[f"encoder.clip.{name}"])}
    frozen = set(recipe["train"].get("freeze", ()))
    towers = {"visual-trunk" if name.startswith("visual.") else "text-tower" for name in changed if "blocks." in name}
    assert towers == {"visual-trunk", "text-tower"} - frozen
    chosen_on = None if recipe["dataset"]["use"] == "msrvtt" else "val"
    assert report["protocol"]["checkpoint_chosen_on"] == chosen_on


def try_recipe(name: str, place: Workplace, tell: Tell, *settings: str) -> Mapping[str, Any]:
    """Run a recipe and evaluate its run again; what it reports. The run's folder is removed."""
    recipe = NAMES[name]
    try:
        report = run(name, place, tell, *settings)
        if not settings:
            assert list(report["controls"]) == recipe.get("eval", {}).get("controls", [])
        if trains(recipe):
            check_training(recipe, place, report)
        again = tell("eval", "run", "--json")
        assert again.code == 0, again.err
        assert {key: again.json[key] for key in SAME} == {key: report[key] for key in SAME}
    finally:
        shutil.rmtree("run", ignore_errors=True)
    return report


def row(name: str, report: Mapping[str, Any]) -> str:
    """A line of the long trials: name, steps, videos and captions of the test split, and masks that were scored."""
    counts = (2 * trains(NAMES[name]), report["videos"]["counted"], report["captions"]["counted"])
    return f"{name:34}" + "".join(f"{count:10}" for count in (*counts, 1 + len(report["controls"])))


def packages(*names: str) -> set[str]:
    return {package for name in names for package in NEEDS[name]}


@pytest.mark.proof
def test_every_recipe_trains_and_reports(full: Workplace, tell: Tell, capsys: pytest.CaptureFixture[str]) -> None:
    for name in NAMES:
        report = try_recipe(name, full, tell)
        with capsys.disabled():
            print(row(name, report))


@pytest.mark.proof
def test_models_of_the_published_sizes_do(
    published: Workplace, tell: Tell, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in AS_PUBLISHED:
        encoder = NAMES[name]["encoder"]
        report = try_recipe(name, published, tell, "eval.controls=[]")
        weights = load_file(weights_file(published.folder / "hub", encoder["model"], encoder["pretrained"]))
        assert weights["visual.proj"].shape == (768, 512)
        with capsys.disabled():
            print(row(name, report), encoder["model"])


@pytest.mark.parametrize("name", FEW)
def test_a_recipe_of_each_system_trains_and_reports(name: str, short: Workplace, tell: Tell) -> None:
    try_recipe(name, short, tell)


def test_the_short_forms_have_a_recipe_of_every_data_set_and_package() -> None:
    assert {NAMES[name]["dataset"]["use"] for name in FEW} == set(SETS)
    assert packages(*FEW) == packages(*AS_PUBLISHED) == packages(*NAMES)
