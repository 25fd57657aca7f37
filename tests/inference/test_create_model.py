"""`create_model_and_transforms`: every kind of name leads to a model and its two transforms."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import open_clip
import pytest
import torch
from helpers.small_clip import alpha_tower, name_model, save_weights, snapshot, write_folder
from open_clip.transformer import QuickGELU
from PIL import Image

import fdakit
from fdakit import CheckpointError, RecipeError
from fdakit.experiment.run import run_recipe
from fdakit.inference import create_model
from fdakit.inference.create_model import create_model_and_transforms
from fdakit.model.image_model import ImageTextModel
from fdakit.model.zoo import ZooModel, find_model
from fdakit.recipe.recipe import Recipe

pytestmark = pytest.mark.integration

MakeRecipe = Callable[..., Recipe]
TEXTS = ["a red square", "a dog"]


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no network, and a working directory with nothing in it."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.delenv("FDAKIT_WEIGHTS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


def mask() -> np.ndarray:
    found = np.zeros((48, 64), bool)
    found[10:40, 20:50] = True
    return found


@torch.no_grad()
def vectors(model: ImageTextModel, transform: Any) -> torch.Tensor:
    image, alpha = transform(picture(), mask())
    return torch.cat([model.encode_image(image[None], alpha[None]), model.encode_text(TEXTS)])


@torch.no_grad()
def test_a_folder_gives_open_clips_own_vectors(tmp_path: Path) -> None:
    write_folder(tmp_path / "small")
    model, train, still = create_model_and_transforms("local-dir:small")
    own, _, preprocess = open_clip.create_model_and_transforms("local-dir:small")
    seen = preprocess(Image.fromarray(picture()))
    torch.testing.assert_close(still(picture()), seen, atol=1e-6, rtol=0)
    torch.testing.assert_close(model.encode_image(still(picture())[None]), own.eval().encode_image(seen[None]))
    ids = open_clip.get_tokenizer("local-dir:small")(TEXTS)
    assert torch.equal(model.tokenizer(TEXTS), ids)
    torch.testing.assert_close(model.encode_text(TEXTS), own.encode_text(ids))
    torch.testing.assert_close(model.logit_scale, own.logit_scale)
    assert (model.preprocess.size, model.training, train.training, still.training) == (32, False, True, False)


@pytest.mark.integration
def test_a_folder_works_through_a_recipe_to_a_report_and_back(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    state = write_folder(tmp_path / "small")
    encoder = {"use": "open-clip", "model": "local-dir:small"}
    finished = run_recipe(make_recipe(encoder=encoder, train={"epochs": 1}), out=tmp_path / "run")
    assert finished.report.to_json()["t2v"]["R@1"] >= 0
    (tmp_path / "small" / "open_clip_model.safetensors").unlink()  # a checkpoint brings its own weights
    again, _, still = create_model_and_transforms(tmp_path / "run")
    loaded = fdakit.load(tmp_path / "run", device="cpu")
    own = loaded.model.encoder.clip.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in again.encoder.clip.state_dict().items())
    assert not torch.equal(own["visual.proj"], state["visual.proj"])
    unit = torch.nn.functional.normalize(vectors(again, still)[1:], dim=-1)
    np.testing.assert_allclose(unit, loaded.encode_texts(TEXTS), atol=1e-6)


def test_a_repository_of_the_hub_is_taken_from_its_cache(tmp_path: Path) -> None:
    state = write_folder(snapshot(tmp_path / "hub", "someone/small"))
    model, _, _ = create_model_and_transforms("hf-hub:someone/small")
    assert torch.equal(model.encoder.clip.visual.proj, state["visual.proj"])
    with pytest.raises(CheckpointError, match="HF_HUB_OFFLINE forbids fetching it"):
        create_model_and_transforms("hf-hub:someone/else")


def test_a_name_of_open_clips_has_random_weights_from_the_seed(tmp_path: Path) -> None:
    name = name_model(tmp_path, "small-created")
    torch.manual_seed(11)
    wanted = torch.rand(3)
    torch.manual_seed(11)
    first, again, other = (create_model_and_transforms(name, seed=seed)[0] for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), wanted)  # the caller's own draws are left alone
    key = "encoder.clip.visual.conv1.weight"
    assert torch.equal(first.state_dict()[key], again.state_dict()[key])
    assert not torch.equal(first.state_dict()[key], other.state_dict()[key])


def test_a_weights_file_and_an_alpha_tower_by_path(tmp_path: Path) -> None:
    name = name_model(tmp_path, "small-with-files")
    state = write_folder(tmp_path / "a", weights=None, seed=1)
    tower = write_folder(tmp_path / "b", weights=None, seed=2)
    save_weights(tmp_path / "clip.safetensors", state)
    torch.save(alpha_tower(tower), tmp_path / "alpha.pth")
    model, _, still = create_model_and_transforms(
        name, pretrained=Path("clip.safetensors"), visual_checkpoint="alpha.pth", quick_gelu=True
    )
    assert torch.equal(model.encoder.clip.text_projection, state["text_projection"])
    assert torch.equal(model.encoder.clip.visual.proj, tower["visual.proj"])
    image, alpha = still(picture(), mask())
    with torch.no_grad():
        assert not torch.equal(model.encode_image(image[None], alpha[None]), model.encode_image(image[None]))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_lower_precision_changes_types_and_little_else(tmp_path: Path, precision: str) -> None:
    write_folder(tmp_path / "small")
    low, _, still = create_model_and_transforms("local-dir:small", precision=precision)
    full, _, _ = create_model_and_transforms("local-dir:small", precision="fp32")
    assert {p.dtype for p in low.parameters()} == {torch.bfloat16 if precision == "bf16" else torch.float16}
    found, wanted = vectors(low, still), vectors(full, still)
    assert found.dtype == next(low.parameters()).dtype
    assert torch.cosine_similarity(found.float(), wanted).min() > 0.999
    assert torch.equal(low.logit_scale, full.logit_scale)


def test_training_draws_as_open_clip_does_or_as_asked(tmp_path: Path) -> None:
    write_folder(tmp_path / "small")
    _, train, still = create_model_and_transforms("local-dir:small")
    torch.manual_seed(0)
    assert not torch.equal(train(picture()), train(picture()))
    assert torch.equal(still(picture()), still(picture()))
    _, train, _ = create_model_and_transforms("local-dir:small", crop_scale=(1.0, 1.0), flip=1.0)
    whole = np.repeat(np.arange(48, dtype=np.uint8)[None, :, None], 48, axis=0).repeat(3, axis=2)
    torch.testing.assert_close(train(whole), still(whole[:, ::-1].copy()))
    with pytest.raises(RecipeError, match=r"create_model_and_transforms: view\.flip: .*1\.5"):
        create_model_and_transforms("local-dir:small", flip=1.5)


@pytest.mark.integration
def test_a_checkpoint_crops_as_its_recipe_did_unless_asked(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    run_recipe(make_recipe(train={"epochs": 0}, fusion={"use": "none"}), out=tmp_path / "run")
    model, train, still = create_model_and_transforms(str(tmp_path / "run"))
    assert torch.equal(train(picture()), still(picture()))
    image, alpha = still(picture(), mask())
    with torch.no_grad():  # its fusion takes no notice of alpha
        assert torch.equal(model.encode_image(image[None], alpha[None]), model.encode_image(image[None]))
    _, train, _ = create_model_and_transforms(str(tmp_path / "run"), flip=1.0)
    assert not torch.equal(train(picture()), still(picture()))
    with pytest.raises(CheckpointError, match="has weights of its own; leave out pretrained, quick_gelu"):
        create_model_and_transforms(tmp_path / "run", pretrained="openai", quick_gelu=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"name": "clip-b61"},
            r"model 'clip-b61': not in the zoo, .*no checkpoint \(.*clip-b61 is absent\); did you",
        ),
        ({"name": "x"}, "`fdakit models` lists the zoo"),
        ({"name": "ViT-B-32", "precision": "int8"}, "precision: 'int8' is not known; give one of fp32, bf16, fp16"),
        ({"name": "ViT-B-32", "precision": "amp"}, "precision: 'amp' is not known"),
        ({"name": "ViT-B-32", "device": "tpu9"}, "'tpu9' cannot be used"),
        ({"name": "ViT-B-32", "pretrained": "openay"}, "nor a tag of ViT-B-32; tags: openai"),
        ({"name": "local-dir:nowhere"}, "nowhere is no folder"),
    ],
)
def test_what_cannot_be_made_is_told(options: dict[str, Any], words: str) -> None:
    with pytest.raises(fdakit.FdakitError, match=words):
        create_model_and_transforms(**options)


def small_zoo(monkeypatch: pytest.MonkeyPatch, folder: Path) -> ZooModel:
    """A research-only entry of a small model, in place of the zoo."""
    published = find_model("alpha-clip-l14-336-grit20m")
    facts = {"name": "alpha-small", "model": name_model(folder, "small-in-zoo"), "archive": "small.pt"}
    model = ZooModel(**{**vars(published), **facts})
    monkeypatch.setattr(create_model, "ZOO", (model,))
    return model


def test_a_model_of_the_zoo_is_put_together_from_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_zoo(monkeypatch, tmp_path)
    with pytest.raises(
        CheckpointError, match=r"grit_20m_4xe\.pth or .*@336_grit20m_fultune_4xe\.pth \(`fdakit models"
    ):
        create_model_and_transforms("alpha-small")
    tower = write_folder(tmp_path / "b", weights=None, seed=2)
    (tmp_path / "weights").mkdir()
    torch.save(alpha_tower(tower), tmp_path / "weights" / str(model.other_name))
    state = write_folder(tmp_path / "a", weights=None, seed=1)
    torch.save({**state, "input_resolution": torch.tensor(32)}, tmp_path / "weights" / "small.pt")
    with pytest.warns(UserWarning, match=r"model 'alpha-small': research only \(CC BY-NC 4\.0\)") as caught:
        made, _, _ = create_model_and_transforms("alpha-small")
    assert caught[0].filename == __file__
    assert torch.equal(made.encoder.clip.text_projection, state["text_projection"])
    assert torch.equal(made.encoder.clip.visual.proj, tower["visual.proj"])
    assert (made.fusion.convolutions[0].weight == 0.01).all()
    assert isinstance(made.encoder.clip.visual.transformer.resblocks[0].mlp.gelu, QuickGELU)


def test_a_zoo_models_files_may_lie_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_zoo(monkeypatch, tmp_path)
    tower = write_folder(tmp_path / "b", weights=None, seed=2)
    torch.save(alpha_tower(tower), tmp_path / "mine.pth")
    torch.save({**tower, "input_resolution": torch.tensor(32)}, tmp_path / "mine.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made, _, _ = create_model_and_transforms("alpha-small", pretrained="mine.pt", visual_checkpoint="mine.pth")
    assert torch.equal(made.encoder.clip.text_projection, tower["text_projection"])
