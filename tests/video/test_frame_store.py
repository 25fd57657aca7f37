"""Clips kept in memory come back as they were, and never take more room than they may."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fdakit.video.frame_store import FrameStore, StoredClip


def clip(alpha: NDArray[np.float32], seed: int = 0) -> StoredClip:
    frames = np.random.default_rng(seed).integers(0, 256, (*alpha.shape, 3), np.uint8)
    return StoredClip(frames, alpha, np.arange(len(alpha)) / 8)


def same(found: StoredClip | None, put: StoredClip) -> None:
    assert found is not None
    for name in ("frames", "alpha", "times"):
        got, given_ = getattr(found, name), getattr(put, name)
        assert got.dtype == given_.dtype
        np.testing.assert_array_equal(got, given_)


@given(st.integers(1, 5), st.integers(1, 13), st.integers(1, 13), st.integers(0, 2**32))
@settings(deadline=None)
def test_hard_masks_come_back_bit_for_bit(frames: int, height: int, width: int, seed: int) -> None:
    alpha = np.random.default_rng(seed).integers(0, 2, (frames, height, width)).astype(np.float32)
    store, put = FrameStore(limit_mb=1), clip(alpha)
    store.put("v", put)
    same(store.get("v"), put)


@pytest.mark.parametrize("value", [0.5, 1e-30, np.nextafter(np.float32(1), np.float32(0))])
def test_soft_masks_come_back_bit_for_bit(value: float) -> None:
    alpha = np.random.default_rng(0).integers(0, 2, (3, 7, 5)).astype(np.float32)
    alpha[1, 2, 3] = value  # a single soft pixel among hard ones
    store, put = FrameStore(limit_mb=1), clip(alpha)
    store.put("v", put)
    same(store.get("v"), put)


def test_every_clip_is_kept_under_its_own_name() -> None:
    store = FrameStore(limit_mb=1)
    shares = {"a": 0, "b": 1, "c": 0.25}
    puts = {name: clip(np.full((2, 4, 4), share, np.float32), ord(name)) for name, share in shares.items()}
    for name, put in puts.items():
        store.put(name, put)
    assert len(store) == 3
    assert store.get("d") is None
    for name, put in puts.items():
        same(store.get(name), put)


def test_what_does_not_fit_is_not_kept_and_what_fits_later_is() -> None:
    store = FrameStore(limit_mb=1)
    big, bigger, small = (clip(np.ones((1, side, side), np.float32)) for side in (400, 500, 100))
    for name, put in (("big", big), ("bigger", bigger), ("small", small), ("again", big)):
        store.put(name, put)  # 0.50, 0.78, 0.03 and 0.50 MB
    assert store.get("bigger") is None
    same(store.get("small"), small)
    same(store.get("big"), big)
    assert store.get("again") is None
    assert len(store) == 2


def test_soft_masks_count_for_what_they_take() -> None:
    hard, soft = (clip(np.full((1, 250, 250), share, np.float32)) for share in (1, 0.5))
    held = []
    for put in (hard, soft):
        store = FrameStore(limit_mb=1)
        for name in range(9):
            store.put(str(name), put)
        held.append(len(store))
    assert held == [5, 2]  # 0.195 MB with a bit a pixel, 0.4375 MB with four bytes


def test_a_limit_of_nought_keeps_nothing() -> None:
    store = FrameStore(limit_mb=0)
    store.put("v", clip(np.ones((1, 2, 2), np.float32)))
    assert store.get("v") is None
    assert len(store) == 0
