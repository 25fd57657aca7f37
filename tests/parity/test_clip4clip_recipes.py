"""The recipes of CLIP4Clip: their settings, what trains at which rate, and runs from nothing and from checkpoints."""

from __future__ import annotations

import json
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
from fdakit.inference.factory import build_retriever
from fdakit.plugin import BuildContext
from fdakit.recipe.document import Document, find_recipe, read_document
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import read_recipe, validate
from fdakit.training.optimisation.parameter_groups import training_rows

PACKAGE: Any = beside("fdakit-clip4clip")
SETS = ("msvd", "msrvtt", "lsmdc")
FORMS = (("clip4clip_", ""), ("clip4clip_", "_seqtransf"), ("fda_clip4clip_", ""))
NAMES = [name for name in OF_PACKAGES if "clip4clip" in name]
CPU = torch.device("cpu")
WIDTH = 32

pytestmark = pytest.mark.integration


def written(name: str) -> Document:
    return read_document(find_recipe(name))


def without(document: Document, *tables: str) -> Document:
    return {key: value for key, value in document.items() if key not in tables}


def test_there_is_a_recipe_of_each_head_and_of_the_mask_for_each_set() -> None:
    wanted = {f"{name}{key}{end}" for key in SETS for name, end in FORMS}
    assert wanted | {"quickstart_clip4clip", "quickstart_clip4clip_meanp", "quickstart_fda_clip4clip"} == set(NAMES)


@pytest.mark.parametrize("key", SETS)
def test_heads_differ_in_the_aggregator_and_its_rate_alone(key: str) -> None:
    mean, transformer = written(f"clip4clip_{key}"), written(f"clip4clip_{key}_seqtransf")
    assert without(mean, "name", "aggregator", "train") == without(transformer, "name", "aggregator", "train")
    assert transformer["train"] == {**mean["train"], "rates": {"aggregator": 1e-4}}


@pytest.mark.parametrize("key", SETS)
def test_with_the_mask_a_recipe_differs_in_mask_fusion_and_the_rate_of_alpha_alone(key: str) -> None:
    plain, masked = written(f"clip4clip_{key}_seqtransf"), written(f"fda_clip4clip_{key}")
    changed = ("name", "mask", "fusion", "train", "eval")
    assert without(plain, *changed) == without(masked, *changed)
    assert masked["train"] == {**plain["train"], "rates": {"aggregator": 1e-4, "alpha-path": 1e-4}}
    assert masked["mask"] == written(f"fda_{key}")["mask"]


@pytest.mark.parametrize("key", SETS)
def test_it_trains_what_their_code_trains_at_their_rates(key: str) -> None:
    name = f"clip4clip_{key}_seqtransf"
    rows = training_rows(read_recipe(name, catalog=catalog_for(name), settings=["encoder.use=tiny"]))
    rates = {weight: row.rate for row in rows for weight in row.weights}
    decays = {weight: row.decays for row in rows for weight in row.weights}
    for frozen in ("visual.conv1.weight", "visual.class_embedding", "positional_embedding", "visual.ln_pre.weight"):
        assert rates[f"encoder.clip.{frozen}"] is None
    for trained in ("ln_final.weight", "text_projection", "visual.ln_post.weight", "visual.proj"):
        assert (rates[f"encoder.clip.{trained}"], decays[f"encoder.clip.{trained}"]) == (1e-7, True)
    assert rates["objective.0.logit_scale"] == 1e-7
    assert {rate for weight, rate in rates.items() if weight.startswith("aggregator.")} == {1e-4}
    assert not any(decay for weight, decay in decays.items() if "bias" in weight)


@pytest.fixture
def make(document: dict[str, Any]) -> Callable[..., Recipe]:
    """A recipe that trains in a second, with the parts of the package."""

    def made(**tables: Any) -> Recipe:
        parts = {
            "sampler": {"use": "clip4clip", "train_frames": 2, "eval_frames": 3, "per_second": 8},
            "aggregator": {"use": "seq-transformer", "layers": 1},
            "optimiser": {"use": "bert-adam"},
        }
        changed = deepcopy(document) | parts
        for table, value in tables.items():
            changed[table] = value if "use" in value else {**changed.get(table, {}), **value}
        return validate(changed, where="small.toml", catalog=load_catalog(extra=[PACKAGE]))

    return made


