"""What trains at which rate: groups of every weight once, what stays as loaded, and faults in words."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import pytest
import torch
from hypothesis import given, settings, strategies as st
from open_clip import CLIP, CLIPTextCfg, CLIPVisionCfg, SimpleTokenizer
from torch import nn

from fdakit import PluginError, RecipeError
from fdakit.builtin.aggregators.mean import MEAN
from fdakit.builtin.fusions.alpha_conv import ALPHA_CONV
from fdakit.builtin.matchers.cosine import COSINE
from fdakit.catalog import Catalog
from fdakit.choices import ROLES
from fdakit.model import ClipEncoder
from fdakit.model.retriever import Retriever
from fdakit.plugin import BuildContext, Preprocess
from fdakit.recipe.document import dump_document
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import read_recipe, validate
from fdakit.settings import TrainSettings
from fdakit.testing.building import build_part
from fdakit.training.optimisation.freezing import frozen_batch_norms
from fdakit.training.optimisation.parameter_groups import (
    ParameterPlan,
    parameter_groups,
    plan_training,
    training_rows,
)

pytestmark = pytest.mark.integration

MakeRecipe = Callable[..., Recipe]
VISION = {
    "vit": CLIPVisionCfg(image_size=32, patch_size=8, width=64, head_width=32, layers=2),
    "resnet": CLIPVisionCfg(image_size=64, layers=(1, 1, 1, 1), width=8, head_width=32),
    "fastvit": CLIPVisionCfg(image_size=64, timm_model_name="fastvit_t8", timm_pool="avg"),
}
TEXT = CLIPTextCfg(context_length=8, vocab_size=49408, width=32, heads=2, layers=2)
LABELS = {"encoder": "encoder 'small' (local)", "fusion": "fusion", "aggregator": "aggregator"}


class Weighted(nn.Module):
    """An aggregator, a matcher or a mask with a matrix and a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = nn.Linear(4, 4)


class Captioner(nn.Module):
    """An objective with more than a scale."""

    def __init__(self) -> None:
        super().__init__()
        self.logit_scale = nn.Parameter(torch.tensor(1.0))
        self.head = nn.Linear(4, 3)


