"""`fdakit.load`: from anything that holds weights to unit vectors, in the caller's own process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fdakit
from fdakit import CheckpointError, LoadedRetriever, PluginError, RecipeError, VideoError
from fdakit.experiment.build import build_retriever
from fdakit.experiment.devices import choose_device
from fdakit.experiment.run import run_recipe
from fdakit.experiment.run_folder import recipe_text
from fdakit.recipe import Recipe

MakeRecipe = Callable[..., Recipe]
VIDEOS = ("red-across", "green-across", "blue-down", "yellow-down", "pink-down", "red-rests")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def run(runs: Path, make_recipe: MakeRecipe) -> Path:
    """A finished run; made once."""
    if not (runs / "run").exists():
        run_recipe(make_recipe(train={"epochs": 1}), out=runs / "run")
    return runs / "run"


@pytest.fixture
def paths(clips: Path) -> list[Path]:
    """The videos of the test split, in its order."""
    return [clips / f"{name}.mp4" for name in VIDEOS]


def captions() -> list[str]:
    return [f"a {name.replace('-', ' square ')}" for name in VIDEOS]


def cosines(loaded: LoadedRetriever, paths: list[Path]) -> np.ndarray:
    return loaded.encode_texts(captions()) @ loaded.encode_videos(paths).T


@pytest.mark.parametrize("place", [".", "checkpoints/best", "checkpoints/best/model.safetensors"])
def test_vectors_are_those_of_the_report(run: Path, paths: list[Path], place: str) -> None:
    loaded = fdakit.load(run / place, device="cpu")
    np.testing.assert_allclose(cosines(loaded, paths), np.load(run / "similarity.npy"), atol=1e-6)
    for vectors in (loaded.encode_videos([str(path) for path in paths]), loaded.encode_texts(captions())):
        assert vectors.shape == (6, 16)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_a_recipe_gives_the_weights_it_starts_from(
    make_recipe: MakeRecipe, paths: list[Path], tmp_path: Path
) -> None:
    recipe = make_recipe()
    (tmp_path / "mine.toml").write_text(recipe_text(recipe))
    loaded = fdakit.load(str(tmp_path / "mine.toml"), device="cpu")
    built = build_retriever(recipe, device=torch.device("cpu")).state_dict()
    assert all(torch.equal(value, built[name]) for name, value in loaded.model.state_dict().items())
    assert not loaded.model.training
    other = fdakit.load(tmp_path / "mine.toml", device="cpu", seed=4, settings=["sampler.eval_frames=2"])
    assert (other.recipe.seed, other.recipe.parts["sampler"].options.model_dump()["eval_frames"]) == (4, 2)
    assert not np.allclose(other.encode_videos(paths), loaded.encode_videos(paths), atol=1e-3)


def test_a_shipped_recipe_is_known_by_name() -> None:
    assert fdakit.load("quickstart", device="cpu").encode_texts(["a red circle"]).shape == (1, 128)


def test_a_video_named_twice_is_encoded_once(run: Path, paths: list[Path]) -> None:
    loaded = fdakit.load(run, device="cpu")
    found = loaded.encode_videos([paths[0], paths[1], str(paths[0])])
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_allclose(found, loaded.encode_videos(paths[:2])[[0, 1, 0]], atol=1e-6)


def test_nothing_gives_nothing(run: Path) -> None:
    loaded = fdakit.load(run, device="cpu")
    assert loaded.encode_videos([]).shape == loaded.encode_texts([]).shape == (0, 16)


def test_a_control_can_be_asked_for(run: Path, paths: list[Path]) -> None:
    loaded = fdakit.load(run, device="cpu")
    whole = fdakit.load(run, device="cpu", settings=["mask.use=whole-frame"])
    found = loaded.encode_videos(paths, control="whole-frame")
    np.testing.assert_array_equal(found, whole.encode_videos(paths))
    assert not np.array_equal(found, loaded.encode_videos(paths))


def test_every_file_that_cannot_be_read_is_named(run: Path, paths: list[Path], tmp_path: Path) -> None:
    loaded = fdakit.load(run, device="cpu")
    with pytest.raises(VideoError, match=r"(?s)one\.mp4: no such file.*two\.mp4: no such file"):
        loaded.encode_videos([tmp_path / "one.mp4", paths[0], tmp_path / "two.mp4"])
    (tmp_path / "damaged.mp4").write_bytes(b"no film")
    with pytest.raises(VideoError, match=r"damaged\.mp4"):
        loaded.encode_videos([paths[0], tmp_path / "damaged.mp4"])


def test_one_text_or_path_is_not_taken_for_a_list_of_letters(run: Path, paths: list[Path]) -> None:
    loaded = fdakit.load(run, device="cpu")
    with pytest.raises(TypeError, match=r"texts is 'a red square', .*; give a list, as \['a red square'\]"):
        loaded.encode_texts("a red square")
    for path in (str(paths[0]), paths[0]):
        with pytest.raises(TypeError, match=r"paths is .*give a list"):
            loaded.encode_videos(path)  # type: ignore[arg-type]


def test_many_texts_are_encoded_a_batch_at_a_time(run: Path) -> None:
    one, whole = (fdakit.load(run, device="cpu", settings=[f"eval.text_batch_size={k}"]) for k in (1, 256))
    np.testing.assert_allclose(one.encode_texts(captions()), whole.encode_texts(captions()), atol=1e-6)


def test_what_is_neither_checkpoint_nor_recipe_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere: neither a checkpoint nor a recipe"):
        fdakit.load(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"holds no model\.safetensors"):
        fdakit.load(tmp_path)
    (tmp_path / "bad.toml").write_text("[encoder]\nuse = 'tiny'\nwidht = 64\n")
    with pytest.raises(RecipeError, match="did you mean 'width'"):
        fdakit.load(tmp_path / "bad.toml")


def test_a_pooling_by_text_has_no_video_vectors(make_recipe: MakeRecipe, paths: list[Path]) -> None:
    recipe = make_recipe(aggregator={"use": "by-text"})
    model, device = build_retriever(recipe, device=torch.device("cpu")), choose_device("cpu")
    with pytest.raises(PluginError, match=r"aggregator 'by-text' .*: a video has no vector of its own here"):
        LoadedRetriever(recipe, model.eval(), device).encode_videos(paths)


SCRIPT = """
import sys
import fdakit
loaded = fdakit.load(sys.argv[1], device="cpu", settings=["loader.workers=2"])
videos = loaded.encode_videos(sys.argv[3:])
print(f"{float((loaded.encode_texts([sys.argv[2]]) @ videos.T).sum()):.6f}")
"""


def test_it_works_in_an_unguarded_script_and_from_standard_input(
    run: Path, paths: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    arguments = [str(run), "a red square", *map(str, paths[:2])]
    settings: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen([sys.executable, name, *arguments], text=True, env=environment, **settings)
        for name in (str(tmp_path / "script.py"), "-")
    ]
    ended = [process.communicate(SCRIPT, timeout=120) for process in started]
    loaded = fdakit.load(run, device="cpu")
    expected = float((loaded.encode_texts(["a red square"]) @ loaded.encode_videos(paths[:2]).T).sum())
    for process, (out, err) in zip(started, ended, strict=True):
        assert process.returncode == 0, err
        assert float(out) == pytest.approx(expected, abs=1e-5)
