"""Strangers' packages, one for each thing that contracts must be wide enough for: their laws, their types, a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.sample_plugins import distribution
from safetensors.torch import load_file
from test_floors import NAMESPACES, outside_of_namespaces

from fdakit.catalog import Catalog, load_catalog
from fdakit.errors import RecipeError
from fdakit.experiment.run import run_recipe
from fdakit.experiment.training_run import Interrupted
from fdakit.inference.checkpoint_files import find_checkpoint
from fdakit.inference.factory import build_retriever
from fdakit.inference.observers import ObserverGroup
from fdakit.plugin import Batch, ClipBatch, Component, StepInfo
from fdakit.recipe.validation import read_recipe
from fdakit.testing import (
    build_part,
    check_batcher,
    check_encoder,
    check_fusion,
    check_mask,
    check_matcher,
    check_metric,
    check_objective,
    example_pairs,
)

PACKAGES = Path(__file__).parent / "packages"
NAMES = sorted(path.stem for path in PACKAGES.glob("outside_*.py"))
LONGEST = {"outside_video_prism": 95}  # others: 80 lines
CAPTIONS = 72  # as many as `check_batcher` has, and at least those of the recipe
FAST = [
    "dataset.clips=32",
    "dataset.size=32",
    "dataset.frames=4",
    "encoder=" + '{use="tiny", image_size=32, width=64, layers=1, text_layers=1}',
    "train.batch_size=16",
    "train.max_steps=2",
    "train.device=cpu",
    "eval.controls=[]",
    "observer=[]",
]
CHOSEN = {
    "outside_segments": ["encoder={use='segments'}", "fusion={use='none'}"],
    "outside_soft_tokens": ["matcher={use='soft-tokens'}", "aggregator={use='none'}"],
    "outside_halo": ["encoder={use='segments'}", "fusion={use='halo'}"],
    "outside_learned_glow": ["mask={use='learned-glow'}", "train.rates={mask=1e-2}"],
    "outside_roles": ["encoder={use='asking'}"],
    "outside_hard_negatives": ["batcher={use='hard-negatives', vectors='{files}/vectors.npy'}"],
    "outside_teacher": ["objective=[{use='teacher', similarities='{files}/similarities.npy'}]"],
    "outside_rank_area": ["metric=[{use='rank-area'}]"],
    "outside_schedule_free": ["optimiser={use='schedule-free'}", "train.schedule=constant"],
    "outside_video_prism": ["encoder={use='video-prism'}", "fusion={use='halo'}"],
}


def has_video_prism() -> bool:
    """Whether transformers is installed, and new enough to have VideoPrism."""
    try:
        release = version("transformers").split(".")
    except PackageNotFoundError:
        return False
    return (int(release[0]), int(release[1])) >= (5, 24)


OF_TRANSFORMERS = pytest.mark.skipif(not has_video_prism(), reason="transformers from 5.24 on is not installed")


def needed(name: str) -> Any:
    """The package as a parameter; skipped, with the reason, if what it needs is not installed."""
    return pytest.param(name, marks=OF_TRANSFORMERS) if name == "outside_video_prism" else name


@pytest.fixture(scope="module", autouse=True)
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """All packages, found by their entry points as if they were installed."""
    site = tmp_path_factory.mktemp("site")
    for name in NAMES:
        distribution(site, name.replace("_", "-"), (PACKAGES / f"{name}.py").read_text(encoding="utf-8"), module=name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FDAKIT_PLUGINS", ",".join(name.replace("_", "-") for name in NAMES))
        patch.syspath_prepend(PACKAGES)
        patch.syspath_prepend(site)
        yield load_catalog()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two of the packages read: vectors of captions, and a teacher's similarities of captions and videos."""
    folder, rng = tmp_path_factory.mktemp("files"), np.random.default_rng(0)
    np.save(folder / "vectors.npy", rng.standard_normal((CAPTIONS, 8), np.float32))
    np.save(folder / "similarities.npy", rng.uniform(-1, 1, (CAPTIONS, CAPTIONS)).astype(np.float32))
    return folder


