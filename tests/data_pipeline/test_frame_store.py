"""Frames and masks come back from disk bit for bit, and under no other key."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.typing import NDArray

from fdakit.data_pipeline.alpha_levels import plain
from fdakit.data_pipeline.frame_store import FrameStore, estimated_bytes, file_fingerprint, record_key
from fdakit.plugin import VideoRef

KEY = record_key("v")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("frames")


def same(found: NDArray[np.generic] | None, put: NDArray[np.generic]) -> None:
    assert found is not None
    assert found.dtype == put.dtype
    np.testing.assert_array_equal(found, put)


@pytest.mark.parametrize("limit", [0, 1, 7])
def test_the_limit_is_in_millions_of_bytes(tmp_path: Path, limit: int) -> None:
    assert FrameStore(tmp_path, limit_mb=limit).room == limit * 1_000_000


def test_what_older_runs_have_kept_is_found_by_the_same_key() -> None:
    assert record_key("v", 1, None, [2.5]).hex() == "afe7a8922af94cc2242d83f45fa20323"  # changes with FORMAT alone


def mask_of(folder: Path, alpha: NDArray[np.float32], *facts: object) -> NDArray[np.float32] | None:
    """A mask put by one store and read by another."""
    key = record_key("mask", *facts)
    assert FrameStore(folder, limit_mb=100).put_mask(key, alpha)
    found = FrameStore(folder, limit_mb=100).get_mask(key)
    return None if found is None else plain(found)


@given(st.integers(1, 5), st.integers(1, 13), st.integers(1, 13), st.integers(0, 2**32))
def test_hard_masks_come_back_bit_for_bit(folder: Path, frames: int, height: int, width: int, seed: int) -> None:
    alpha = np.random.default_rng(seed).integers(0, 2, (frames, height, width)).astype(np.float32)
    same(mask_of(folder, alpha, frames, height, width, seed), alpha)


@pytest.mark.parametrize("value", [0.5, 1e-30, np.nextafter(np.float32(1), np.float32(0))])
def test_soft_masks_come_back_bit_for_bit(folder: Path, value: float) -> None:
    alpha = np.random.default_rng(0).integers(0, 2, (3, 7, 5)).astype(np.float32)
    alpha[1, 2, 3] = value  # a single soft pixel among hard ones
    same(mask_of(folder, alpha, "soft", float(value)), alpha)


def test_masks_of_whole_255ths_come_back_bit_for_bit(folder: Path) -> None:
    alpha = (np.arange(256, dtype=np.float32) / 255).reshape(1, 16, 16)
    same(mask_of(folder, alpha, "levels"), alpha)
    same(
        mask_of(folder, np.random.default_rng(1).random((2, 9, 9), np.float32), "any"),
        np.random.default_rng(1).random((2, 9, 9), np.float32),
    )


def test_masks_take_a_bit_a_byte_or_four_a_pixel(tmp_path: Path) -> None:
    sizes = {}
    for name, value in (("hard", 1), ("levels", 51 / 255), ("soft", 0.3)):
        FrameStore(tmp_path / name, limit_mb=10).put_mask(KEY, np.full((4, 224, 224), value, np.float32))
        sizes[name] = sum(path.stat().st_size for path in (tmp_path / name).iterdir())
    pixels = 4 * 224 * 224
    for name, each in (("hard", 1 / 8), ("levels", 1), ("soft", 4)):
        assert each * pixels < sizes[name] < each * pixels + 1000


def test_frames_come_back_by_name_type_and_shape(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    put = {
        "frames": rng.integers(0, 256, (3, 5, 7, 3), np.uint8),
        "times": np.array([0.1, 0.2, 1 / 3]),
        "near -1": rng.integers(0, 256, (3, 7, 5, 3), np.uint8).transpose(0, 2, 1, 3),  # not contiguous
        "pixel_aspect": np.array([4 / 3]),
    }
    assert FrameStore(tmp_path, limit_mb=1).put(KEY, put)
    found = FrameStore(tmp_path, limit_mb=1).get(KEY)
    assert found is not None
    assert list(found) == list(put)
    for name, array in put.items():
        same(found[name], array)
        assert not found[name].flags.writeable
        assert found[name].flags.aligned


def test_a_clip_takes_what_is_estimated(tmp_path: Path) -> None:
    FrameStore(tmp_path, limit_mb=10).put(KEY, {"frames": np.zeros((6, 224, 224, 3), np.uint8)})
    FrameStore(tmp_path, limit_mb=10).put_mask(record_key("m"), np.zeros((6, 224, 224), np.float32))
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert estimated_bytes(6, 224) <= size <= 1.01 * estimated_bytes(6, 224)
    assert estimated_bytes(6, 224) * 9000 == pytest.approx(8.1e9, rel=0.05) or estimated_bytes(6, 224) * 9000 > 8e9


def test_an_estimate_is_of_whole_bytes() -> None:
    assert estimated_bytes(1, 3) == 28  # 27 of colours, and of nine bits the whole bytes
    assert estimated_bytes(2, 4) == 2 * 48 + 4


def test_other_facts_make_another_key() -> None:
    facts = [("a", 1), ("a", 2), ("b", 1), (["a", 1],), ("a", None), ("a", "1")]
    assert len({record_key(*given_) for given_ in facts}) == len(facts)
    assert record_key({"a": 1, "b": 2}) == record_key({"b": 2, "a": 1})


def test_footage_changes_with_the_file_and_the_segment(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(b"one")
    seen = {file_fingerprint(VideoRef("v", path))}
    assert file_fingerprint(VideoRef("another id", path)) in seen
    seen |= {file_fingerprint(VideoRef("v", path, 0.0, 2.0)), file_fingerprint(VideoRef("v", path, 1.0, 2.0))}
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    seen.add(file_fingerprint(VideoRef("v", path)))
    path.write_bytes(b"longer")
    seen.add(file_fingerprint(VideoRef("v", path)))
    assert len(seen) == 5
    with pytest.raises(FileNotFoundError):
        file_fingerprint(VideoRef("v", tmp_path / "absent.mp4"))


def test_a_limit_of_nought_keeps_nothing(tmp_path: Path) -> None:
    store = FrameStore(tmp_path / "none", limit_mb=0)
    assert not store.put(KEY, {"frames": np.zeros((1, 2, 2, 3), np.uint8)})
    assert store.get(KEY) is None
    assert store.take_notes() == ()
    assert not (tmp_path / "none").exists()