def made(kind: str, aggregator: Any = None) -> Retriever:
    torch.manual_seed(5)
    size = VISION[kind].image_size
    preprocess = Preprocess(size=size, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    clip = CLIP(embed_dim=16, vision_cfg=VISION[kind], text_cfg=TEXT)
    tokenizer = SimpleTokenizer(context_length=TEXT.context_length)
    encoder = ClipEncoder(clip, tokenizer=tokenizer, preprocess=preprocess, shapes=BuildContext())
    return Retriever(
        encoder=encoder,
        fusion=build_part(ALPHA_CONV, encoder.shapes),
        aggregator=aggregator or build_part(MEAN),
        matcher=Weighted() if aggregator else build_part(COSINE),
        mask=Weighted() if aggregator else None,
        preprocess=preprocess,
        labels=LABELS,
    )


@pytest.fixture(scope="module", params=VISION)
def whole(request: pytest.FixtureRequest) -> Retriever:
    """Every build of tower, with weights in every part; tests set all of them to train first."""
    return made(request.param, Weighted())


def fresh(retriever: Retriever) -> tuple[Retriever, list[nn.Module]]:
    retriever.requires_grad_(True)
    retriever.encoder.clip.logit_scale.requires_grad_(False)
    return retriever, [Captioner()]


PATTERNS = ("*positional_embedding", "objective.0.head.weight", "encoder.clip.*resblocks.0.*", "fusion.*")


@st.composite
def drawn_settings(draw: st.DrawFn) -> TrainSettings:
    freeze = draw(st.sets(st.sampled_from(ROLES)))
    rule = draw(st.sampled_from(["none", "clip4clip"]))
    rated = [role for role in ROLES if role not in freeze and not (role == "stem" and rule == "clip4clip")]
    return TrainSettings(
        learning_rate=1e-3,
        freeze=tuple(sorted(freeze)),
        freeze_rule=rule,
        freeze_blocks=draw(st.integers(0, 2)),
        rates=draw(st.dictionaries(st.sampled_from(rated), st.floats(1e-7, 1.0))) if rated else {},
        layer_decay=draw(st.sampled_from([1.0, 0.9, 0.5])),
        decay_rule=draw(st.sampled_from(["matrices", "clip4clip"])),
        no_decay=tuple(draw(st.sets(st.sampled_from(PATTERNS)))),
    )


def group_of(plan: tuple[ParameterPlan, ...]) -> dict[int, dict[str, Any]]:
    """Weight -> the group that holds it. Fails where two do."""
    found: dict[int, dict[str, Any]] = {}
    for group in parameter_groups(plan):
        for weight in group["params"]:
            assert id(weight) not in found
            found[id(weight)] = group
    return found


@pytest.mark.integration
@settings(max_examples=60)
@given(drawn_settings())
def test_every_weight_that_trains_is_in_one_group_at_its_rate_and_no_other_is(
    whole: Retriever, train: TrainSettings
) -> None:
    retriever, objectives = fresh(whole)
    plan = plan_training(retriever, objectives, train)
    groups = group_of(plan)
    everything = [*retriever.parameters(), *objectives[0].parameters()]
    assert {id(p.weight.value) for p in plan} == {id(weight) for weight in everything}
    assert {id(weight) for weight in everything if weight.requires_grad} == set(groups)
    for planned in plan:
        weight, depth = planned.weight, planned.weight.depth
        if not weight.value.requires_grad:
            assert not planned.trains
            continue
        assert weight.role not in train.freeze
        above = 0 if depth is None else depth.of - 1 - depth.layer
        group = groups[id(weight.value)]
        assert group["lr"] == pytest.approx(train.rates.get(weight.role, 1e-3) * train.layer_decay**above, rel=1e-12)
        matched = any(fnmatchcase(weight.name, pattern) for pattern in train.no_decay)
        by_rule = weight.value.ndim >= 2 if train.decay_rule == "matrices" else "bias" not in weight.name
        assert group["decays"] == (by_rule and not matched)
    names = [group["name"] for group in parameter_groups(plan)]
    assert len(set(names)) == len(names)


def test_by_default_matrices_decay_and_the_rest_does_not_in_two_groups_as_ever(whole: Retriever) -> None:
    retriever, objectives = fresh(whole)
    plan = plan_training(retriever, objectives, TrainSettings(learning_rate=0.5))
    trained = [p for module in (retriever, *objectives) for p in module.parameters() if p.requires_grad]
    decaying, others = parameter_groups(plan)
    assert [id(p) for p in decaying["params"]] == [id(p) for p in trained if p.ndim >= 2]
    assert [id(p) for p in others["params"]] == [id(p) for p in trained if p.ndim < 2]
    assert (decaying["decays"], others["decays"]) == (True, False)
    assert decaying["lr"] == others["lr"] == 0.5


def test_by_the_rule_of_clip4clip_norms_and_scales_decay_and_no_bias_does() -> None:
    plan = plan_training(*fresh(made("vit")), TrainSettings(decay_rule="clip4clip"))
    decaying = {planned.weight.name.removeprefix("encoder.clip.") for planned in plan if planned.decays}
    assert {"visual.ln_pre.weight", "ln_final.weight", "objective.0.logit_scale"} <= decaying
    still = {planned.weight.name.rpartition(".")[2] for planned in plan if planned.trains and not planned.decays}
    assert still == {"bias", "in_proj_bias"}


def test_groups_of_other_rates_are_named_by_role_and_layer() -> None:
    retriever, objectives = fresh(made("vit"))
    rates = {"alpha-path": 1e-4, "logit-scale": 1e-2}
    plan = plan_training(retriever, objectives, TrainSettings(learning_rate=1e-6, rates=rates))
    told = {group["name"]: group["lr"] for group in parameter_groups(plan)}
    assert told == {
        "stem": 1e-6,
        "alpha-path": 1e-4,
        "visual-trunk": 1e-6,
        "visual-trunk, no decay": 1e-6,
        "text-tower": 1e-6,
        "text-tower, no decay": 1e-6,
        "objective": 1e-6,
        "objective, no decay": 1e-6,
        "logit-scale, no decay": 1e-2,
    }
    plan = plan_training(
        *fresh(made("vit")), TrainSettings(learning_rate=1.0, layer_decay=0.5, freeze=("text-tower",))
    )
    told = {group["name"]: group["lr"] for group in parameter_groups(plan)}
    assert told["stem layer 0"] == told["visual-trunk layer 0, no decay"] == 0.125
    assert told["visual-trunk layer 2"] == 0.5
    assert told["visual-trunk layer 3"] == told["alpha-path"] == 1.0
    assert not any(name.startswith("text-tower") for name in told)


def clip4clip_trains(name: str, freeze_layer_num: int) -> bool:
    """The rule of CLIP4Clip's main_task_retrieval.py, over the names of an OpenAI CLIP; `conv2d` patches."""
    always = ("ln_final.", "text_projection", "logit_scale", "visual.ln_post.", "visual.proj")
    if name.startswith(always):
        return True
    if name.startswith(("visual.transformer.resblocks.", "transformer.resblocks.")):
        return int(name.split(".resblocks.")[1].split(".")[0]) >= freeze_layer_num
    return False


@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_the_rule_of_clip4clip_freezes_what_its_code_freezes_and_never_alpha(blocks: int) -> None:
    retriever, objectives = fresh(made("vit", Weighted()))
    plan_training(retriever, objectives, TrainSettings(freeze_rule="clip4clip", freeze_blocks=blocks))
    clip = dict(retriever.encoder.clip.named_parameters())
    del clip["logit_scale"]  # read only; the objective's is trained instead
    assert {name: weight.requires_grad for name, weight in clip.items()} == {
        name: clip4clip_trains(name, blocks) for name in clip
    }
    for part in (retriever.fusion, retriever.aggregator, *objectives):
        assert all(weight.requires_grad for weight in part.parameters())


@pytest.mark.parametrize("kind", ["resnet", "fastvit"])
def test_the_rule_freezes_the_stem_of_other_towers_too(kind: str) -> None:
    retriever, objectives = fresh(made(kind))
    plan_training(retriever, objectives, TrainSettings(freeze_rule="clip4clip"))
    visual = dict(retriever.encoder.clip.visual.named_parameters())
    below = ("conv", "bn") if kind == "resnet" else ("trunk.stem.",)
    frozen = {name for name, weight in visual.items() if not weight.requires_grad}
    assert frozen == {name for name in visual if name.startswith(below)}
    assert 0 < len(frozen) < len(visual)


def test_blocks_are_frozen_from_the_bottom_without_what_lies_below_them() -> None:
    retriever, objectives = fresh(made("vit"))
    plan_training(retriever, objectives, TrainSettings(freeze_blocks=1))
    frozen = {name for name, weight in retriever.encoder.clip.named_parameters() if not weight.requires_grad}
    assert {name.partition("resblocks.")[2].partition(".")[0] for name in frozen - {"logit_scale"}} == {"0"}
    assert len(frozen) == 1 + 2 * 12


def test_more_blocks_than_a_tower_has_are_named_for_each_tower() -> None:
    retriever, objectives = fresh(made("resnet"))
    with pytest.raises(RecipeError) as caught:
        plan_training(retriever, objectives, TrainSettings(freeze_blocks=5))
    assert {fault.partition("; set")[0] for fault in caught.value.faults} == {
        "train.freeze_blocks: found 5; the visual tower has 4 blocks",
        "train.freeze_blocks: found 5; the text tower has 2 blocks",
    }
    plan_training(retriever, objectives, TrainSettings(freeze_blocks=4, freeze=("text-tower",)))
    plan_training(retriever, objectives, TrainSettings(freeze_blocks=9, freeze=("text-tower", "visual-trunk")))


@pytest.mark.parametrize(
    ("train", "keys"),
    [
        ({"freeze_rule": "clip4clip"}, "train.freeze_rule:"),
        ({"freeze_blocks": 1, "layer_decay": 0.5}, "train.freeze_blocks, train.layer_decay:"),
    ],
)
def test_depths_that_nothing_tells_are_not_guessed(train: dict[str, Any], keys: str) -> None:
    stranger = Retriever(
        encoder=nn.Linear(2, 2),  # type: ignore[arg-type]
        fusion=None,  # type: ignore[arg-type]
        aggregator=build_part(MEAN),
        matcher=build_part(COSINE),
        preprocess=Preprocess(size=32, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)),
        labels=LABELS,
    )
    with pytest.raises(
        RecipeError, match=rf"^{keys} nothing tells how deep 'encoder\.weight' lies in encoder 'small'"
    ):
        plan_training(stranger, [Captioner()], TrainSettings(**train))
    assert plan_training(stranger, [Captioner()], TrainSettings(**train, freeze=("visual-trunk",)))
    assert plan_training(stranger, [Captioner()], TrainSettings())  # and nobody asks for them where none are needed


