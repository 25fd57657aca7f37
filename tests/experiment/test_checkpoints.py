"""Checkpoint folders: complete when copied, whole after a kill, and found under every name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fdakit import CheckpointError
from fdakit.catalog import Catalog
from fdakit.experiment import checkpoints
from fdakit.experiment.build import build_retriever
from fdakit.experiment.checkpoints import (
    checkpoint_recipe,
    find_checkpoint,
    load_weights,
    read_facts,
    read_state,
    save_checkpoint,
)
from fdakit.experiment.run_folder import recipe_text
from fdakit.model.retriever import Retriever
from fdakit.recipe import Recipe

CPU = torch.device("cpu")


@pytest.fixture
def recipe(make_recipe: Callable[..., Recipe]) -> Recipe:
    return make_recipe(seed=5)


@pytest.fixture
def retriever(recipe: Recipe) -> Retriever:
    return build_retriever(recipe, device=CPU)


@pytest.fixture
def save(recipe: Recipe, retriever: Retriever) -> Callable[..., None]:
    """`save(folder, step)`: the retriever with all its weights at `step`."""

    def save(folder: Path, step: int) -> None:
        for weight in retriever.parameters():
            torch.nn.init.constant_(weight, step)
        state = {"position": [0, 0, step], "rng": torch.get_rng_state()}
        save_checkpoint(folder, retriever, recipe_text=recipe_text(recipe), facts={"step": step}, state=state)

    return save


def step_of(folder: Path, retriever: Retriever) -> int:
    """What all parts of the checkpoint agree on."""
    found = find_checkpoint(folder)
    load_weights(retriever, found / "model.safetensors")
    steps = {float(value.detach().flatten()[0]) for value in retriever.parameters()}
    steps |= {read_facts(found)["step"], read_state(found)["position"][2]}
    assert len(steps) == 1, steps
    return int(steps.pop())


def test_a_copied_folder_is_complete(
    tmp_path: Path, recipe: Recipe, save: Callable[..., None], catalog: Catalog
) -> None:
    save(tmp_path / "run" / "checkpoints" / "best", 3)
    copy = Path(shutil.copytree(tmp_path / "run" / "checkpoints" / "best", tmp_path / "copy"))
    shutil.rmtree(tmp_path / "run")
    found = checkpoint_recipe(copy, catalog=catalog)
    assert found.document() == recipe.document()
    assert step_of(copy, build_retriever(found, device=CPU, pretrained=False)) == 3


def test_saving_again_replaces_everything_and_leaves_nothing_behind(
    tmp_path: Path, save: Callable[..., None], retriever: Retriever
) -> None:
    for step in (1, 2, 3):
        save(tmp_path / "last", step)
        (tmp_path / "last" / f"of-{step}").touch()
    assert step_of(tmp_path / "last", retriever) == 3
    assert not (tmp_path / "last" / "of-2").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


class Killed(BaseException):
    """As sudden as a kill."""


@pytest.mark.parametrize("moment", range(10))
def test_a_kill_at_any_moment_leaves_the_former_or_the_new_checkpoint(
    tmp_path: Path, save: Callable[..., None], retriever: Retriever, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    folder = tmp_path / "last"
    save(folder, 1)
    calls = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > moment:
                raise Killed
            return real(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save_file", counted(checkpoints.save_file))
        patch.setattr(checkpoints.torch, "save", counted(torch.save))
        patch.setattr(checkpoints.shutil, "rmtree", counted(lambda path, **_: None))
        for name in ("mkdir", "write_text", "rename"):
            patch.setattr(Path, name, counted(getattr(Path, name)))
        with pytest.raises(Killed):
            save(folder, 2)
    assert step_of(folder, retriever) in (1, 2)
    save(folder, 3)
    assert step_of(folder, retriever) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


def test_a_checkpoint_is_found_by_every_name(tmp_path: Path, save: Callable[..., None]) -> None:
    best = tmp_path / "run" / "checkpoints" / "best"
    save(best, 1)
    save(tmp_path / "run" / "checkpoints" / "last", 2)
    for path in (best, best / "model.safetensors", tmp_path / "run", tmp_path / "run" / "checkpoints"):
        assert find_checkpoint(path) == best
    last = tmp_path / "run" / "checkpoints" / "last"
    assert find_checkpoint(last) == last


def test_what_is_no_checkpoint_is_told(tmp_path: Path, catalog: Catalog) -> None:
    with pytest.raises(CheckpointError, match="nowhere: no such checkpoint"):
        find_checkpoint(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"holds no model\.safetensors"):
        find_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match=r"holds no recipe\.toml; name the recipe with --recipe"):
        checkpoint_recipe(tmp_path, catalog=catalog)
    assert read_facts(tmp_path) == {}


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", None, b"cut"])
def test_a_state_that_cannot_be_read_is_told(tmp_path: Path, save: Callable[..., None], content: Any) -> None:
    save(tmp_path / "last", 1)
    state = tmp_path / "last" / "training.pt"
    if content is None:
        state.unlink()
    else:
        state.write_bytes(state.read_bytes()[:200] if content == b"cut" else content)
    with pytest.raises(CheckpointError, match=r"training\.pt: (absent|not readable).* start (it|the run) again"):
        read_state(tmp_path / "last")


def test_weights_of_another_recipe_are_refused(
    tmp_path: Path, save: Callable[..., None], make_recipe: Callable[..., Recipe]
) -> None:
    save(tmp_path / "best", 1)
    other = build_retriever(make_recipe(fusion={"use": "none"}), device=CPU)
    with pytest.raises(CheckpointError, match=r"another architecture: unexpected fusion\.convolutions\.0\.weight"):
        load_weights(other, tmp_path / "best" / "model.safetensors")


def test_the_facts_are_plain_json(tmp_path: Path, save: Callable[..., None]) -> None:
    save(tmp_path / "best", 4)
    assert json.loads((tmp_path / "best" / "checkpoint.json").read_text()) == {"step": 4}
