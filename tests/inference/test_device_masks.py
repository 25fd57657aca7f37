"""Masks on the device: the same as in the loader under every control, trained with the rest, saved and loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from helpers.example_parts import Learned

from fdakit import CheckpointError, PluginError
from fdakit.catalog import Catalog
from fdakit.choices import Control
from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.data_pipeline.loading.clip_loader import batches
from fdakit.errors import PartError
from fdakit.experiment.checkpoint_evaluation import evaluate_checkpoint
from fdakit.experiment.run import run_recipe
from fdakit.features import ClipBatch
from fdakit.inference.batch_alphas import batch_alphas
from fdakit.inference.checkpoint import Checkpoint
from fdakit.inference.factory import build_retriever
from fdakit.inference.loaded_retriever import LoadedRetriever
from fdakit.mask_inspection.statistics import ClipMaskStats, MaskDataset
from fdakit.model.retriever import Retriever
from fdakit.plugin import BuildContext, Needs, VideoRef
from fdakit.recipe.recipe import Recipe
from fdakit.training.optimisation.parameter_groups import training_rows

CPU = torch.device("cpu")
MakeRecipe = Callable[..., Recipe]
NAMES = ("red-across", "green-across", "blue-down", "pink-down", "red-rests")
CONTROLS: tuple[Control, ...] = get_args(Control)
LEARNED = {"use": "learned"}


def alphas(
    recipe: Recipe, retriever: Retriever, clips: Path, *, controls: Sequence[Control] = ("none",)
) -> dict[str, torch.Tensor]:
    """The alphas of all clips in one batch, the last of one frame and the others of three."""
    videos = [VideoRef(name, clips / f"{name}.mp4") for name in NAMES]
    shapes = BuildContext()
    source = ClipDataset(
        ClipSettings.of(recipe),
        videos,
        training=False,
        preprocess=retriever.preprocess,
        shapes=shapes,
        controls=controls,
    )
    (batch,) = batches(source, [[ClipRequest(place) for place in range(len(NAMES))]], workers=0, prefetch=1)
    return dict(batch_alphas(retriever, batch, ClipBatch.of(batch, CPU)))


@pytest.mark.integration
@pytest.mark.parametrize("options", [{}, {"reference": "native", "gap": 2, "grey": "decoder-luma"}])
def test_a_mask_on_the_device_equals_the_loaders_under_every_control(
    make_recipe: MakeRecipe, clips: Path, options: dict[str, Any]
) -> None:
    mask = {"use": "frame-difference", **options}
    recipes = [make_recipe(mask={**mask, "backend": backend}) for backend in ("torch", "numpy")]
    retrievers = [build_retriever(recipe, device=CPU).eval() for recipe in recipes]
    assert [one.mask is None for one in retrievers] == [False, True]
    device, loader = (
        alphas(recipe, one, clips, controls=CONTROLS) for recipe, one in zip(recipes, retrievers, strict=True)
    )
    assert list(device) == list(loader) == list(CONTROLS)
    for control in CONTROLS:
        assert torch.equal(device[control], loader[control]), control
    assert not torch.equal(device["none"], device["other-video"])


@pytest.mark.integration
def test_a_mask_on_the_device_gives_the_vectors_and_statistics_of_the_loaders(
    make_recipe: MakeRecipe, clips: Path
) -> None:
    paths = [clips / f"{name}.mp4" for name in NAMES]
    videos = [VideoRef(path.stem, path) for path in paths]
    vectors, counted = [], []
    for backend in ("torch", "numpy"):
        mask = {"use": "frame-difference", "backend": backend}
        recipe = make_recipe(mask=mask, fusion={"use": "multiply"})
        loaded = LoadedRetriever(recipe, build_retriever(recipe, device=CPU).eval(), CPU)
        vectors.append([loaded.encode_videos(paths, control=control, batch_size=2) for control in CONTROLS])
        source = MaskDataset(recipe, videos, training=False)
        counted.append([source[number] for number in range(len(videos))])
    for control, one, other in zip(CONTROLS, *vectors, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=control)
    assert len({vector.tobytes() for vector in vectors[0]}) == len(CONTROLS) - 1  # 0.5 multiplies as 1
    for one, other in zip(*counted, strict=True):
        assert isinstance(one, ClipMaskStats) and isinstance(other, ClipMaskStats)
        assert (one.coverage, one.remarks) == (other.coverage, other.remarks)
    assert {word for one in counted[0] for word in one.remarks} == {"", "alone"}


def test_what_a_mask_on_the_device_returns_is_checked(make_recipe: MakeRecipe) -> None:
    retriever = build_retriever(make_recipe(mask={"use": "on-device"}), device=CPU)
    frames = torch.randint(0, 255, (2, 3, 3, 32, 32), dtype=torch.uint8)
    clips = ClipBatch(frames, torch.tensor([[True] * 3, [True, False, False]]), torch.zeros(2, 3))
    found = retriever.alphas(clips)
    assert found.shape == (2, 3, 1, 32, 32)
    assert torch.equal(found[0, :, 0], (frames[0, :, 0] > 150).float())
    assert found[1, 1:].count_nonzero() == 0

    def scribble(clips: ClipBatch) -> torch.Tensor:
        clips.frames[0, 0] += 1
        return torch.zeros(2, 3, 32, 32)

    wrong: list[tuple[Callable[[ClipBatch], Any], str]] = [
        (
            lambda clips: clips.frames[:, :, 0],
            r"returned torch\.uint8.*; wanted float32\(2, 3, 32, 32\)",
        ),
        (lambda clips: torch.zeros(2, 3, 1, 32, 32), r"returned torch\.float32\(2, 3, 1, 32, 32\)"),
        (lambda clips: torch.full((2, 3, 32, 32), 1.5), r"values from 1\.5 to 1\.5; wanted 0 to 1"),
        (lambda clips: torch.full((2, 3, 32, 32), float("nan")), "values from nan to nan"),
        (lambda clips: torch.rand(2, 3, 32, 32), "two calls on the same batch"),
        (scribble, "changed the frames"),
        (lambda clips: clips.luma[0], "KeyError: 0"),
    ]
    for call, words in wrong:
        retriever._tried_masks.clear()
        retriever.mask = call  # type: ignore[assignment]
        with pytest.raises(PluginError, match=rf"^mask 'on-device' .* failed while masking a batch: {words}"):
            retriever.alphas(clips)


def test_a_mask_on_the_device_gets_no_motion_vectors(make_recipe: MakeRecipe, monkeypatch: Any) -> None:
    monkeypatch.setattr(Learned, "needs", Needs(motion_vectors=True))
    with pytest.raises(PartError, match=r"^mask 'learned' .*needs\.motion_vectors is True, but .* 'worker'"):
        build_retriever(make_recipe(mask=LEARNED), device=CPU)


@pytest.mark.integration
def test_a_learned_mask_trains_and_is_saved_and_loaded(
    make_recipe: MakeRecipe, catalog: Catalog, tmp_path: Path
) -> None:
    train = {"epochs": 2, "rates": {"mask": 1e-2}}
    recipe = make_recipe(mask=LEARNED, train=train, eval={"controls": ["other-video", "inverse"]})
    before = build_retriever(recipe, device=CPU)
    names = {name for name in before.state_dict() if name.startswith("mask.")}
    assert names == {"mask.threshold", "mask.slope"}
    finished = run_recipe(recipe, out=tmp_path / "run")
    best = Checkpoint.open(tmp_path / "run")
    saved = best.recipe(catalog=catalog)
    after = best.load(saved, device=CPU)
    start, end = before.state_dict(), after.state_dict()
    assert all(float((start[name] - end[name]).abs()) > 1e-3 for name in names)
    again = evaluate_checkpoint(saved, best)
    for key in ("t2v", "v2t", "controls"):
        assert again.report.to_json()[key] == finished.report.to_json()[key]
    other = replace(recipe, parts={**recipe.parts, "mask": make_recipe().parts["mask"]})
    with pytest.raises(CheckpointError, match="mask"):
        best.load(other, device=CPU)


def test_the_table_of_what_trains_has_a_row_for_the_mask(make_recipe: MakeRecipe) -> None:
    for train, wanted in (({"rates": {"mask": 1e-2}}, (True, 1e-2)), ({"freeze": ["mask"]}, (False, None))):
        rows = {row.name.partition(",")[0]: row for row in training_rows(make_recipe(mask=LEARNED, train=train))}
        assert rows["mask"].weights == ("mask.threshold", "mask.slope")
        assert (rows["mask"].trains, rows["mask"].rate) == wanted


@pytest.mark.integration
def test_a_frozen_mask_stays_as_built(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(mask=LEARNED, train={"epochs": 1, "freeze": ["mask"]})
    run_recipe(recipe, out=tmp_path / "run")
    found = Checkpoint.open(tmp_path / "run").load(recipe, device=CPU).state_dict()
    built = build_retriever(recipe, device=CPU).state_dict()
    assert torch.equal(found["mask.threshold"], built["mask.threshold"])
    assert not torch.equal(found["fusion.convolutions.0.weight"], built["fusion.convolutions.0.weight"])
