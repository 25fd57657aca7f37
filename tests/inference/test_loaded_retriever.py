"""Encoding with a loaded retriever: what may be given, in any iterable, and what becomes of what cannot be read."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.video_faults import holed_film

from fdakit import LoadedRetriever, PluginError, RecipeError, VideoError
from fdakit.inference.factory import build_retriever
from fdakit.plugin import Clip, VideoRef
from fdakit.recipe.recipe import Recipe
from fdakit.video import read_frames
from fdakit.video.decode import frame_times

pytestmark = pytest.mark.integration

MakeRecipe = Callable[..., Recipe]
VIDEOS = ("red-across", "green-across", "blue-down", "yellow-down", "pink-down", "red-rests")
TEXTS = ["a red square", "a green square", "it rests"]


@pytest.fixture
def loaded(make_recipe: MakeRecipe) -> LoadedRetriever:
    return retriever(make_recipe())


def retriever(recipe: Recipe) -> LoadedRetriever:
    device = torch.device("cpu")
    return LoadedRetriever(recipe, build_retriever(recipe, device=device).eval(), device)


@pytest.fixture
def paths(clips: Path) -> list[Path]:
    return [clips / f"{name}.mp4" for name in VIDEOS]


def film(path: Path) -> Clip:
    """All frames of a file with their times."""
    video = VideoRef(path.stem, path)
    return read_frames(video, indices=np.arange(len(frame_times(video))))


# Any iterable


class Column:
    """Like a column of a table: has a length and an iterator, and no truth of its own."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def __bool__(self) -> bool:
        raise ValueError("the truth value of a column is ambiguous")


ITERABLES: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "generator": lambda values: (value for value in values),
    "iterator": iter,
    "keys": dict.fromkeys,
    "column": Column,
    "array": lambda values: np.array([str(value) for value in values]),
    "objects": lambda values: np.array(values, dtype=object),
}


