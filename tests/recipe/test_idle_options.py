"""Options that are set without effect: which they are, and what is told of each."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, get_origin

import pytest
from helpers.sample_plugins import component, document, offering
from helpers.shipped import catalog_for

from fdakit import PluginError
from fdakit.catalog import KINDS, Catalog, load_catalog
from fdakit.plugin import AtMost, Component, IdleIf, Options, WorksIf
from fdakit.plugin.component import options_named
from fdakit.recipe.document import shipped_recipes
from fdakit.recipe.idle_options import idle_options
from fdakit.recipe.tables import SETTINGS
from fdakit.recipe.validation import read_recipe, validate

CATALOG = load_catalog()


def told(catalog: Catalog = CATALOG, **tables: Any) -> list[str]:
    recipe = validate(document(**tables), where="my.toml", catalog=catalog)
    again = validate(recipe.document(), where="my.toml", catalog=catalog)
    assert idle_options(again) == idle_options(recipe), "a resolved recipe is told the same"
    return [line.removeprefix("my.toml: ") for line in idle_options(recipe)]


@pytest.mark.parametrize(
    ("tables", "line"),
    [
        (
            {"train": {"schedule_power": 2.0}},
            'train.schedule_power: found 2.0, which has no effect while schedule = "cosine"; set schedule to "poly" '
            'or "constant-cooldown", or leave it out',
        ),
        (
            {"view": {"crop_aspect": [0.5, 2.0]}},
            "view.crop_aspect: found [0.5, 2.0], which has no effect while crop_scale is left out; set crop_scale, "
            "or leave it out",
        ),
        (
            {"train": {"batch_size": 8, "micro_batch": 16}},
            "train.micro_batch: found 16, which has no effect above batch_size = 8; lower it, or leave it out",
        ),
        (
            {"train": {"epochs": 4, "patience": 5}},
            "train.patience: found 5, which has no effect above epochs = 4; lower it, or leave it out",
        ),
        (
            {"mask": {"use": "median-background", "element": "square", "closing": 0, "opening": 0}},
            'mask.element: found "square", which has no effect while closing = 0 and opening = 0 and dilation = 0; '
            "set closing or opening or dilation, or leave it out",
        ),
        (
            {"eval": {"bank": 5}},
            "eval.bank: found 5, which has no effect while rescoring is left out; set rescoring, or leave it out",
        ),
    ],
)
def test_a_line_says_why_and_what_to_do(tables: dict[str, Any], line: str) -> None:
    assert told(**tables) == [line]


@pytest.mark.parametrize(
    "tables",
    [
        {"train": {"schedule": "poly", "schedule_power": 2.0}},
        {"train": {"schedule_power": 1.0}},
        {"view": {"crop_scale": [0.5, 1.0], "crop_aspect": [0.5, 2.0]}},
        {"train": {"batch_size": 8, "micro_batch": 8}},
        {"train": {"epochs": 4, "patience": 3}},
        {"mask": {"use": "median-background", "element": "square", "opening": 0}},
        {"eval": {"bank": 5, "rescoring": [{"use": "qb-norm"}]}},
        {"loader": {"workers": 2, "prefetch": 4}},
        {"loader": {"prefetch": 4}},
        {"mask": {"use": "frame-difference", "preset": "robust", "min_coverage": 0.1}},
    ],
)
def test_what_has_an_effect_is_told_nothing(tables: dict[str, Any]) -> None:
    assert told(**tables) == []


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_shipped_recipe_sets_nothing_without_effect(name: str) -> None:
    assert idle_options(read_recipe(name, catalog=catalog_for(name))) == ()


def test_a_line_names_the_setting_that_caused_it() -> None:
    (line,) = idle_options(read_recipe("quickstart", catalog=CATALOG, settings=["train.micro_batch=65"]))
    assert line.startswith("--set train.micro_batch=65: train.micro_batch: found 65")


class LampOptions(Options):
    presets: ClassVar[dict[str, dict[str, Any]]] = {"dim": {"wide": 3}}
    preset: str = ""
    shape: str = "round"
    wide: Annotated[int, WorksIf("shape", "square"), IdleIf(preset="off")] = 1


def test_a_plugin_declares_it_in_the_same_way() -> None:
    mine: Component[Any, Any] = Component("lamp", "Light.", LampOptions, lambda options, shapes: None)
    catalog = load_catalog([offering("aggregator", mine)])
    (line,) = told(catalog, aggregator={"use": "lamp", "wide": 2})
    assert line.startswith(
        'aggregator.wide: found 2, which has no effect while shape = "round"; set shape to "square"'
    )
    assert told(catalog, aggregator={"use": "lamp", "preset": "dim"}) == [], "the author set no width"
    assert told(catalog, aggregator={"use": "lamp", "shape": "square", "wide": 2}) == []
    (line,) = told(catalog, aggregator={"use": "lamp", "shape": "square", "preset": "off", "wide": 2})
    assert 'while preset = "off"' in line


def test_a_mark_that_names_no_option_is_refused_where_it_is_declared() -> None:
    class Misspelt(Options):
        whole: int = 4
        part: Annotated[int | None, AtMost("whoel")] = None

    with pytest.raises(PluginError, match=r"'lamp': option 'part' depends on 'whoel', .*; did you mean 'whole'\?"):
        component("lamp", options=Misspelt)


def test_marks_of_own_tables_name_their_options_and_no_part_forgets_a_mark_of_its_base() -> None:
    for table, model in SETTINGS.items():
        known = {*model.model_fields, "rescoring"} if table == "eval" else set(model.model_fields)
        for field in model.model_fields.values():
            assert {name for mark in field.metadata for name in options_named(mark)} <= known
    marked = 0
    for part in {offer.component.options for kind in KINDS for offer in CATALOG.of_kind(kind)}:
        for base in part.__mro__[1:]:
            for name, field in getattr(base, "model_fields", {}).items():
                if any(options_named(mark) for mark in field.metadata) and name in part.model_fields:
                    kept = any(options_named(mark) for mark in part.model_fields[name].metadata)
                    assert kept or get_origin(part.model_fields[name].annotation) is Literal, (part, name)
                    marked += 1
    assert marked