def chosen(name: str, files: Path) -> list[str]:
    """The settings that choose a package's part in a short quickstart."""
    return [*FAST, *(setting.replace("{files}", str(files)) for setting in CHOSEN[name])]


def part(name: str) -> Any:
    """The component of a package."""
    (found,) = [value for value in vars(import_module(name)).values() if isinstance(value, Component)]
    return found


def test_every_package_is_found_and_none_is_broken(catalog: Catalog) -> None:
    assert catalog.broken == ()
    assert {offer.provider.name for offer in catalog.offers} - {"fdakit"} == {n.replace("_", "-") for n in NAMES}
    assert set(CHOSEN) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_short_and_uses_public_names_only(name: str) -> None:
    files = [path for path in (PACKAGES / f"{name}.py", PACKAGES / f"_{name}.py") if path.exists()]
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files) <= LONGEST.get(name, 80)
    assert [fault for path in files for fault in outside_of_namespaces(path, NAMESPACES)] == []


def test_each_keeps_the_laws_of_its_kind(files: Path) -> None:
    check_batcher(part("outside_hard_negatives"), vectors=str(files / "vectors.npy"))
    check_objective(part("outside_teacher"), similarities=str(files / "similarities.npy"))
    check_encoder(part("outside_segments"), image_size=32)
    check_encoder(part("outside_roles"), image_size=32)
    check_mask(part("outside_learned_glow"))
    check_matcher(part("outside_soft_tokens"))
    check_fusion(part("outside_halo"), neutral=1.0)
    check_metric(part("outside_rank_area"))


def test_hard_negatives_are_the_captions_that_a_model_finds_near(tmp_path: Path) -> None:
    pairs, topics = example_pairs(), np.arange(CAPTIONS) // 3 % 8  # three captions of a video are one topic
    np.save(tmp_path / "vectors.npy", np.eye(8, dtype=np.float32)[topics][np.argsort(pairs.places)])
    batcher = build_part(part("outside_hard_negatives"), vectors=str(tmp_path / "vectors.npy"), group=3)
    batches = batcher(pairs, 6, 0, np.random.default_rng(0))
    met = [len(set(topics[batch[start : start + 3]].tolist())) for batch in batches for start in (0, 3)]
    assert met.count(1) > len(met) / 2
    assert all(len(set(pairs.contents[batch].tolist())) == 6 for batch in batches)


def test_a_student_that_scores_as_its_teacher_does_has_the_least_loss(files: Path) -> None:
    teacher = build_part(part("outside_teacher"), similarities=str(files / "similarities.npy"))
    some = example_pairs().rows([7, 0, 30, 12])
    extra = {name: torch.tensor(value) for name, value in teacher.extra(some).items()}
    own = torch.from_numpy(np.load(files / "similarities.npy"))[some.places.tolist()][:, some.videos.tolist()]

    def loss(scores: torch.Tensor) -> float:
        batch = Batch(some.ids, torch.zeros(0), {}, torch.zeros(0), torch.zeros(0), some.texts, extra=extra)
        return float(teacher(SimpleNamespace(batch=batch, scores=scores))["teacher"])

    generator = torch.Generator().manual_seed(0)
    others = [own + 0.05 * torch.randn(own.shape, generator=generator) for _ in range(20)]
    assert loss(own) < min(map(loss, others))


@OF_TRANSFORMERS
def test_video_prism_keeps_the_laws_of_encoders_without_repeating_its_vector() -> None:
    check_encoder(part("outside_video_prism"), image_size=36)


