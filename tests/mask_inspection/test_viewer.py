"""Seeing masks: the frames that a mask is given, what it makes of them, and the picture in a notebook."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import sample_plugins
from PIL import Image

from fdakit import FdakitError, RecipeError, VideoError
from fdakit.catalog import Catalog, load_catalog
from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_item import ClipItem
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.errors import PartError
from fdakit.mask_inspection.selection import MaskSelection, choose_masks
from fdakit.mask_inspection.viewer import MaskViewer, show_masks, tower_view
from fdakit.plugin import BuildContext, Clip, Needs, VideoRef
from fdakit.recipe.recipe import Recipe
from fdakit.video import read_frames

MakeRecipe = Callable[..., Recipe]


@pytest.fixture
def red(clips: Path) -> VideoRef:
    """12 frames of 64 x 48 px at 8 a second."""
    return VideoRef("red-across", clips / "red-across.mp4")


class Strict:
    """A mask that marks all where it was given exactly what it asked for."""

    place = "worker"

    def __init__(self, needs: Needs, remarks: Any = None) -> None:
        self.needs = needs
        if remarks is not None:
            self.remarks = lambda clip: remarks

    def __call__(self, clip: Clip) -> Any:
        asked = self.needs
        given = (set(clip.neighbours), clip.motion_vectors is not None, set(clip.luma))
        wanted = (set(asked.neighbours), asked.motion_vectors, {0, *asked.neighbours} if asked.luma else set())
        return np.full(clip.frames.shape[:3], float(given == wanted), np.float32)


def strict(*masks: Strict) -> MaskSelection:
    """A choice of these masks, side by side."""
    names = [f"strict-{number}" for number in range(len(masks))]
    parts = [
        sample_plugins.component(name, lambda options, shapes, made=mask: made)
        for name, mask in zip(names, masks, strict=True)
    ]
    return choose_masks(compare=names, catalog=load_catalog(extra=[sample_plugins.offering("mask", *parts)]))


def test_frames_keep_their_aspect_and_masks_are_made_at_that_size(catalog: Catalog, red: VideoRef) -> None:
    choice = choose_masks(["frame-difference"], frames=3, catalog=catalog)
    seen = MaskViewer(choice, size=96).see(red)
    assert seen.frames.shape == (3, 96, 128, 3)
    assert seen.indices.tolist() == [2, 6, 10]
    assert seen.times.tolist() == [2 / 8, 6 / 8, 10 / 8]
    assert (seen.count, seen.duration) == (12, 12 / 8)
    clip = read_frames(red, indices=seen.indices, size=(96, 128))
    np.testing.assert_array_equal(seen.frames, clip.frames)
    (mask,) = seen.masks
    np.testing.assert_array_equal(
        mask.alpha, choice.masks["frame-difference"].build(BuildContext(image_size=96))(clip)
    )
    np.testing.assert_allclose(mask.coverage, mask.alpha.mean((1, 2)))


def test_with_a_recipe_a_clip_is_what_evaluation_is_given(
    make_recipe: MakeRecipe, red: VideoRef, catalog: Catalog
) -> None:
    recipe = make_recipe(mask={"use": "neighbouring", "gap": -2}, view={"resize": "squash"})
    preprocess, shapes = tower_view(recipe)
    item = ClipDataset(ClipSettings.of(recipe), [red], training=False, preprocess=preprocess, shapes=shapes)[
        ClipRequest(0)
    ]
    assert isinstance(item, ClipItem)
    seen = MaskViewer(MaskSelection(recipe, True, {"neighbouring": recipe.parts["mask"]})).see(red)
    np.testing.assert_array_equal(seen.frames, item.frames)
    np.testing.assert_array_equal(seen.masks[0].alpha, item.alphas["none"])
    assert 0 < seen.masks[0].coverage.mean() < 1
    assert seen.times.tolist() == item.times.tolist()
    larger = MaskViewer(MaskSelection(recipe, True, {"neighbouring": recipe.parts["mask"]}), size=48).see(red)
    assert larger.frames.shape[1:] == (48, 48, 3)


def test_each_mask_is_given_what_it_asks_for_and_nothing_that_another_does(red: VideoRef) -> None:
    choice = strict(
        Strict(Needs()),
        Strict(Needs(neighbours=(-1,))),
        Strict(Needs(neighbours=(-2, 3), luma=True)),
        Strict(Needs(motion_vectors=True)),
    )
    assert [mask.coverage.min() for mask in MaskViewer(choice).see(red).masks] == [1, 1, 1, 1]


def test_remarks_are_told_a_word_a_frame_or_named_as_the_parts_fault(red: VideoRef) -> None:
    words = ("cut", *[""] * 11)
    seen = MaskViewer(strict(Strict(Needs(), words), Strict(Needs()))).see(red)
    assert [mask.remarks for mask in seen.masks] == [words, ("",) * 12]
    for wrong in (("cut",), (1,) * 12):
        with pytest.raises(PartError, match=r"strict-0.*wanted 12 strings"):
            MaskViewer(strict(Strict(Needs(), wrong))).see(red)


def test_masks_of_the_device_are_seen_too(catalog: Catalog, red: VideoRef) -> None:
    choice = choose_masks(["on-device"], catalog=catalog, settings=["train.device=cpu"])
    seen = MaskViewer(choice, size=48).see(red)
    np.testing.assert_array_equal(seen.masks[0].alpha, (seen.frames[..., 0] > 150).astype(np.float32))


def test_other_frames_may_be_asked_for_and_there_may_be_only_one(
    catalog: Catalog, clips: Path, red: VideoRef
) -> None:
    viewer = MaskViewer(choose_masks(catalog=catalog, frames=2), size=48)
    assert len(viewer.see(red).times) == 2
    assert len(viewer.see(red, frames=7).times) == 7
    assert len(viewer.see(red, frames=70).times) == 12
    still = viewer.see(VideoRef("still", clips / "red-rests.mp4"), frames=7)
    assert (still.count, still.duration, len(still.times)) == (1, 0, 1)
    assert still.sheet().width > 0


def test_a_notebook_gets_the_arrays_and_the_picture(red: VideoRef, tmp_path: Path) -> None:
    shown = show_masks(red.path, compare="whole-frame", frames=4, size=64, threshold=30)
    assert list(shown.alpha) == ["frame-difference", "whole-frame"]
    assert {a.shape for a in shown.alpha.values()} == {(4, 64, 85)}
    assert shown.frames.shape == (4, 64, 85, 3)
    assert shown.coverage["whole-frame"].tolist() == [1, 1, 1, 1]
    assert 0 < shown.coverage["frame-difference"].mean() < 0.5
    assert shown.remarks["frame-difference"] == ("",) * 4
    assert shown.times.shape == (4,)
    assert "red-across.mp4" in repr(shown)
    assert "100.0% covered" in repr(shown)
    drawn = Image.open(io.BytesIO(shown._repr_png_()))
    assert drawn.size == shown.image.size
    shown.save(tmp_path / "sheet.png")
    assert Image.open(tmp_path / "sheet.png").size == shown.image.size


def test_options_change_the_mask(red: VideoRef) -> None:
    low, high = (show_masks(red.path, frames=4, size=64, threshold=level) for level in (5, 120))
    assert low.coverage["frame-difference"].sum() > high.coverage["frame-difference"].sum()


def test_what_cannot_be_shown_is_worded(red: VideoRef, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="did you mean 'threshold'"):
        show_masks(red.path, thresold=3)
    with pytest.raises(RecipeError, match="did you mean 'frame-difference'"):
        show_masks(red.path, "frame-diference")
    with pytest.raises(VideoError, match="no such file"):
        show_masks(tmp_path / "gone.mp4")
    for wrong in ({"frames": 0}, {"size": 4}):
        with pytest.raises(FdakitError, match="give at least 1 frame of at least 8 px"):
            show_masks(red.path, **wrong)
    shown = show_masks(red.path, frames=1, size=16)
    for path in (tmp_path / "no" / "sheet.png", tmp_path / "sheet.nothing"):
        with pytest.raises(FdakitError, match="cannot be written"):
            shown.save(path)


def test_a_mask_with_weights_is_shown_as_built_and_that_is_said(make_recipe: Any, clips: Path) -> None:
    recipe = make_recipe(mask={"use": "learned"})
    choice = MaskSelection(recipe, True, {"learned": recipe.parts["mask"]})
    with pytest.warns(UserWarning, match=r"^mask 'learned' .*: its weights are those it is built with"):
        viewer = MaskViewer(choice)
    (shown,) = viewer.see(VideoRef("red", clips / "red-across.mp4")).masks
    assert shown.alpha.shape == (3, 32, 32)
    assert 0 < shown.alpha.mean() < 0.5
