"""moving-order: pairs of clips with the same frames in the opposite order, and a law about what cannot tell them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

import fdakit
from fdakit.builtin.datasets.moving_order import MOVING_ORDER, MovingOrder, MovingOrderOptions, build
from fdakit.builtin.samplers.uniform import Uniform
from fdakit.catalog import load_catalog
from fdakit.plugin import BuildContext, Split, VideoRef
from fdakit.ranking.metrics import metrics
from fdakit.ranking.ranks import rank_captions
from fdakit.recipe.validation import read_recipe
from fdakit.synthetic import render
from fdakit.synthetic.order_scene import CAPTIONS, STEPS, backwards, caption_of, motion_of, plan_pair
from fdakit.synthetic.rendered_set import RenderedSet
from fdakit.values import Scores

pytestmark = pytest.mark.integration

BLIND = ("mask.use=whole-frame", "fusion.use=none")


def _silent(what: str, done: int, total: int) -> None:
    pass


def _dataset(cache: Path, **options: Any) -> MovingOrder:
    return build(MovingOrderOptions(**{"clips": 12, **options}), BuildContext(cache=cache))


def _decode(video: VideoRef) -> NDArray[np.uint8]:
    with av.open(str(video.path)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def _pairs(paths: list[Path], *settings: str) -> NDArray[np.float32]:
    """The vectors `(pairs, 2, d)` of clips under the recipe `order` with random weights."""
    with pytest.warns(UserWarning, match="random"):
        model = fdakit.load("order", device="cpu", settings=settings)
    return model.encode_videos(paths).reshape(len(paths) // 2, 2, -1)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Split]:
    """The first 12 clips: one shape with each of its motions."""
    yield _dataset(tmp_path_factory.mktemp("cache")).load("train", _silent)


def test_captions_differ_in_direction_and_order_alone() -> None:
    texts = [caption_of(index) for index in range(CAPTIONS)]
    assert len(set(texts)) == CAPTIONS == 384
    assert texts[:6:2] == ["a red circle moves left", "a red circle moves up", "a red circle moves left, then up"]
    assert texts[5] == "a red circle moves down, then right"
    assert any(text.startswith("an orange cross moves up, then") for text in texts)
    assert [caption_of(index) for index in range(CAPTIONS, CAPTIONS + 4)] == texts[:4]
    # Each motion is asked of each shape, so neither tells the other.
    shapes, ways = zip(*(text.split(" moves ") for text in texts), strict=True)
    assert set(Counter(shapes).values()) == {12}
    assert set(Counter(ways).values()) == {32}


def test_a_motion_backwards_is_another_one_and_twice_backwards_the_same() -> None:
    motions = {motion_of(index) for index in range(12)}
    assert len(motions) == 12
    for motion in motions:
        assert backwards(motion) in motions - {motion}
        assert backwards(backwards(motion)) == motion


def test_the_second_clip_of_a_pair_is_the_first_one_backwards_to_the_bit(rendered: Split) -> None:
    for first, second in zip(rendered.videos[::2], rendered.videos[1::2], strict=True):
        forward, back = _decode(first), _decode(second)
        assert (forward == back[::-1]).all()
        assert (forward != back).any()


def test_shapes_go_where_the_caption_says_and_stay_in_the_picture(tmp_path: Path) -> None:
    look = _dataset(tmp_path).look
    for pair in range(0, 192, 5):
        path, ways = plan_pair(look, "val", pair).mover.centres, motion_of(2 * pair)
        parts = np.array_split(np.diff(path, axis=0), len(ways))
        for part, way in zip(parts, ways, strict=True):
            # The step in the middle of the clip may hold the corner.
            gone = part[1:-1].sum(axis=0)
            assert np.abs(gone).sum() > 5
            assert np.sign(np.round(gone, 9)).tolist() == list(STEPS[way])
        assert path.min() > 5 and path.max() < look.size - 6


def test_files_decode_to_what_was_drawn(tmp_path: Path, rendered: Split) -> None:
    look = _dataset(tmp_path).look
    drawn = render.draw_scene(look, plan_pair(look, "train", 2), "train", 2)
    decoded = _decode(rendered.videos[4])
    assert decoded.shape == drawn.shape == (20, 64, 64, 3)
    assert np.abs(decoded.mean(axis=3) - drawn.mean(axis=3)).mean() < 4


def test_resting_shapes_are_of_other_colours(tmp_path: Path) -> None:
    look = _dataset(tmp_path, distractors=7).look
    scene = plan_pair(look, "test", 9)
    assert len({scene.mover.kind[0], *(shape.kind[0] for shape in scene.still)}) == 8


def test_the_recipe_samples_the_same_frames_forwards_and_backwards() -> None:
    recipe = read_recipe("order", catalog=load_catalog())
    options: Any = recipe.parts["dataset"].options
    sampler: Any = recipe.parts["sampler"].options
    for training in (False, True):
        chosen = Uniform(sampler)(options.frames, np.arange(options.frames) / 8, training, np.random.default_rng(0))
        assert (options.frames - 1 - chosen)[::-1].tolist() == chosen.tolist()


def test_a_system_blind_to_the_order_of_frames_gives_both_clips_of_a_pair_one_vector(rendered: Split) -> None:
    """The law of the task: means over frames without masks are equal, whatever the weights."""
    paths = [video.path for video in rendered.videos]
    pairs = _pairs(paths, *BLIND)
    assert np.abs(pairs[:, 0] - pairs[:, 1]).max() < 1e-6
    assert np.abs(pairs[0, 0] - pairs[1, 0]).max() > 1e-4


@pytest.mark.parametrize(("reference", "tells"), [("previous", True), ("union", False), ("intersection", False)])
def test_a_mask_that_looks_to_one_side_tells_both_clips_apart(rendered: Split, reference: str, tells: bool) -> None:
    paths = [video.path for video in rendered.videos[:4]]
    pairs = _pairs(paths, f"mask.reference={reference}", "fusion.use=blur-background")
    assert (np.abs(pairs[:, 0] - pairs[:, 1]).max() > 1e-4) == tells
    assert np.abs(pairs[0, 0] - pairs[1, 0]).max() > 1e-4


def test_with_equal_vectors_no_system_is_right_more_often_than_by_a_guess_between_two() -> None:
    """The best that equal vectors allow: each caption finds its pair, and both clips of it tie."""
    owners = np.arange(12)
    matrix = np.where(owners[:, None] // 2 == owners // 2, 1.0, 0.0).astype(np.float32)
    found = metrics(rank_captions(Scores(matrix=matrix, owners=owners, lost=np.zeros(12, bool))))
    assert found["R@1"] == 50.0


def test_another_encoder_keeps_the_law(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = _dataset(tmp_path).folder()
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    render.codec.cache_clear()
    try:
        with pytest.warns(UserWarning, match="no libx264"):
            dataset = _dataset(tmp_path, clips=4)
            assert dataset.folder() != usual
        first, second, *_ = dataset.load("train", _silent).videos
        assert (_decode(first) == _decode(second)[::-1]).all()
    finally:
        render.codec.cache_clear()


def test_same_options_same_bytes_and_a_second_load_renders_nothing(tmp_path: Path, rendered: Split) -> None:
    told: list[int] = []
    dataset = _dataset(tmp_path, clips=12)
    split = dataset.load("train", lambda what, done, total: told.append(done))
    assert told == list(range(1, 13))
    assert [v.path.read_bytes() for v in split.videos] == [v.path.read_bytes() for v in rendered.videos]
    assert dataset.load("train", lambda what, done, total: told.append(done)) == split
    assert len(told) == 12
    assert dataset.splits() == ("train", "val", "test")
    with pytest.raises(fdakit.DatasetError, match="moving-order: no split 'dev'; choose one of train, val, test"):
        dataset.load("dev", _silent)


def test_options_lie_in_folders_of_their_own(tmp_path: Path) -> None:
    changes: list[dict[str, Any]] = [
        {"clips": 13},
        {"frames": 12},
        {"size": 48},
        {"distractors": 2},
        {"pan": 1.0},
        {"noise": 0.0},
        {"quantiser": 30},
        {"seed": 3},
    ]
    assert len({_dataset(tmp_path, **change).folder() for change in [{}, *changes]}) == len(changes) + 1
    assert set(MovingOrderOptions.model_fields) == {key for change in changes for key in change}
    assert MOVING_ORDER.name == "moving-order"


def test_a_rendered_set_reads_nothing_but_its_own_splits(tmp_path: Path) -> None:
    def write(split: str, index: int, path: Path) -> tuple[str, ...]:
        path.write_bytes(b"clip")
        return (f"{split} {index}",)

    rendered = RenderedSet("own", tmp_path / "set", {"all": 2}, write)
    assert [caption.text for caption in rendered.load("all", _silent).captions] == ["all 0", "all 1"]
    with pytest.raises(fdakit.DatasetError, match="own: no split 'test'; choose one of all"):
        rendered.load("test", _silent)
