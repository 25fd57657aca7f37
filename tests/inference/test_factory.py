"""From a recipe to its parts: weights from the seed, files checked first, all that is missing said at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from helpers.normalised_pixels import normalised

from fdakit import CheckpointError, DatasetError, FdakitError, PluginError
from fdakit.data_pipeline.splits import Splits
from fdakit.errors import collect_errors
from fdakit.experiment.checkpoint_evaluation import evaluate_checkpoint
from fdakit.experiment.run import run_recipe
from fdakit.inference.factory import build_objectives, build_retriever, count_parameters
from fdakit.recipe.recipe import Recipe

CPU = torch.device("cpu")
MakeRecipe = Callable[..., Recipe]


def quiet(what: str, done: int, total: int) -> None:
    """No progress."""


def splits(recipe: Recipe) -> Splits:
    return Splits(recipe, device=CPU, progress=quiet)


def test_weights_come_from_the_recipes_seed(make_recipe: MakeRecipe) -> None:
    torch.manual_seed(99)
    first, again, other = (build_retriever(make_recipe(seed=seed), device=CPU).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    name = "encoder.clip.visual.conv1.weight"
    assert not torch.equal(first[name], other[name])


def test_the_view_overrides_the_towers_preprocessing(make_recipe: MakeRecipe) -> None:
    view: dict[str, Any] = {"mean": [0.1, 0.2, 0.3], "std": [1.0, 2.0, 3.0], "resize": "squash"}
    found = build_retriever(make_recipe(view=view), device=CPU)
    assert found.preprocess.mean == (0.1, 0.2, 0.3)
    assert (found.preprocess.resize, found.preprocess.interpolation) == ("squash", "bicubic")
    black = normalised(found, torch.zeros(1, 3, 1, 1, dtype=torch.uint8)).flatten()
    torch.testing.assert_close(black, torch.tensor([-0.1, -0.1, -0.1]))


def test_a_size_that_the_tower_does_not_take_is_refused(make_recipe: MakeRecipe) -> None:
    assert build_retriever(make_recipe(view={"size": 32}), device=CPU).preprocess.size == 32
    with pytest.raises(CheckpointError, match=r"view\.size: 48 px, but the encoder takes 32 px"):
        build_retriever(make_recipe(view={"size": 48}), device=CPU)


def test_a_part_that_cannot_be_built_is_named(make_recipe: MakeRecipe) -> None:
    with pytest.raises(
        PluginError, match=r"fusion 'unbuildable' \(helpers.example_parts local\) failed while it was built: Val"
    ):
        build_retriever(make_recipe(fusion={"use": "unbuildable"}), device=CPU)


@pytest.fixture
def alpha_clip(tmp_path: Path) -> dict[str, Any]:
    """A small model that open_clip knows by name, and an Alpha-CLIP checkpoint of its visual tower."""
    sizes = {"image_size": 32, "patch_size": 8, "width": 64, "layers": 1}
    texts = {"context_length": 8, "width": 32, "heads": 2, "layers": 1, "vocab_size": 49408}
    config = tmp_path / "small-for-tests.json"
    config.write_text(json.dumps({"embed_dim": 16, "quick_gelu": True, "vision_cfg": sizes, "text_cfg": texts}))
    open_clip.add_model_config(config)
    torch.manual_seed(1)
    visual = open_clip.create_model("small-for-tests", pretrained=None).visual
    state = {name.replace("attn.in_proj_", "attn.in_proj."): value for name, value in visual.state_dict().items()}
    torch.save({**state, "conv1_alpha.weight": torch.ones(64, 1, 8, 8)}, tmp_path / "alpha.pth")
    return {"use": "open-clip", "model": "small-for-tests", "visual_checkpoint": str(tmp_path / "alpha.pth")}


def test_an_alpha_clip_tower_is_read_once_and_never_asked_for_again(
    make_recipe: MakeRecipe, alpha_clip: dict[str, Any]
) -> None:
    recipe = make_recipe(encoder=alpha_clip)
    found = build_retriever(recipe, device=CPU)
    tower = torch.load(alpha_clip["visual_checkpoint"], weights_only=True)
    assert torch.equal(found.encoder.clip.visual.conv1.weight, tower["conv1.weight"])
    assert (found.fusion.convolutions[0].weight == 1).all()
    Path(alpha_clip["visual_checkpoint"]).unlink()
    with pytest.raises(CheckpointError, match=r"alpha\.pth is absent"):
        build_retriever(recipe, device=CPU)
    bare = build_retriever(recipe, device=CPU, pretrained=False)  # a checkpoint of ours fills it right after
    bare.load_state_dict(found.state_dict())
    assert (bare.fusion.convolutions[0].weight == 1).all()


def test_objectives_start_from_the_encoder(make_recipe: MakeRecipe) -> None:
    objectives = [{"use": "symmetric-contrastive", "weight": 2.0}, {"use": "symmetric-contrastive", "scale": 9.0}]
    recipe = make_recipe(objective=objectives)
    retriever = build_retriever(recipe, device=CPU)
    with torch.no_grad():
        retriever.encoder.clip.logit_scale.fill_(3.5)
    first, second = build_objectives(recipe, retriever, CPU)
    assert first.part.logit_scale.item() == pytest.approx(3.5)
    assert second.part.logit_scale.exp().item() == pytest.approx(9.0)
    assert (first.weight, second.weight, first.name) == (2.0, 1.0, "symmetric-contrastive")


def test_a_split_comes_with_its_files_checked(make_recipe: MakeRecipe) -> None:
    found = splits(make_recipe())
    assert found.names() == ("train", "val", "test")
    assert [len(found.load(name).videos) for name in found.names()] == [7, 3, 6]
    with pytest.raises(DatasetError, match=r"split 'dev': the data set has none; it has: train, val, test"):
        found.load("dev")


@pytest.fixture
def holes(clips: Path, tmp_path: Path) -> Path:
    """A manifest in which two of four videos are absent."""
    names = ("red-across", "gone", "blue-down", "lost")
    path = tmp_path / "holes.csv"
    path.write_text("path,caption\n" + "".join(f"{clips / name}.mp4,a {name}\n" for name in names))
    return path


def test_absent_videos_stop_everything_unless_they_may_be_missing(make_recipe: MakeRecipe, holes: Path) -> None:
    dataset: dict[str, Any] = {"use": "manifest", "path": str(holes)}
    with pytest.raises(DatasetError, match=r"2 of 4 videos are absent: .*gone\.mp4; .*lost\.mp4; put them there"):
        splits(make_recipe(dataset=dataset)).load("test")
    found = splits(make_recipe(dataset={**dataset, "allow_missing": True})).load("test")
    assert [Path(video.id).stem for video in found.videos] == ["red-across", "blue-down"]
    assert [caption.text for caption in found.captions] == ["a red-across", "a blue-down"]
    assert [Path(name).stem for name in found.left_out] == ["gone", "lost"]


def test_a_split_of_which_nothing_is_left_is_an_error_all_the_same(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    path.write_text("path,caption\ngone.mp4,a\n")
    with pytest.raises(DatasetError, match="1 of 1 videos are absent"):
        splits(make_recipe(dataset={"use": "manifest", "path": str(path), "allow_missing": True})).load("test")


@pytest.mark.integration
def test_all_that_is_missing_is_said_together_and_once(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(
        dataset={"use": "msvd", "root": str(tmp_path / "msvd")},
        encoder={
            "use": "open-clip",
            "pretrained": str(tmp_path / "gone.pt"),
            "visual_checkpoint": str(tmp_path / "alpha.pth"),
        },
    )
    with pytest.raises(FdakitError) as caught:
        run_recipe(recipe, out=tmp_path / "run")
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    for name, line in zip(("msvd: msvd is absent", "gone.pt is absent", "alpha.pth is absent"), lines, strict=True):
        assert name in line
    assert not (tmp_path / "run").exists()


@pytest.mark.integration
@pytest.mark.parametrize("epochs", [0, 2])
def test_an_absent_manifest_does_not_hide_what_else_is_missing(
    make_recipe: MakeRecipe, tmp_path: Path, epochs: int
) -> None:
    recipe = make_recipe(
        dataset={"use": "manifest", "path": str(tmp_path / "clips.csv")},
        encoder={"use": "open-clip", "pretrained": str(tmp_path / "gone.pt")},
        train={"epochs": epochs},
    )
    with pytest.raises(FdakitError, match=r"(?s)clips\.csv.*gone\.pt"):
        run_recipe(recipe, out=tmp_path / "run")
    with pytest.raises(FdakitError, match=r"(?s)clips\.csv.*nowhere: no such checkpoint"):
        evaluate_checkpoint(recipe, tmp_path / "nowhere")


def test_together_collects_worded_errors_and_nothing_else() -> None:
    def fail(error: Exception) -> Callable[[], object]:
        def step() -> object:
            raise error

        return step

    assert collect_errors(lambda: 1, lambda: 2) == [1, 2]
    with pytest.raises(DatasetError, match=r"^one$"):
        collect_errors(lambda: 1, fail(DatasetError("one")))
    with pytest.raises(FdakitError, match=r"^one\ntwo$"):
        collect_errors(fail(DatasetError("one")), fail(CheckpointError("two")), fail(DatasetError("one")))
    with pytest.raises(ZeroDivisionError):
        collect_errors(fail(DatasetError("one")), lambda: 1 // 0)


def test_parameters_of_objectives_are_counted_too_and_shared_ones_once(make_recipe: MakeRecipe) -> None:
    retriever = build_retriever(make_recipe(), device=torch.device("cpu"))
    alone, trained = count_parameters(retriever)
    assert alone == sum(weight.numel() for weight in retriever.parameters())
    assert trained == alone - 1  # the encoder's own scale
    frozen = torch.nn.Linear(2, 3).requires_grad_(False)
    assert count_parameters(retriever, [frozen, object(), retriever.encoder]) == (alone + 9, trained)
