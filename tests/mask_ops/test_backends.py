"""The backends are equal to the bit: borders, halves of grey levels, and components included."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from fdakit import PluginError
from fdakit.mask_ops import backends
from fdakit.mask_ops.backend import MaskBackend
from fdakit.mask_ops.backends import get_backend
from fdakit.mask_ops.postprocess import footprint

REFERENCE = get_backend("scikit-image")
OTHERS = [
    "numpy",
    pytest.param("opencv", marks=pytest.mark.skipif(not backends.find_spec("cv2"), reason="OpenCV is not installed")),
    "torch",
]


def given_to(backend: MaskBackend, array: NDArray[Any], *, frames: bool = False) -> Any:
    """The array as the backend takes it; frames of torch are `(t, 3, h, w)`."""
    if type(backend).__name__ != "TorchBackend":
        return array
    import torch

    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, -1, 1) if frames else array))


def every_colour() -> NDArray[np.uint8]:
    """All colours with red among some: one frame `(1, 16 * 256, 256, 3)`."""
    red = np.array([0, 1, 2, 3, 5, 17, 31, 64, 100, 127, 128, 200, 233, 250, 254, 255], np.uint8)
    every = np.arange(256, dtype=np.uint8)
    return np.stack(np.meshgrid(red, every, every, indexing="ij"), axis=-1).reshape(1, -1, 256, 3)


@pytest.mark.parametrize("name", ["scikit-image", *OTHERS])
def test_grey_is_bt601_rounded_half_up(name: str) -> None:
    backend, colours = get_backend(name), every_colour()
    wanted = (colours.astype(np.int64) @ [299, 587, 114] + 500) // 1000
    np.testing.assert_array_equal(backend.numpy(backend.grey(given_to(backend, colours, frames=True))), wanted)


@pytest.mark.proof
@pytest.mark.parametrize("name", ["scikit-image", *OTHERS])
def test_grey_of_all_colours_there_are(name: str) -> None:
    backend, every = get_backend(name), np.arange(256, dtype=np.uint8)
    for red in range(256):
        colours = np.stack(np.meshgrid(np.uint8(red), every, every, indexing="ij"), axis=-1)
        wanted = (colours.astype(np.int64) @ [299, 587, 114] + 500) // 1000
        np.testing.assert_array_equal(backend.numpy(backend.grey(given_to(backend, colours, frames=True))), wanted)


@st.composite
def stacks(draw: st.DrawFn) -> NDArray[np.bool_]:
    """Masks `(2, h, w)` of noise, blocks or rings, of odd and tiny shapes too."""
    shape = (2, draw(st.integers(1, 40)), draw(st.integers(1, 40)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    grain = draw(st.integers(1, 6))
    coarse = rng.random((2, -(-shape[1] // grain), -(-shape[2] // grain))) < draw(st.floats(0, 1))
    return coarse.repeat(grain, axis=1).repeat(grain, axis=2)[:, : shape[1], : shape[2]]


@pytest.mark.integration
@pytest.mark.parametrize("name", OTHERS)
@given(stacks(), st.integers(1, 4), st.sampled_from(["disk", "square"]), st.integers(0, 60), st.sampled_from([4, 8]))
@settings(max_examples=60, deadline=None)
def test_every_step_equals_the_reference(
    name: str, masks: NDArray[np.bool_], radius: int, element: str, area: int, connectivity: Any
) -> None:
    backend, shape = get_backend(name), footprint(radius, element)
    steps = (
        ("close", (shape,)),
        ("open", (shape,)),
        ("dilate", (shape,)),
        ("drop_small", (area, connectivity)),
        ("fill_holes", (connectivity,)),
    )
    for step, arguments in steps:
        wanted = getattr(REFERENCE, step)(masks.copy(), *arguments)
        found = backend.numpy(getattr(backend, step)(given_to(backend, masks.copy()), *arguments))
        np.testing.assert_array_equal(found, wanted, err_msg=step)
        assert found.dtype == wanted.dtype == np.bool_


@pytest.mark.parametrize("name", OTHERS)
@given(st.integers(0, 2**32), st.lists(st.floats(0, 255), min_size=3, max_size=3))
@settings(max_examples=30, deadline=None)
def test_levels_equal_the_reference(name: str, seed: int, limits: list[float]) -> None:
    backend, rng = get_backend(name), np.random.default_rng(seed)
    one, other = rng.integers(0, 256, (2, 3, 9, 13), np.uint8)
    theirs = given_to(backend, one), given_to(backend, other)
    np.testing.assert_array_equal(backend.numpy(backend.difference(*theirs)), REFERENCE.difference(one, other))
    for pick in ("largest", "smallest"):
        found = getattr(backend, pick)(backend.stack(list(theirs)))
        np.testing.assert_array_equal(backend.numpy(found), getattr(REFERENCE, pick)(np.stack([one, other])))
    np.testing.assert_array_equal(backend.counts(theirs[0]), REFERENCE.counts(one))
    found = backend.above(theirs[0], np.array(limits))
    np.testing.assert_array_equal(backend.numpy(found), one > np.array(limits)[:, None, None])


@pytest.mark.parametrize("name", ["scikit-image", *OTHERS])
def test_a_step_leaves_its_input_alone(name: str) -> None:
    backend, rng = get_backend(name), np.random.default_rng(0)
    masks = rng.random((2, 20, 20)) < 0.4
    given_masks = given_to(backend, masks.copy())
    for step, arguments in (("close", (footprint(2, "disk"),)), ("drop_small", (9, 8)), ("fill_holes", (8,))):
        getattr(backend, step)(given_masks, *arguments)
    np.testing.assert_array_equal(backend.numpy(given_masks), masks)


def test_a_snake_is_one_component_on_a_device_too() -> None:
    """The worst case of propagated labels: one pixel wide, as long as the picture allows."""
    snake = np.zeros((1, 41, 41), np.bool_)
    snake[0, ::2] = True
    snake[0, 1::4, -1] = snake[0, 3::4, 0] = True
    backend = get_backend("torch")
    for area, kept in ((int(snake.sum()), True), (int(snake.sum()) + 1, False)):
        found = backend.drop_small(given_to(backend, snake), area, 4)
        assert bool(found.any()) is kept


def test_without_opencv_the_reference_is_taken_and_asking_for_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backends, "find_spec", lambda name: None if name == "cv2" else object())
    assert get_backend("auto") is get_backend("numpy")
    with pytest.raises(
        PluginError, match="backend 'opencv': cv2 is not installed; pip install \"fdakit\\[opencv\\]\""
    ):
        get_backend("opencv")


def test_an_opencv_that_cannot_be_loaded_is_passed_over_and_asking_for_it_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    assert get_backend("auto") is get_backend("numpy")
    with pytest.raises(PluginError, match=r"'opencv': cv2 cannot load .*libGL.*; pip install opencv-python-headless"):
        get_backend("opencv")