@pytest.mark.parametrize("head", ["seq-transformer", "seq-lstm"])
def test_a_run_trains_saves_and_loads_the_head(make: Callable[..., Recipe], head: str, tmp_path: Path) -> None:
    layers = {"layers": 1, "heads": 1, "start": "random"} if head == "seq-transformer" else {}
    train = {"schedule": "bert-cosine", "decay_rule": "clip4clip", "freeze_rule": "clip4clip"}
    recipe = make(aggregator={"use": head, **layers}, train=train)
    before = build_retriever(recipe, device=CPU).state_dict()
    run_recipe(recipe, out=tmp_path / "run")
    checkpoint = Checkpoint.open(tmp_path / "run")
    saved = checkpoint.recipe(catalog=load_catalog(extra=[PACKAGE]))
    after = checkpoint.load(saved, device=CPU).state_dict()
    assert before.keys() == after.keys()
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    assert any(name.startswith("aggregator.") for name in moved)
    assert "encoder.clip.visual.conv1.weight" not in moved
    assert any("resblocks" in name for name in moved)


def their_checkpoint(folder: Path) -> Path:
    """A model of open_clip in a folder, and beside it a checkpoint of the same sizes as their code writes it."""
    text = {"context_length": 8, "width": WIDTH, "heads": 1, "layers": 3, "vocab_size": 49408}
    towers = write_folder(folder, weights=None, embed_dim=WIDTH, text_cfg=text, quick_gelu=True)
    head = PACKAGE.SEQ_TRANSFORMER.build(PACKAGE.SEQ_TRANSFORMER.options(layers=2), BuildContext(embedding=WIDTH))
    names = {"positions.": "frame_position_embeddings.", "blocks.": "transformerClip.resblocks."}
    state = {f"module.clip.{name}": value + 0.01 for name, value in towers.items()}
    for name, value in head.state_dict().items():
        ours = next(ours for ours in names if name.startswith(ours))
        state[f"module.{names[ours]}{name.removeprefix(ours)}"] = value
    torch.save(state, folder / "pytorch_model.bin.3")
    return folder / "pytorch_model.bin.3"


def test_one_file_fills_encoder_and_aggregator(make: Callable[..., Recipe], tmp_path: Path) -> None:
    file = their_checkpoint(tmp_path / "theirs")
    theirs = torch.load(file, weights_only=True)
    encoder = {"use": "open-clip", "model": f"local-dir:{file.parent}", "pretrained": str(file), "quick_gelu": True}
    aggregator = {"use": "seq-transformer", "layers": 2, "weights": str(file)}
    recipe = make(encoder=encoder, aggregator=aggregator, train={"epochs": 0})
    found = build_retriever(recipe, device=CPU).state_dict()
    assert torch.equal(found["encoder.clip.ln_final.weight"], theirs["module.clip.ln_final.weight"])
    position = "module.frame_position_embeddings.weight"
    assert torch.equal(found["aggregator.positions.weight"], theirs[position])
    last = "attn.in_proj_weight"
    assert torch.equal(found[f"aggregator.blocks.1.{last}"], theirs[f"module.transformerClip.resblocks.1.{last}"])
    run_recipe(recipe, out=tmp_path / "run")
    assert json.loads((tmp_path / "run" / "report.json").read_text())


def test_from_a_run_of_its_own_the_transformer_starts_from_the_text_tower(
    make: Callable[..., Recipe], tmp_path: Path
) -> None:
    their_checkpoint(tmp_path / "theirs")
    model = f"local-dir:{tmp_path / 'theirs'}"
    encoder = {"use": "open-clip", "model": model, "pretrained": str(tmp_path / "theirs" / "pytorch_model.bin.3")}
    recipe = make(encoder={**encoder, "quick_gelu": True}, aggregator={"use": "seq-transformer", "layers": 2})
    found = build_retriever(recipe, device=CPU).state_dict()
    for layer in (0, 1):
        name = f"{layer}.mlp.c_fc.weight"
        assert torch.equal(found[f"aggregator.blocks.{name}"], found[f"encoder.clip.transformer.resblocks.{name}"])
    positions = found["encoder.clip.positional_embedding"]
    assert torch.equal(found["aggregator.positions.weight"][: len(positions)], positions)