def test_patterns_match_full_names_and_one_that_matches_nothing_is_named_with_its_neighbours() -> None:
    retriever, objectives = fresh(made("vit"))
    plan = plan_training(retriever, objectives, TrainSettings(no_decay=("encoder.clip.visual.proj", "*.head.*")))
    named = {planned.weight.name: planned for planned in plan}
    for name in ("encoder.clip.visual.proj", "objective.0.head.weight"):
        assert named[name].weight.value.ndim == 2
        assert not named[name].decays
    assert named["encoder.clip.text_projection"].decays
    with pytest.raises(RecipeError) as caught:
        plan_training(retriever, objectives, TrainSettings(no_decay=("*token_embeding*", "fusion.*", "*?#*")))
    first, second = caught.value.faults
    assert first.startswith("train.no_decay: '*token_embeding*' matches no weight; near it: token_embedding")
    assert second.startswith("train.no_decay: '*?#*' matches no weight; write a full name")


@pytest.mark.parametrize(
    ("train", "words"),
    [
        (
            {"rates": {"alpha-pth": 1.0}},
            "train.rates: found {'alpha-pth': 1.0}; no role 'alpha-pth'; did you mean 'a",
        ),
        ({"rates": {"stem": 0.0}}, "train.rates.stem: found 0.0; [train] of fdakit wants greater than 0"),
        ({"rates": {"stem": 1.0}, "freeze": ["stem"]}, "'stem' is in train.freeze and has no rate"),
        ({"rates": {"stem": 1.0}, "freeze_rule": "clip4clip"}, "'stem' stays as loaded under train.freeze_rule"),
        ({"freeze": ["text"]}, "train.freeze.0: found 'text'; [train] of fdakit wants 'stem', 'alpha-path'"),
        ({"layer_decay": 0.0}, "train.layer_decay: found 0.0; "),
        ({"freeze_blocks": -1}, "train.freeze_blocks: found -1; "),
    ],
)
def test_faults_that_need_no_model_are_faults_of_the_recipe(
    make_recipe: MakeRecipe, train: dict[str, Any], words: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        make_recipe(train=train)
    assert len(caught.value.faults) == 1
    assert words in caught.value.faults[0]


def test_rates_are_set_from_the_command_line_and_survive_being_written(catalog: Catalog) -> None:
    recipe = read_recipe(
        "quickstart",
        catalog=catalog,
        settings=["train.rates.alpha-path=1e-4", "train.rates.stem=2e-6", 'train.freeze=["text-tower"]'],
    )
    assert recipe.train.rates == {"alpha-path": 1e-4, "stem": 2e-6}
    again = validate(tomllib.loads(dump_document(recipe.document())), where="again", catalog=catalog)
    assert again.train == recipe.train
    inline = read_recipe("quickstart", catalog=catalog, settings=["train.rates={ alpha-path = 1e-4 }"])
    assert inline.train.rates == {"alpha-path": 1e-4}
    assert read_recipe("quickstart", catalog=catalog).train.rates == {}


def test_rows_count_every_weight_of_a_recipe_once(make_recipe: MakeRecipe) -> None:
    train = {"freeze": ["text-tower"], "rates": {"alpha-path": 1e-4}, "layer_decay": 0.5}
    rows = training_rows(make_recipe(train=train, aggregator={"use": "dropping"}))
    names = [name for row in rows for name in row.weights]
    assert len(set(names)) == len(names)
    assert {"encoder.clip.visual.conv1.weight", "aggregator.turn.bias", "objective.0.logit_scale"} <= set(names)
    assert {row.name for row in rows if not row.trains} == {"text-tower", "logit-scale"}
    assert all(row.rate is None and not row.decays for row in rows if not row.trains)
    by_name = {row.name: row for row in rows}
    assert by_name["alpha-path"].rate == 1e-4
    assert by_name["stem layer 0"].rate == pytest.approx(1e-3 * 0.25)
    assert by_name["aggregator"].parameters == 16 * 16


def test_rows_ask_the_optimisers_options_too(make_recipe: MakeRecipe) -> None:
    with pytest.raises(RecipeError, match=r"optimiser\.name: timm has no optimiser 'loin'"):
        training_rows(make_recipe(optimiser={"use": "timm", "name": "loin"}))


def test_an_unknown_role_of_an_encoder_ends_the_plan() -> None:
    retriever, objectives = fresh(made("vit"))
    retriever.encoder.parameter_role = lambda name: "nothing"  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(PluginError, match="gave 'nothing'"):
        plan_training(retriever, objectives, TrainSettings())


def test_frozen_norms_are_told_from_those_that_train() -> None:
    inside = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2, affine=False), nn.BatchNorm2d(2))
    frozen = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2, affine=False)).requires_grad_(False)
    bare = nn.BatchNorm2d(2, affine=False)
    assert frozen_batch_norms([inside, nn.Sequential(frozen, inside), bare]) == [frozen[1]]
    inside[2].requires_grad_(False)
    assert frozen_batch_norms([inside]) == [inside[2]]
