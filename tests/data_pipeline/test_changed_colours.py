"""Colour jitter on its way into batches: the model sees it, masks and the frame store do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.data_pipeline.loaded_batch import LoadedBatch
from fdakit.data_pipeline.loading.clip_loader import batches
from fdakit.features import ClipBatch
from fdakit.inference.batch_alphas import batch_alphas
from fdakit.inference.factory import build_retriever
from fdakit.plugin import BuildContext, Preprocess, VideoRef
from fdakit.random_keys import keyed_rng
from fdakit.recipe.recipe import Recipe
from fdakit.video.colour_jitter import ColourJitter

pytestmark = pytest.mark.integration

MakeRecipe = Callable[..., Recipe]
NAMES = ("red-across", "green-across", "blue-down")
COLOURS = {"brightness": 0.5, "contrast": 0.5, "saturation": 0.5, "hue": 0.2}
PLAN = [[ClipRequest(0, 1, "a"), ClipRequest(2, 1, "b")], [ClipRequest(1, 2, "c")]]
ON_DEVICE = {"use": "frame-difference", "backend": "torch", "reference": "native"}


@pytest.fixture
def load(make_recipe: MakeRecipe, clips: Path) -> Callable[..., list[LoadedBatch]]:
    """`load(training=True, workers=0, plan=PLAN, **tables)`: the batches of a plan."""

    def loaded(
        training: bool = True, workers: int = 0, plan: Any = None, controls: Any = (), **tables: Any
    ) -> list[LoadedBatch]:
        source = ClipDataset(
            ClipSettings.of(make_recipe(**tables)),
            [VideoRef(name, clips / f"{name}.mp4") for name in NAMES],
            training=training,
            preprocess=Preprocess(size=32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
            shapes=BuildContext(),
            controls=controls,
        )
        return list(batches(source, plan or PLAN, workers=workers, prefetch=2))

    return loaded


def frames_of(batch: LoadedBatch, row: int) -> Any:
    """The frames of a clip `(t, s, s, 3)`."""
    return batch.frames[row][batch.valid[row]].permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("view", [{}, {"flip": 0.5, "crop_scale": [0.5, 1.0]}])
def test_the_model_sees_other_colours_and_the_mask_does_not(
    load: Callable[..., list[LoadedBatch]], make_recipe: MakeRecipe, view: dict[str, Any]
) -> None:
    plain, jittered = load(view=view), load(view={**view, **COLOURS})
    jitter = ColourJitter(make_recipe(view=COLOURS).view)
    for own, changed, draws in zip(plain, jittered, PLAN, strict=True):
        assert torch.equal(own.alphas["none"], changed.alphas["none"])
        assert changed.neighbours == {}
        for row, draw in enumerate(draws):
            wanted = jitter(frames_of(own, row), keyed_rng(3, "colours", draw.epoch, NAMES[draw.video]))
            np.testing.assert_array_equal(frames_of(changed, row), wanted)
            assert not np.array_equal(frames_of(own, row), wanted)


def test_workers_and_the_store_change_nothing(load: Callable[..., list[LoadedBatch]]) -> None:
    tables: dict[str, Any] = {"view": {**COLOURS, "flip": 0.5}, "sampler": {"train_pick": "centre"}}
    fresh = load(frame_store={"enabled": False}, **tables)
    for other in (load(**tables), load(**tables), load(workers=2, **tables)):
        for one, again in zip(fresh, other, strict=True):
            assert torch.equal(one.frames, again.frames)
            assert torch.equal(one.alphas["none"], again.alphas["none"])


@pytest.mark.parametrize("draws", [0, 1])
def test_each_epoch_has_its_own_colours_though_the_clip_is_stored(
    load: Callable[..., list[LoadedBatch]], draws: int
) -> None:
    tables = {"view": COLOURS, "sampler": {"train_pick": "centre"}, "frame_store": {"draws": draws}}
    first, second, again = load(plan=[[ClipRequest(0, epoch)] for epoch in (0, 1, 0)], **tables)
    assert not torch.equal(first.frames, second.frames)
    assert torch.equal(first.frames, again.frames)
    assert torch.equal(first.alphas["none"], second.alphas["none"])


def test_evaluation_keeps_the_colours(load: Callable[..., list[LoadedBatch]]) -> None:
    for plain, same in zip(load(training=False), load(training=False, view=COLOURS), strict=True):
        assert torch.equal(plain.frames, same.frames)


@pytest.mark.parametrize("controls", [(), ("other-video",)])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_mask_on_the_device_is_given_the_videos_own_colours(
    load: Callable[..., list[LoadedBatch]], make_recipe: MakeRecipe, controls: tuple[str, ...], workers: int
) -> None:
    retriever = build_retriever(make_recipe(mask=ON_DEVICE), device=torch.device("cpu"))
    tables: dict[str, Any] = {"mask": ON_DEVICE, "controls": controls, "workers": workers}
    for plain, changed in zip(load(**tables), load(view=COLOURS, **tables), strict=True):
        assert torch.equal(changed.neighbours[0], plain.frames)
        assert not torch.equal(changed.frames, plain.frames)
        both = [
            batch_alphas(retriever, batch, ClipBatch.of(batch, torch.device("cpu"))) for batch in (plain, changed)
        ]
        for control, masks in both[0].items():
            assert torch.equal(masks, both[1][control])
            assert masks.any()