@pytest.mark.integration
@pytest.mark.parametrize("name", [needed(name) for name in NAMES])
def test_it_trains_two_steps_and_is_evaluated(name: str, catalog: Catalog, files: Path, tmp_path: Path) -> None:
    recipe = read_recipe("quickstart", catalog=catalog, settings=chosen(name, files))
    assert any(part.offer.provider.name == name.replace("_", "-") for part in recipe.all_parts())
    run_recipe(recipe, out=tmp_path / "run")
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert report["videos"]["counted"] == 96
    assert all(0 <= report[direction]["R@50"] <= 100 for direction in ("t2v", "v2t"))


class Asking:
    """An observer that asks to stop after the third step."""

    def run_started(self, *facts: object) -> None:
        """Nothing to do yet."""

    progressed = epoch_finished = run_finished = run_started

    def step_finished(self, step: StepInfo) -> bool:
        return step.step == 3


@pytest.mark.integration
def test_a_schedule_free_training_is_evaluated_at_its_mean_and_resumed_to_the_bit(
    catalog: Catalog, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [*chosen("outside_schedule_free", files), "train.max_steps=5", "train.learning_rate=0.05"]
    recipe = read_recipe("quickstart", catalog=catalog, settings=settings)
    whole = run_recipe(recipe, out=tmp_path / "whole").report
    assert "weights averaged by optimiser 'schedule-free'" in str(whole.protocol.checkpoint_chosen_by)
    with pytest.raises(Interrupted), monkeypatch.context() as patch:
        patch.setattr(ObserverGroup, "of", classmethod(lambda cls, recipe: ObserverGroup([("asking", Asking())])))
        run_recipe(recipe, out=tmp_path / "run")
    resumed = run_recipe(recipe, resume=tmp_path / "run").report
    assert resumed.provenance.weights_sha256 == whole.provenance.weights_sha256
    for name in ("best", "last"):
        one, other = (
            load_file(tmp_path / run / "checkpoints" / name / "model.safetensors") for run in ("whole", "run")
        )
        assert all(torch.equal(value, other[key]) for key, value in one.items())


@OF_TRANSFORMERS
def test_a_mask_acts_on_video_prism_through_its_pixels(catalog: Catalog) -> None:
    recipe = read_recipe("quickstart", catalog=catalog, settings=[*FAST, *CHOSEN["outside_video_prism"]])
    retriever = build_retriever(recipe, device=torch.device("cpu")).eval()
    frames = torch.randint(0, 256, (2, 4, 3, 36, 36), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    clips = ClipBatch(frames, torch.ones(2, 4, dtype=torch.bool), torch.arange(4.0).expand(2, 4))
    with torch.no_grad():
        whole, none = (retriever.encode_videos(clips, alpha(2, 4, 1, 36, 36)) for alpha in (torch.ones, torch.zeros))
    assert (whole.vectors.shape, whole.kind) == ((2, 1, 32), "clip")
    assert not torch.allclose(whole.vectors, none.vectors, atol=1e-3)


@pytest.mark.integration
def test_a_learned_mask_trains_and_is_in_the_checkpoint(catalog: Catalog, tmp_path: Path) -> None:
    recipe = read_recipe("quickstart", catalog=catalog, settings=[*FAST, *CHOSEN["outside_learned_glow"]])
    run_recipe(recipe, out=tmp_path / "run")
    weights = find_checkpoint(tmp_path / "run") / "model.safetensors"
    (threshold,) = (value for name, value in load_file(weights).items() if name.endswith("threshold"))
    assert float(threshold) != pytest.approx(0.1, abs=1e-5)


def test_what_does_not_fit_a_tower_without_a_stem_is_refused_before_anything_runs(catalog: Catalog) -> None:
    for fusion in ("alpha-conv", "attention-bias"):
        settings = [*FAST, "encoder={use='segments'}", f"fusion={{use='{fusion}'}}"]
        with pytest.raises(
            RecipeError, match=f"fusion.use: '{fusion}' gives .*, which encoder 'segments' cannot use"
        ):
            read_recipe("quickstart", catalog=catalog, settings=settings)
