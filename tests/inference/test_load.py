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
from fdakit import CheckpointError, LoadedRetriever, RecipeError
from fdakit.catalog import load_catalog
from fdakit.experiment.run import run_recipe
from fdakit.experiment.run_folder import recipe_text
from fdakit.inference.factory import build_retriever
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import read_recipe

pytestmark = pytest.mark.integration

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


def test_a_shipped_recipe_is_known_by_name_and_its_weights_are_said_to_be_random() -> None:
    with pytest.warns(
        UserWarning, match=r"^recipe 'quickstart': its encoder has random weights.*`fdakit run`"
    ) as told:
        loaded = fdakit.load("quickstart", device="cpu")
    assert told[0].filename == __file__
    assert loaded.encode_texts(["a red circle"]).shape == (1, 128)


def test_a_run_whose_encoder_is_random_and_untrained_says_so(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    run_recipe(make_recipe(train={"epochs": 0}), out=tmp_path / "run")
    with pytest.warns(UserWarning, match="random weights and nothing was trained") as told:
        fdakit.load(tmp_path / "run", device="cpu")
    assert told[0].filename == __file__


@pytest.mark.parametrize(
    ("pretrained", "epochs", "words"),
    [
        (False, 0, "random weights, so its vectors mean nothing; load weights"),
        (True, 3, "these are the weights it starts from, before its 3 epochs of training; train it with"),
        (True, 0, ""),
    ],
)
def test_what_a_recipes_weights_are_is_said_where_training_is_lacking(
    make_recipe: MakeRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pretrained: bool,
    epochs: int,
    words: str,
) -> None:
    (tmp_path / "mine.toml").write_text(recipe_text(make_recipe(train={"epochs": epochs})))
    told: list[str] = []
    monkeypatch.setattr("warnings.warn", lambda text, **_: told.append(str(text)))
    built = fdakit.model.ClipEncoder.__init__
    monkeypatch.setattr(
        fdakit.model.ClipEncoder, "__init__", lambda *own, **given: built(*own, **{**given, "pretrained": pretrained})
    )
    fdakit.load(tmp_path / "mine.toml", device="cpu")
    assert len(told) == bool(words)
    assert words in "".join(told)


def test_a_finished_run_is_not_called_untrained(run: Path, recwarn: pytest.WarningsRecorder) -> None:
    fdakit.load(run, device="cpu")
    assert not [warning for warning in recwarn if "weights" in str(warning.message)]


@pytest.mark.parametrize(
    ("name", "said"), [("clip-b32", "the name of a model"), ("clip-b23", "the model 'clip-b32'?")]
)
def test_the_name_of_a_model_points_to_the_models(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        fdakit.load(name)
    told = str(caught.value)
    assert said in told
    assert "`fdakit models` lists them" in told
    assert "fdakit.create_model_and_transforms('clip-b32')" in told
    settings = eval(told.partition("settings=")[2].rstrip(")"))
    assert "encoder.model=ViT-B-32" in settings
    assert read_recipe("manifest_zero_shot", catalog=load_catalog(), settings=settings)


def test_a_control_can_be_asked_for(run: Path, paths: list[Path]) -> None:
    loaded = fdakit.load(run, device="cpu")
    whole = fdakit.load(run, device="cpu", settings=["mask.use=whole-frame"])
    found = loaded.encode_videos(paths, control="whole-frame")
    np.testing.assert_array_equal(found, whole.encode_videos(paths))
    assert not np.array_equal(found, loaded.encode_videos(paths))


def test_what_is_neither_checkpoint_nor_recipe_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere: neither a checkpoint nor a recipe"):
        fdakit.load(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="neither a run folder nor a checkpoint folder"):
        fdakit.load(tmp_path)
    (tmp_path / "bad.toml").write_text("[encoder]\nuse = 'tiny'\nwidht = 64\n")
    with pytest.raises(RecipeError, match="did you mean 'width'"):
        fdakit.load(tmp_path / "bad.toml")


SCRIPT = """
import sys
import fdakit
loaded = fdakit.load(sys.argv[1], device="cpu", settings=["loader.workers=2"])
videos = loaded.encode_videos(sys.argv[3:])
print(f"{float((loaded.encode_texts([sys.argv[2]]) @ videos.T).sum()):.6f}")
"""


@pytest.mark.integration
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
