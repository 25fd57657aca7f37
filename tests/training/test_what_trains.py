"""Which weights move in training, and how far: roles frozen, rates apart, statistics that stay."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from open_clip import CLIP, CLIPTextCfg, CLIPVisionCfg, SimpleTokenizer

from fdakit import FdakitError
from fdakit.builtin.aggregators.mean import MEAN
from fdakit.builtin.fusions.alpha_conv import ALPHA_CONV
from fdakit.builtin.matchers.cosine import COSINE
from fdakit.choices import ROLES
from fdakit.inference.factory import build_objectives, build_retriever
from fdakit.inference.observers import ObserverGroup
from fdakit.model import ClipEncoder
from fdakit.model.parameter_roles import list_weights
from fdakit.model.retriever import Retriever
from fdakit.plugin import BuildContext, Preprocess, Split
from fdakit.recipe.recipe import Recipe
from fdakit.testing.building import build_part
from fdakit.training.trainer import Trainer

pytestmark = pytest.mark.integration

CPU = torch.device("cpu")
MakeRecipe = Callable[..., Recipe]


@pytest.fixture
def toy(split: Callable[..., Split]) -> Split:
    names = ("red-across", "green-across", "blue-down", "yellow-down")
    return split(*((name, name.replace("-", " ")) for name in names), name="train")


@pytest.fixture
def plain(make_recipe: MakeRecipe) -> Callable[..., Recipe]:
    """`plain(freeze=[...])`: two steps at a constant rate without weight decay, so that only gradients move."""

    def make(**train: Any) -> Recipe:
        steps = {"epochs": 2, "warmup": 0.0, "schedule": "constant", "learning_rate": 1e-3}
        optimiser = {"use": "adamw", "weight_decay": 0.0, "eps": 1e-12}
        parts = {"optimiser": optimiser, "aggregator": {"use": "dropping"}, "mask": {"use": "learned"}}
        return make_recipe(train={**steps, **train}, **parts)

    return make


def trainer(recipe: Recipe, split: Split, retriever: Retriever | None = None, heard: Any = None) -> Trainer:
    retriever = retriever or build_retriever(recipe, device=CPU)
    objectives = build_objectives(recipe, retriever, CPU)
    watchers = ObserverGroup([("heard", heard)] if heard else [])
    return Trainer.of(recipe, split, retriever, objectives, device=CPU, watchers=watchers)


def furthest(recipe: Recipe, split: Split) -> dict[str, float]:
    """Role -> how far the weight of that role that moved most has moved."""
    made = trainer(recipe, split)
    weights = list_weights(made.retriever, [objective.part for objective in made._objectives])
    before = {weight.name: weight.value.detach().clone() for weight in weights}
    made.run(lambda *_: {})
    found = dict.fromkeys(ROLES, 0.0)
    for weight in weights:
        moved = float((weight.value.detach() - before[weight.name]).abs().max())
        found[weight.role] = max(found[weight.role], moved)
    return found


TRAINED = ("stem", "alpha-path", "visual-trunk", "text-tower", "aggregator", "mask", "logit-scale")


@pytest.mark.parametrize("role", TRAINED)
def test_a_frozen_role_stays_bit_for_bit_and_all_others_move(
    plain: Callable[..., Recipe], toy: Split, role: str
) -> None:
    moved = furthest(plain(freeze=[role]), toy)
    still = {role, "objective", "matcher", "prompts"}  # these three have no weights
    still |= {"mask"} if role == "alpha-path" else set()  # whose weights of 0 let no gradient through to the mask
    assert {name for name, far in moved.items() if far == 0.0} == still


def test_every_role_moves_at_its_own_rate(plain: Callable[..., Recipe], toy: Split) -> None:
    rates = {"stem": 2e-3, "alpha-path": 1e-1, "text-tower": 3e-5, "logit-scale": 1e-2}
    moved = furthest(plain(rates=rates, max_steps=1), toy)
    for role in set(TRAINED) - {"mask"}:  # Adam's first step is the rate itself wherever there is a gradient
        assert moved[role] == pytest.approx(rates.get(role, 1e-3), rel=1e-2), role


def test_the_recipe_of_alpha_clip_moves_the_alpha_path_a_hundred_times_as_far(
    plain: Callable[..., Recipe], toy: Split
) -> None:
    train = {"learning_rate": 1e-6, "rates": {"alpha-path": 1e-4}, "freeze": ["text-tower", "logit-scale"]}
    moved = furthest(plain(**train, max_steps=1), toy)
    assert moved["text-tower"] == moved["logit-scale"] == 0.0
    assert moved["alpha-path"] == pytest.approx(1e-4, rel=1e-2)
    assert moved["visual-trunk"] == pytest.approx(1e-6, rel=0.1)  # near the last bit of weights about 1


def test_layers_further_down_move_less(plain: Callable[..., Recipe], toy: Split) -> None:
    made = trainer(plain(layer_decay=0.1, max_steps=1), toy)
    visual: Any = made.retriever.encoder.clip.visual
    watched = [visual.conv1.weight, visual.transformer.resblocks[0].mlp.c_fc.weight, visual.proj]
    before = [weight.detach().clone() for weight in watched]
    made.run(lambda *_: {})
    moved = [float((weight.detach() - old).abs().max()) for weight, old in zip(watched, before, strict=True)]
    assert moved == pytest.approx([1e-5, 1e-4, 1e-3], rel=2e-2)


def test_everything_frozen_is_said_before_the_start(plain: Callable[..., Recipe], toy: Split) -> None:
    with pytest.raises(FdakitError, match="nothing in this recipe has weights to train"):
        trainer(plain(freeze=list(ROLES)), toy)


class Heard:
    """An observer that keeps the rates it is told."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def progressed(self, what: str, done: int, total: int) -> None:
        pass

    def epoch_finished(self, facts: Any) -> None:
        self.rates.append(facts["learning_rate"])


