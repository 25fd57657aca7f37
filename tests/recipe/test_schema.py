"""The schema for editors takes what `check` takes and refuses what it refuses."""

from __future__ import annotations

import re
from enum import Enum
from typing import Any

import pytest
from helpers.sample_plugins import component, offering
from helpers.shipped import OWN
from hypothesis import given, strategies as st

from fdakit import RecipeError
from fdakit.catalog import KINDS, Catalog, load_catalog
from fdakit.plugin import Options
from fdakit.plugin.hookspecs import OUTSIDE_RECIPES
from fdakit.recipe.document import apply_settings, find_recipe, read_document
from fdakit.recipe.schema import recipe_schema
from fdakit.recipe.tables import LISTS, SETTINGS, SINGLE
from fdakit.recipe.validation import validate, validate_part

CATALOG = load_catalog()
IN_RECIPES = [kind for kind in KINDS if kind not in OUTSIDE_RECIPES]
SCHEMA = recipe_schema(CATALOG)
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": int | float,
}
KNOWN = {
    "$schema", "title", "description", "default", "format", "type", "properties", "required", "additionalProperties",
    "items", "prefixItems", "minItems", "maxItems", "enum", "const", "anyOf", "oneOf", "not", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "pattern",
}  # fmt: skip


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """A validator of the part of JSON schema that recipes use; what it does not know fails."""
    assert schema.keys() <= KNOWN, schema.keys() - KNOWN
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return False
    if "not" in schema and fits(value, schema["not"]):
        return False
    if "anyOf" in schema and not any(fits(value, one) for one in schema["anyOf"]):
        return False
    if "oneOf" in schema and sum(fits(value, one) for one in schema["oneOf"]) != 1:
        return False
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        return False
    return _parts_fit(value, schema) and _lies_in_bounds(value, schema)


def _parts_fit(value: Any, schema: dict[str, Any]) -> bool:
    if isinstance(value, dict):
        known = schema.get("properties", {})
        closed = schema.get("additionalProperties", True) is False
        return (
            set(schema.get("required", [])) <= set(value)
            and not (closed and set(value) - set(known))
            and all(fits(item, known[key]) for key, item in value.items() if key in known)
        )
    if isinstance(value, list):
        first = schema.get("prefixItems", [])
        rest = schema.get("items", {})
        return (
            schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
            and all(fits(item, one) for item, one in zip(value, first, strict=False))
            and all(fits(item, rest) for item in value[len(first) :])
        )
    return True


def _lies_in_bounds(value: Any, schema: dict[str, Any]) -> bool:
    if isinstance(value, str):
        return re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    return bool(
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
        and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
        and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
        and value % schema.get("multipleOf", 1 if isinstance(value, int) else value or 1) == 0
    )


def table_schema(kind: str, schema: dict[str, Any] = SCHEMA) -> dict[str, Any]:
    if kind == "rescorer":
        found = schema["properties"]["eval"]["properties"]["rescoring"]
    else:
        found = schema["properties"][kind]
    items: dict[str, Any] = found.get("items", found)
    return items


@pytest.mark.parametrize("name", OWN)
def test_every_shipped_recipe_fits(name: str) -> None:
    assert fits(read_document(find_recipe(name)), SCHEMA)


@pytest.mark.parametrize(
    "setting",
    [
        "mask.thresold=20",
        "mask.closing=2.5",
        "mask.threshold=256",
        "mask.control=rolld",
        "mask.use=frame-diff",
        "trian.epochs=1",
        "train.epochs=-1",
        "train.epochs=true",
        "train.learning_rate=0",
        "eval.controls=['rolld']",
        "eval.rescoring=[{use = 'nothing'}]",
        "objective={use = 'symmetric-contrastive'}",
        "objective.0.weight=0",
        "view.mean=[0.5, 0.5]",
        "seed='24'",
    ],
)
def test_what_check_refuses_does_not_fit(setting: str) -> None:
    document = read_document(find_recipe("fda_msvd"))
    assert fits(document, SCHEMA)
    assert not fits(apply_settings(document, [setting]), SCHEMA)


