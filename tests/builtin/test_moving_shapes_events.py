"""moving-shapes with several events: the clips of single events one after another, unlike ones in a video."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, get_args

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from fdakit.builtin.datasets.moving_shapes import MovingShapes, MovingShapesOptions, build
from fdakit.plugin import BuildContext, Split
from fdakit.synthetic.events import Events, clips_shown
from fdakit.synthetic.render import draw_clip
from fdakit.synthetic.scene import CAPTIONS, COLOURS, MOTIONS, SHAPES, plan_scene

pytestmark = pytest.mark.integration

SMALL: dict[str, Any] = {"clips": 8, "frames": 4, "size": 32}


def _silent(what: str, done: int, total: int) -> None:
    pass


def _dataset(cache: Path, **options: Any) -> MovingShapes:
    return build(MovingShapesOptions.model_validate({**SMALL, **options}), BuildContext(cache=cache))


def _decode(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def rendered(cache: Path) -> Split:
    return _dataset(cache, events=4).load("test", _silent)


def test_every_caption_is_a_query_of_one_of_fewer_videos(rendered: Split) -> None:
    assert len(rendered.videos) == 24
    assert len({caption.text for caption in rendered.captions}) == len(rendered.captions) == CAPTIONS
    assert set(Counter(caption.video_id for caption in rendered.captions).values()) == {4}
    assert rendered.protocol == "multi-caption"


def test_a_video_shows_the_very_clips_of_single_events_after_one_another(cache: Path, rendered: Split) -> None:
    look = _dataset(cache).look
    clips = {plan_scene(look, "test", clip).caption: clip for clip in range(CAPTIONS)}
    for video in rendered.videos[::6]:
        texts = [caption.text for caption in rendered.captions if caption.video_id == video.id]
        drawn = np.concatenate([draw_clip(look, "test", clips[text]) for text in texts]).mean(axis=3)
        shown = _decode(video.path).mean(axis=3)
        assert shown.shape == drawn.shape == (16, 32, 32)
        # What H.264 loses is far less than what one clip differs by from the next.
        assert np.abs(shown - drawn).mean() < 6
        assert np.abs(np.roll(shown, 4, axis=0) - drawn).mean() > 20


def test_a_second_load_finds_videos_and_captions(cache: Path, rendered: Split) -> None:
    def never(what: str, done: int, total: int) -> None:
        raise AssertionError("rendered again")

    assert _dataset(cache, events=4).load("test", never) == rendered


def test_a_lost_row_of_captions_is_noticed(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path, events=4)
    split = dataset.load("train", _silent)
    index = dataset.folder() / "train" / "index.tsv"
    index.write_text("\n".join(index.read_text().splitlines()[:-1]))
    told: list[int] = []
    assert dataset.load("train", lambda what, done, total: told.append(total)) == split
    assert told == [2, 2]


@pytest.mark.parametrize("events", get_args(Events))
def test_each_clip_is_shown_once_and_no_word_occurs_oftener_in_a_video_than_it_must(events: int) -> None:
    """Four events are of four colours and four shapes, eight of eight colours and each shape twice."""
    videos = [clips_shown(5, "val", video, events) for video in range(2 * CAPTIONS // events)]
    assert sorted(clip for video in videos for clip in video) == list(range(2 * CAPTIONS))
    look = MovingShapesOptions(distractors=0).look()
    words = [plan_scene(look, "val", number).caption.split(" ", 3)[1:] for number in range(CAPTIONS)]
    assert words[4] == ["red", "square", "falls down"]
    for video in videos:
        found = zip(*(words[clip % CAPTIONS] for clip in video), strict=True)
        most = [max(Counter(column).values()) for column in found]
        assert most == [-(-events // len(choices)) for choices in (COLOURS, SHAPES, MOTIONS)]


def test_which_captions_come_together_is_drawn_by_seed_split_and_turn() -> None:
    def pairs(seed: int, split: str, turn: int) -> set[tuple[int, ...]]:
        found = (clips_shown(seed, split, turn * 24 + video, 4) for video in range(24))
        return {tuple(clip % CAPTIONS for clip in video) for video in found}

    usual = pairs(0, "train", 0)
    assert pairs(0, "train", 0) == usual
    others = [pairs(1, "train", 0), pairs(0, "test", 0), pairs(0, "train", 1)]
    assert all(len(other & usual) < 3 for other in others)


def test_single_events_lie_where_they_did_before_there_were_several() -> None:
    cache = Path("cache")
    usual = build(MovingShapesOptions(), BuildContext(cache=cache)).folder()
    assert usual == cache / "moving-shapes" / "2f3bfa6e673a4fd2"  # of this VERSION and libx264
    assert _dataset(cache).folder() != _dataset(cache, events=2).folder() != _dataset(cache, events=4).folder()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"events": 5}, "events"),
        ({"events": 4, "clips": 9}, "clips = 9 are no whole number of videos of 4; give clips = 8"),
        ({"events": 4, "clips": 1}, "clips = 1 are no whole number of videos of 4; give clips = 4"),
    ],
)
def test_captions_that_cannot_be_shared_out_are_refused(options: dict[str, int], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        MovingShapesOptions.model_validate(options)
