"""The recipes of Prompt Switch: their settings, what trains at which rate, a run, and a checkpoint of the release."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.shipped import OF_PACKAGES, beside, catalog_for
from helpers.small_clip import write_folder

from fdakit.catalog import load_catalog
from fdakit.experiment.run import run_recipe
from fdakit.inference.checkpoint import Checkpoint
from fdakit.inference.factory import build_objectives, build_retriever
from fdakit.recipe.document import Document, find_recipe, read_document
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import read_recipe, validate
from fdakit.training.optimisation.parameter_groups import training_rows

PACKAGE: Any = beside("fdakit-prompt-switch")
SETS = ("msvd", "msrvtt", "lsmdc")
CPU = torch.device("cpu")
WIDTH, WORDS, PROMPTS = 64, 8, 2
NEW = {"prompts": 1e-5, "objective": 1e-5, "aggregator": 1e-5}

pytestmark = pytest.mark.integration


def written(name: str) -> Document:
    return read_document(find_recipe(name))


def without(document: Document, *tables: str) -> Document:
    return {key: value for key, value in document.items() if key not in tables}


def test_there_is_a_recipe_with_the_mask_and_without_for_each_set() -> None:
    wanted = {f"{form}prompt_switch_{key}" for key in SETS for form in ("", "fda_")}
    small = {"quickstart_prompt_switch", "quickstart_fda_prompt_switch"}
    assert wanted | small == {name for name in OF_PACKAGES if "prompt_switch" in name}


@pytest.mark.parametrize("key", SETS)
def test_with_the_mask_a_recipe_differs_in_mask_fusion_and_the_rate_of_alpha_alone(key: str) -> None:
    plain, masked = written(f"prompt_switch_{key}"), written(f"fda_prompt_switch_{key}")
    changed = ("name", "mask", "fusion", "train", "eval")
    assert without(plain, *changed) == without(masked, *changed)
    assert plain["train"]["rates"] == NEW
    assert masked["train"] == {**plain["train"], "rates": {**NEW, "alpha-path": 1e-4}}
    assert masked["mask"] == written(f"fda_{key}")["mask"]


@pytest.mark.parametrize("key", SETS)
def test_new_weights_train_faster_than_clip_s(key: str) -> None:
    name = f"prompt_switch_{key}"
    settings = ["encoder.use=fdakit-prompt-switch:prompt-switch-tiny"]
    rows = training_rows(read_recipe(name, catalog=catalog_for(name), settings=settings))
    rates = {weight: row.rate for row in rows for weight in row.weights}
    for fast in ("encoder.cube.prompts", "encoder.cube.attention.in_proj_weight", "objective.1.head.weight"):
        assert rates[fast] == 1e-5
    for slow in (
        "encoder.clip.visual.conv1.weight",
        "encoder.clip.token_embedding.weight",
        "objective.0.logit_scale",
    ):
        assert rates[slow] == 1e-6


@pytest.fixture
def make(document: dict[str, Any]) -> Callable[..., Recipe]:
    """A recipe that trains in a second, with the parts of the package."""

    def made(**tables: Any) -> Recipe:
        tiny = {"use": "prompt-switch-tiny", "prompts": PROMPTS, "width": WIDTH, "embedding": WIDTH, "layers": 2}
        parts: dict[str, Any] = {
            "sampler": {"use": "prompt-switch", "segments": PROMPTS, "eval_clips": 2},
            "encoder": tiny,
            "objective": [{"use": "symmetric-contrastive"}, {"use": "captioning", "weight": 0.5}],
        }
        changed = deepcopy(document) | parts
        for table, value in tables.items():
            changed[table] = value if "use" in value or isinstance(value, list) else {**changed[table], **value}
        return validate(changed, where="small.toml", catalog=load_catalog(extra=[PACKAGE]))

    return made


def test_a_run_trains_cube_and_decoder_and_keeps_only_what_search_needs(
    make: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe = make()
    before = build_retriever(recipe, device=CPU).state_dict()
    run_recipe(recipe, out=tmp_path / "run")
    checkpoint = Checkpoint.open(tmp_path / "run")
    saved = checkpoint.recipe(catalog=load_catalog(extra=[PACKAGE]))
    after = checkpoint.load(saved, device=CPU).state_dict()
    assert before.keys() == after.keys()
    assert not any("head" in name or "decoder" in name for name in after)
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    assert {"encoder.cube.prompts", "encoder.cube.attention.out_proj.weight"} <= moved


def released(folder: Path) -> Path:
    """A model of open_clip in a folder, and beside it a checkpoint of the same sizes as the release writes it."""
    transformers = pytest.importorskip("transformers")
    text = {"context_length": WORDS, "width": WIDTH, "heads": 1, "layers": 1, "vocab_size": 49408}
    write_folder(folder, weights=None, embed_dim=WIDTH, text_cfg=text, quick_gelu=True)
    shared = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_attention_heads": 1, "num_hidden_layers": 1}
    words = {"vocab_size": 49408, "max_position_embeddings": WORDS}
    config = transformers.CLIPConfig(
        vision_config={**shared, "image_size": 32, "patch_size": 8},
        text_config={**shared, **words},
        projection_dim=WIDTH,
    )
    cube = torch.nn.MultiheadAttention(WIDTH, 1)
    layer = torch.nn.TransformerDecoderLayer(WIDTH, 1, 4 * WIDTH)
    parts = {
        "clip.": transformers.CLIPModel(config),
        "clip.vision_model.attn.": cube,
        "caption_prenorm.": torch.nn.LayerNorm(WIDTH),
        "caption_transformer.": torch.nn.TransformerDecoder(layer, 2, torch.nn.LayerNorm(WIDTH)),
        "caption_head.": torch.nn.Linear(WIDTH, 49408),
    }
    state = {prefix + name: value for prefix, part in parts.items() for name, value in part.state_dict().items()}
    state["clip.vision_model.encoder.prompt_embedding"] = torch.randn(PROMPTS, PROMPTS, WIDTH)
    torch.save({"epoch": 1, "state_dict": state, "optimizer": {}}, folder / "best.pth")
    return folder / "best.pth"


def test_a_checkpoint_of_the_release_fills_towers_cube_and_decoder(
    make: Callable[..., Recipe], tmp_path: Path
) -> None:
    file = released(tmp_path / "theirs")
    theirs = torch.load(file, weights_only=True)["state_dict"]
    encoder = {"use": "prompt-switch", "model": f"local-dir:{file.parent}", "pretrained": str(file)}
    objective = [{"use": "captioning", "weights": str(file)}]
    recipe = make(encoder={**encoder, "prompts": PROMPTS, "quick_gelu": True}, objective=objective)
    retriever = build_retriever(recipe, device=CPU)
    found = retriever.state_dict()
    model = "clip.vision_model"
    assert torch.equal(found["encoder.clip.visual.ln_pre.weight"], theirs[f"{model}.pre_layrnorm.weight"])
    assert torch.equal(found["encoder.cube.prompts"], theirs[f"{model}.encoder.prompt_embedding"])
    assert torch.equal(found["encoder.cube.attention.in_proj_weight"], theirs[f"{model}.attn.in_proj_weight"])
    (captioner,) = build_objectives(recipe, retriever, CPU)
    part: Any = captioner.part
    assert torch.equal(part.head.weight, theirs["caption_head.weight"])
    assert torch.equal(part.decoder.norm.weight, theirs["caption_transformer.norm.weight"])