def test_a_dataset_and_an_encoder_are_required() -> None:
    assert SCHEMA["required"] == [table for table, (default, _) in SINGLE.items() if default is None]
    assert not fits({"dataset": {"use": "msvd"}}, SCHEMA)
    assert not fits({"dataset": {}, "encoder": {"use": "tiny"}}, SCHEMA)


def test_every_table_is_there_and_every_option_says_what_it_does() -> None:
    assert set(SCHEMA["properties"]) == {"name", "seed", *SINGLE, *LISTS, *SETTINGS}
    for table in SETTINGS:
        for key, option in SCHEMA["properties"][table]["properties"].items():
            assert option.get("description") or key == "rescoring", f"{table}.{key} has no description"


@pytest.mark.parametrize("kind", IN_RECIPES)
def test_every_part_may_be_named_bare_and_with_its_provider(kind: str) -> None:
    names = {use for part in table_schema(kind).get("oneOf", []) for use in part["properties"]["use"]["enum"]}
    offers = load_catalog().of_kind(kind)
    assert names == {use for o in offers for use in (o.component.name, f"fdakit:{o.component.name}")}


def test_a_name_that_two_offer_must_be_written_with_its_provider() -> None:
    schema = recipe_schema(load_catalog([offering("mask", component("whole-frame"))]))
    masks = table_schema("mask", schema)
    assert not any("whole-frame" in mask["properties"]["use"]["enum"] for mask in masks["oneOf"])
    assert fits({"use": "stranger:whole-frame"}, masks)
    assert fits({"use": "fdakit:whole-frame"}, masks)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Inner(Options):
    strength: float = 1.0


class Nested(Options):
    colour: Colour = Colour.RED
    inner: Inner = Inner()


def test_options_that_refer_to_other_types_are_written_out() -> None:
    masks = table_schema("mask", recipe_schema(load_catalog([offering("mask", component(options=Nested))])))
    assert fits({"use": "mine", "colour": "blue", "inner": {"strength": 2}}, masks)
    assert not fits({"use": "mine", "colour": "green"}, masks)
    assert not fits({"use": "mine", "inner": {"strenght": 2}}, masks)


def test_no_choice_is_empty_also_where_nothing_is_offered() -> None:
    empty = recipe_schema(Catalog((), ()))
    assert not fits({"use": "anything"}, table_schema("mask", empty))
    assert all(table_schema(kind, empty).get("oneOf") != [] for kind in IN_RECIPES)


KEYS = st.sampled_from(
    ["use", "control", "weight", "threshold", "path", "epochs", "rates", "rescoring", "size", "odd"]
)
NAMES = st.sampled_from(
    ["msvd", "fdakit:tiny", "tiny", ":tiny", "uniform", "frame-difference", "whole-frame", "nothing", "jsonl", "dsl"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats(-1, 2) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
TABLES = sorted(SCHEMA["properties"])


@given(changes=st.dictionaries(st.tuples(st.sampled_from(TABLES), KEYS | st.none()), VALUES, min_size=1, max_size=3))
def test_what_the_schema_refuses_is_refused(changes: dict[tuple[str, str | None], Any]) -> None:
    document = read_document(find_recipe("fda_msvd"))
    for (table, key), value in changes.items():
        if key is None or not isinstance(document.get(table), dict):
            document[table] = value
        else:
            document[table][key] = value
    if not fits(document, SCHEMA):
        with pytest.raises(RecipeError):
            validate(document, where="x.toml", catalog=CATALOG)


@given(kind=st.sampled_from(IN_RECIPES), use=NAMES, options=st.dictionaries(KEYS, VALUES, max_size=2))
def test_a_table_that_the_schema_refuses_is_refused(kind: str, use: str, options: dict[str, Any]) -> None:
    table = {"use": use, **options}
    if not fits(table, table_schema(kind)):
        with pytest.raises(RecipeError):
            validate_part(kind, table, where="x.toml", catalog=CATALOG)