@pytest.mark.parametrize("kind", ITERABLES)
def test_any_iterable_gives_the_vectors_of_a_list(loaded: LoadedRetriever, paths: list[Path], kind: str) -> None:
    videos = loaded.encode_videos(paths)
    assert (videos.shape, videos.dtype) == ((6, 16), np.float32)
    np.testing.assert_allclose(np.linalg.norm(videos, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(loaded.encode_videos(ITERABLES[kind](paths)), videos)
    texts = loaded.encode_texts(TEXTS)
    assert (texts.shape, texts.dtype) == ((3, 16), np.float32)
    np.testing.assert_array_equal(loaded.encode_texts(ITERABLES[kind](TEXTS)), texts)


@pytest.mark.parametrize("kind", ["list", "generator"])
@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_the_size_of_batches_changes_nothing(
    loaded: LoadedRetriever, paths: list[Path], size: int, kind: str
) -> None:
    found = loaded.encode_videos(ITERABLES[kind](paths), batch_size=size)
    np.testing.assert_allclose(found, loaded.encode_videos(paths), atol=1e-6)
    texts = loaded.encode_texts(ITERABLES[kind](TEXTS), batch_size=size)
    np.testing.assert_allclose(texts, loaded.encode_texts(TEXTS), atol=1e-6)


def test_a_generator_is_read_a_batch_at_a_time(loaded: LoadedRetriever, paths: list[Path]) -> None:
    seen: list[int] = []
    asked = 0

    def given() -> Iterator[np.ndarray]:
        nonlocal asked
        for path in paths:
            asked += 1
            yield film(path).frames

    loaded.encode_videos(given(), batch_size=2, progress=lambda what, done, total: seen.append(asked))
    assert seen == [2, 4, 6]


def test_nothing_gives_nothing(loaded: LoadedRetriever) -> None:
    for nothing in ([], (), iter([]), np.array([], dtype=object)):
        assert loaded.encode_videos(nothing).shape == loaded.encode_texts(nothing).shape == (0, 16)


def test_a_video_named_twice_is_encoded_once_wherever_it_stands(loaded: LoadedRetriever, paths: list[Path]) -> None:
    told: list[tuple[int, int]] = []
    twice = [paths[0], paths[1], str(paths[0]), VideoRef("other", paths[0])]
    for given in (twice, iter(twice)):
        told.clear()
        found = loaded.encode_videos(
            given, batch_size=1, progress=lambda what, done, total: told.append((done, total))
        )
        np.testing.assert_array_equal(found[[0, 0]], found[[2, 3]])
        assert len(told) == 2


# Kinds of videos


def test_segments_of_one_file_under_one_id_are_videos_of_their_own(loaded: LoadedRetriever, clips: Path) -> None:
    path = clips / "pink-down.mp4"
    parts = [VideoRef("pink", path, 0, 1), VideoRef("pink", path, 3, 5), VideoRef("pink", str(path))]  # type: ignore[arg-type]
    found = loaded.encode_videos(parts)
    alone = np.concatenate([loaded.encode_videos([part]) for part in parts])
    np.testing.assert_allclose(found, alone, atol=1e-6)
    assert np.abs(found[0] - found[1]).max() > 1e-3


@pytest.mark.parametrize("mask", ["frame-difference", "neighbouring"])
def test_frames_in_memory_give_the_vectors_of_their_file(
    make_recipe: MakeRecipe, paths: list[Path], mask: str
) -> None:
    loaded = retriever(make_recipe(mask={"use": mask}, view={"scaler": "pillow"}))
    wanted = loaded.encode_videos(paths)
    films = [film(path) for path in paths]
    arrays = [clip.frames for clip in films]
    given: tuple[list[Any], ...] = (
        films,
        arrays,
        [torch.from_numpy(frames) for frames in arrays],
        [paths[0], films[1], arrays[2], torch.from_numpy(arrays[3]), str(paths[4]), VideoRef("x", paths[5])],
    )
    for videos in given:
        np.testing.assert_allclose(loaded.encode_videos(iter(videos)), wanted, atol=1e-5)
    np.testing.assert_allclose(loaded.encode_videos(np.stack(arrays[:4])), wanted[:4], atol=1e-5)


def test_a_clips_own_times_decide_which_frames_are_looked_at(loaded: LoadedRetriever, clips: Path) -> None:
    whole = film(clips / "pink-down.mp4")
    late = Clip("late", whole.frames, np.concatenate([np.arange(39) / 100, [100.0]]))
    assert np.abs(loaded.encode_videos([late]) - loaded.encode_videos([whole])).max() > 1e-3


def test_clips_are_left_as_they_were(loaded: LoadedRetriever, paths: list[Path]) -> None:
    frames = film(paths[0]).frames
    before = frames.copy()
    frames.flags.writeable = False
    loaded.encode_videos([frames, frames])
    np.testing.assert_array_equal(frames, before)


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (
            None,
            TypeError,
            r"videos\[1\] is None; wanted a path, a fdakit\.plugin\.VideoRef, a fdakit\.plugin\.Clip, "
            r"or frames uint8",
        ),
        (3, TypeError, r"videos\[1\] is 3"),
        (float("nan"), TypeError, r"videos\[1\] is nan"),
        (b"a.mp4", TypeError, r"videos\[1\] is b'a\.mp4'"),
        (["a.mp4"], TypeError, r"videos\[1\] is \['a\.mp4'\]"),
        (
            np.zeros((2, 8, 8, 3), np.float32),
            TypeError,
            r"videos\[1\] is float32\(2, 8, 8, 3\); wanted uint8, 0 to 255",
        ),
        (
            np.zeros((2, 3, 8, 8), np.uint8),
            ValueError,
            r"uint8\(2, 3, 8, 8\); wanted \(t, h, w, 3\); channels belong last",
        ),
        (torch.zeros(8, 8, 3, dtype=torch.uint8), ValueError, r"\(8, 8, 3\); wanted \(t, h, w, 3\)$"),
        (np.zeros((2, 8, 8, 4), np.uint8), ValueError, r"wanted \(t, h, w, 3\)$"),
    ],
)
@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_what_is_no_video_is_named_with_its_place(
    loaded: LoadedRetriever, paths: list[Path], value: Any, kind: type[Exception], words: str, on_error: Any
) -> None:
    for videos in ([paths[0], value], iter([paths[0], value])):
        with pytest.raises(kind, match=words):
            loaded.encode_videos(videos, on_error=on_error)


def test_one_value_is_not_taken_for_several(loaded: LoadedRetriever, paths: list[Path]) -> None:
    frames = film(paths[0]).frames
    singles: list[Any] = [str(paths[0]), paths[0], VideoRef("a", paths[0]), film(paths[0]), frames, b"a.mp4"]
    for single in [*singles, torch.from_numpy(frames), np.array("a.mp4")]:
        with pytest.raises(TypeError, match=r"^videos is .*, one value instead of several; give a list, as \["):
            loaded.encode_videos(single)
    with pytest.raises(TypeError, match=r"^texts is 'a red square', .*; give a list, as \['a red square'\]"):
        loaded.encode_texts("a red square")
    for nothing in (None, 3):
        with pytest.raises(TypeError, match=rf"^videos is {nothing}; wanted a list or another iterable"):
            loaded.encode_videos(nothing)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=rf"^texts is {nothing}; wanted a list"):
            loaded.encode_texts(nothing)  # type: ignore[arg-type]


