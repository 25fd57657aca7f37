"""OpenCV chains written by hand: they find what moves where the camera lets them, and are left out without it."""

from __future__ import annotations

import numpy as np
import pytest

from fdakit import FdakitError
from fdakit.bench import mask_peers
from fdakit.bench.clips import spread
from fdakit.bench.mask_clips import LENGTH, find_conditions, make_clip
from fdakit.bench.mask_peers import MASK_PEERS, find_mask_peers
from fdakit.bench.mask_scores import Counts
from fdakit.values import Clip
from fdakit.video import read_frames

pytest.importorskip("cv2")


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, float]]:
    """By peer and condition, of two clips each."""
    cache, found = tmp_path_factory.mktemp("cache"), {}
    indices = spread(LENGTH, 6)
    for condition in find_conditions(["still", "pan-2"]):
        for name, peer in find_mask_peers(None).items():
            counts = Counts()
            for number in (1, 2):
                clip = make_clip(condition, number, size=160, cache=cache)
                alpha = peer(read_frames(clip.video, indices=indices, needs=peer.needs))
                assert set(np.unique(alpha)) <= {0, 1}
                counts.add(alpha, clip.truth[indices])
            found[name, condition.name] = {key: value or 0.0 for key, value in counts.figures().items()}
    return found


@pytest.mark.integration
@pytest.mark.parametrize("name", MASK_PEERS)
def test_it_finds_what_moves_before_a_camera_that_stands(name: str, figures: dict) -> None:
    still = figures[name, "still"]
    assert still["precision"] > 5 * still["truth"]
    assert still["recall"] > 0.1


def test_only_the_aligned_one_bears_a_pan(figures: dict) -> None:
    for name in MASK_PEERS:
        kept = figures[name, "pan-2"]["precision"] / figures[name, "still"]["precision"]
        assert kept > 0.8 if name == "opencv-aligned" else kept < 0.6, (name, kept)


@pytest.mark.parametrize("name", MASK_PEERS)
@pytest.mark.parametrize("count", [1, 3])
def test_where_nothing_is_to_be_seen_nothing_is_marked(name: str, count: int) -> None:
    peer = MASK_PEERS[name]()
    frames = np.full((count, 48, 64, 3), 90, np.uint8)
    clip = Clip("a", frames, np.arange(float(count)), dict.fromkeys(peer.needs.neighbours, frames))
    alpha = peer(clip)
    assert (alpha.shape, alpha.dtype, alpha.any()) == ((count, 48, 64), np.float32, False)


def test_the_difference_marks_the_old_and_the_new_place() -> None:
    frames = np.full((3, 60, 90, 3), 40, np.uint8)
    for place, frame in enumerate(frames):
        frame[20:40, 25 * place + 5 : 25 * place + 25] = 200
    frames[2, 50:54, 50:54] = 200  # 16 px are no component that counts
    alpha = MASK_PEERS["opencv-difference"]()(Clip("a", frames, np.arange(3.0)))
    wanted = np.zeros((3, 60, 90), bool)
    for place, columns in ((1, (5, 25, 30, 50)), (2, (30, 50, 55, 75))):
        wanted[place, 20:40, columns[0] : columns[1]] = wanted[place, 20:40, columns[2] : columns[3]] = True
    wanted[0] = wanted[1]
    assert (alpha.astype(bool) != wanted).mean() < 0.01  # closing and opening round corners


def test_peers_are_chosen_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(find_mask_peers(None)) == list(MASK_PEERS)
    assert list(find_mask_peers(["opencv-mog2"])) == ["opencv-mog2"]
    assert find_mask_peers([]) == {}
    with pytest.raises(FdakitError, match="no peer 'opencv-mog'; did you mean 'opencv-mog2'"):
        find_mask_peers(["opencv-mog"])
    monkeypatch.setattr(mask_peers, "find_spec", lambda name: None)
    assert find_mask_peers(None) == {}
    with pytest.raises(FdakitError, match=r"'opencv-mog2': OpenCV is not installed; pip install \"fdakit\[bench\]\""):
        find_mask_peers(["opencv-mog2"])