def test_the_rate_that_is_told_is_that_of_the_recipe_whatever_the_groups(make_recipe: MakeRecipe, toy: Split) -> None:
    heard = Heard()
    rates = {"alpha-path": 1e-1, "stem": 1e-5}
    trainer(make_recipe(train={"rates": rates, "learning_rate": 2e-3, "epochs": 3}), toy, heard=heard).run(
        lambda *_: {}
    )
    assert heard.rates == pytest.approx([2e-3, 2e-3, 1e-3])  # one step of warm-up, then half a cosine over two


def written(state: Any) -> io.BytesIO:
    """The state as a file; what it refers to is trained on."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return file


def test_a_training_of_many_groups_is_taken_up_without_changing_a_bit(
    plain: Callable[..., Recipe], toy: Split
) -> None:
    recipe = plain(rates={"alpha-path": 1e-2}, layer_decay=0.5, freeze=["text-tower"], freeze_blocks=1, epochs=4)
    whole = trainer(recipe, toy)
    halves: list[Any] = []

    def keep(made: Trainer, epoch: int) -> dict[str, float]:
        if epoch == 1:
            weights = {name: value.clone() for name, value in made.retriever.state_dict().items()}
            halves.append((weights, torch.load(written(made.state()), weights_only=True)))
        return {}

    whole.run(keep)
    assert len(whole.state()["optimiser"]["param_groups"]) > 4
    weights, state = halves[0]
    taken_up = trainer(recipe, toy)
    taken_up.retriever.load_state_dict(weights)
    taken_up.restore(state)
    taken_up.run(lambda *_: {})
    ended = taken_up.retriever.state_dict()
    assert all(torch.equal(value, ended[name]) for name, value in whole.retriever.state_dict().items())


def resnet() -> Retriever:
    torch.manual_seed(5)
    vision = CLIPVisionCfg(image_size=64, layers=(1, 1, 1, 1), width=8, head_width=32)
    clip = CLIP(embed_dim=16, vision_cfg=vision, text_cfg=CLIPTextCfg(context_length=8, width=32, heads=2, layers=1))
    preprocess = Preprocess(size=64, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    encoder = ClipEncoder(
        clip, tokenizer=SimpleTokenizer(context_length=8), preprocess=preprocess, shapes=BuildContext(image_size=64)
    )
    return Retriever(
        encoder=encoder,
        fusion=build_part(ALPHA_CONV, encoder.shapes),
        aggregator=build_part(MEAN),
        matcher=build_part(COSINE),
        preprocess=preprocess,
        labels=dict.fromkeys(("encoder", "fusion", "aggregator", "matcher"), "part"),
    )


@pytest.mark.parametrize(
    ("train", "still"),
    [
        ({"freeze": ["visual-trunk", "stem"]}, ("bn", "layer")),
        ({"freeze_rule": "clip4clip"}, ("bn",)),
        ({"freeze_blocks": 1}, ("layer1.",)),
        ({}, ()),
    ],
)
def test_statistics_of_frozen_norms_stay_and_those_of_others_move(
    make_recipe: MakeRecipe, toy: Split, train: dict[str, Any], still: tuple[str, ...]
) -> None:
    retriever = resnet()
    visual = retriever.encoder.clip.visual
    before = {name: value.clone() for name, value in visual.named_buffers()}
    made = trainer(make_recipe(train={"epochs": 2, **train}), toy, retriever)

    def evaluate(*_: Any) -> dict[str, float]:
        retriever.eval()  # as a validation leaves it
        return {}

    made.run(evaluate)
    kept = {name for name, value in visual.named_buffers() if torch.equal(value, before[name])}
    assert kept == {name for name in before if name.startswith(still or "nothing")}
    assert any(name.endswith("running_var") for name in before)