@pytest.mark.parametrize("odd", [None, float("nan"), 3, b"a dog", ["a dog"]])
def test_a_text_that_is_no_string_is_named_with_its_place(loaded: LoadedRetriever, odd: Any) -> None:
    with pytest.raises(TypeError, match=r"^texts\[2\] is .*; wanted a string"):
        loaded.encode_texts(iter(["a", "b", odd]), batch_size=1)


# What cannot be read


@pytest.fixture
def holed(paths: list[Path], tmp_path: Path) -> list[Any]:
    """A broken file at 1, an absent one at 3 and again at 6, a folder at 5."""
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    absent = tmp_path / "absent.mp4"
    return [paths[0], tmp_path / "broken.mp4", paths[1], absent, paths[2], tmp_path, absent]


@pytest.mark.parametrize("kind", ["list", "generator"])
@pytest.mark.parametrize("size", [1, 3, 32])
def test_skipping_keeps_the_rows_and_names_what_is_lost(
    loaded: LoadedRetriever, paths: list[Path], holed: list[Any], kind: str, size: int
) -> None:
    with pytest.warns(UserWarning, match="4 of 7 videos could not be read; their rows are NaN: 1: ") as told:
        found = loaded.encode_videos(ITERABLES[kind](holed), on_error="skip", batch_size=size)
    (warning,) = told
    assert warning.filename == __file__
    for said in (
        "broken.mp4: ",
        "; 3: ",
        "absent.mp4: no such file",
        "; 5: ",
        ": a folder; give the files in it",
        "; 6: ",
    ):
        assert said in str(warning.message)
    assert found.shape == (7, 16)
    assert np.isnan(found).all(axis=1).tolist() == [False, True, False, True, False, True, True]
    np.testing.assert_allclose(found[[0, 2, 4]], loaded.encode_videos(paths[:3]), atol=1e-6)


def test_one_broken_file_among_many_does_not_lose_the_rest(
    loaded: LoadedRetriever, paths: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "broken.mp4").write_bytes(paths[0].read_bytes()[:200])
    many = [VideoRef(f"{k}", paths[k % 5], 0, 0.5 + k / 100) for k in range(40)]
    many[17] = VideoRef("17", tmp_path / "broken.mp4")
    with pytest.warns(UserWarning, match="1 of 40 videos could not be read; their rows are NaN: 17: .*broken"):
        found = loaded.encode_videos(many, on_error="skip")
    assert np.flatnonzero(np.isnan(found).any(axis=1)).tolist() == [17]


def test_all_lost_is_told_too(loaded: LoadedRetriever, tmp_path: Path) -> None:
    many = [tmp_path / f"{k}.mp4" for k in range(9)]
    with pytest.warns(UserWarning, match=r"9 of 9 videos .*4: .*4\.mp4: no such file; check the path; and 4 more$"):
        assert np.isnan(loaded.encode_videos(many, on_error="skip")).all()


def test_nothing_is_said_where_all_can_be_read(loaded: LoadedRetriever, paths: list[Path]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded.encode_videos(paths, on_error="skip")


def test_every_file_that_cannot_be_read_is_named(loaded: LoadedRetriever, holed: list[Any], tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"(?s)absent\.mp4: no such file.*a folder; .*on_error=\"skip\"\) continues"):
        loaded.encode_videos(holed)
    with pytest.raises(VideoError, match=r"broken\.mp4"):
        loaded.encode_videos(holed[:3])
    with pytest.raises(VideoError, match=r"no such file"):
        loaded.encode_videos([tmp_path / ("n" * 300)])
    with pytest.raises(ValueError, match=r"on_error is 'ignore'; wanted 'raise' or 'skip'"):
        loaded.encode_videos(holed, on_error="ignore")  # type: ignore[arg-type]
    for call in (loaded.encode_videos, loaded.encode_texts):
        with pytest.raises(ValueError, match="batch_size is 0; wanted at least 1"):
            call([], batch_size=0)


def test_repaired_videos_are_told(make_recipe: MakeRecipe, clips: Path, tmp_path: Path) -> None:
    holed = holed_film(tmp_path / "holed.mp4")
    loaded = retriever(make_recipe(loader={"damage": "repair"}, sampler={"eval_frames": 20}))
    with pytest.warns(UserWarning, match=r"1 of 2 videos are damaged; frames that decode were used: .*holed\.mp4"):
        assert np.isfinite(loaded.encode_videos([clips / "pink-down.mp4", holed])).all()


def test_frames_in_memory_have_no_motion_vectors(make_recipe: MakeRecipe, paths: list[Path]) -> None:
    loaded = retriever(make_recipe(mask={"use": "motion-vectors"}))
    with pytest.raises(PluginError, match=r"videos\[0\]: the mask needs the codec's motion vectors, .*give the file"):
        loaded.encode_videos([film(paths[0]).frames])


# Progress, devices, words


def test_progress_counts_videos_and_texts(loaded: LoadedRetriever, paths: list[Path]) -> None:
    told: list[tuple[str, int, int]] = []

    def tell(what: str, done: int, total: int) -> None:
        told.append((what, done, total))

    loaded.encode_videos(paths, batch_size=4, progress=tell)
    loaded.encode_videos(iter(paths), batch_size=4, progress=tell)
    loaded.encode_texts(TEXTS, batch_size=2, progress=tell)
    videos, texts = "encoding videos", "encoding texts"
    assert told == [(videos, 4, 6), (videos, 6, 6), (videos, 4, 4), (videos, 6, 6), (texts, 2, 3), (texts, 3, 3)]


def test_progress_counts_what_is_lost_too(loaded: LoadedRetriever, holed: list[Any]) -> None:
    told: list[tuple[int, ...]] = []
    with pytest.warns(UserWarning, match="4 of 7"):
        loaded.encode_videos(holed, on_error="skip", batch_size=2, progress=lambda what, *counts: told.append(counts))
    assert told == [(4, 6), (6, 6)]  # of distinct videos, the absent ones first


def test_progress_is_shown_as_a_run_shows_it_where_it_is_asked_for(
    make_recipe: MakeRecipe, paths: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = retriever(make_recipe(observer=[{"use": "console"}, {"use": "jsonl"}]))
    loaded.encode_videos(paths)
    assert capsys.readouterr().err == ""
    loaded.encode_videos(paths, progress=True)
    assert "encoding videos: 6/6" in capsys.readouterr().err


def test_the_other_videos_mask_comes_from_all_that_are_given(loaded: LoadedRetriever, paths: list[Path]) -> None:
    wanted = loaded.encode_videos(paths, control="other-video")
    np.testing.assert_allclose(
        loaded.encode_videos(iter(paths), control="other-video", batch_size=1), wanted, atol=1e-6
    )


def test_it_moves_and_says_what_it_is(loaded: LoadedRetriever) -> None:
    assert loaded.to("cpu") is loaded
    assert loaded.to(torch.device("cpu")).device.type == "cpu"
    with pytest.raises(RecipeError, match="moon"):
        loaded.to("moon")
    said = repr(loaded)
    for word in (
        "'small' from small.toml",
        "on cpu",
        "mask frame-difference",
        "encoder tiny",
        "encode_videos",
        "(n, 16)",
    ):
        assert word in said
    assert len(said.splitlines()) == 3
    model = repr(loaded.model)
    for word in ("32 px -> 16-d vectors", "parameters on cpu", "encoder 'tiny' (fdakit ", "aggregator 'mean'"):
        assert word in model
    assert len(model.splitlines()) <= 6


def test_scores_are_those_of_the_matcher(
    make_recipe: MakeRecipe, loaded: LoadedRetriever, paths: list[Path], tmp_path: Path
) -> None:
    found = loaded.scores(TEXTS, paths)
    np.testing.assert_allclose(found, loaded.encode_texts(TEXTS) @ loaded.encode_videos(paths).T, atol=1e-6)
    assert loaded.scores([], paths).shape == (0, 6)
    assert loaded.scores(TEXTS, []).shape == (3, 0)
    with pytest.warns(UserWarning, match="1 of 2 videos could not be read"):
        broken = loaded.scores(TEXTS, [tmp_path / "absent.mp4", paths[0]], on_error="skip")
    assert np.isnan(broken[:, 0]).all()
    np.testing.assert_allclose(broken[:, 1], found[:, 0], atol=1e-6)


def test_a_matcher_of_several_vectors_gives_scores_and_no_vector(make_recipe: MakeRecipe, paths: list[Path]) -> None:
    several = retriever(make_recipe(aggregator={"use": "none"}, matcher={"use": "by-text"}))
    with pytest.raises(PluginError, match=r"matcher 'by-text' .*: compares more than one vector .* use scores\("):
        several.encode_videos(paths)
    found = several.scores(TEXTS, paths)
    assert found.shape == (3, 6)
    alone = np.stack([several.scores(TEXTS, [path])[:, 0] for path in paths], axis=1)
    np.testing.assert_allclose(found, alone, atol=1e-5)


def test_where_no_video_can_be_read_every_row_is_nan(loaded: LoadedRetriever, tmp_path: Path) -> None:
    absent = [tmp_path / "one.mp4", tmp_path / "two.mp4"]
    with pytest.warns(UserWarning, match="2 of 2 videos could not be read; their rows are NaN"):
        vectors = loaded.encode_videos(absent, on_error="skip")
    assert vectors.shape == (2, 16)
    assert np.isnan(vectors).all()
    with pytest.warns(UserWarning, match="2 of 2 videos"):
        scores = loaded.scores(TEXTS, absent, on_error="skip")
    assert scores.shape == (3, 2)
    assert np.isnan(scores).all()
