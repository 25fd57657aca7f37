"""Every hook works from end to end: a small module offers a part, the catalog finds it, a recipe chooses it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from helpers.sample_plugins import AnyPart, component, document, offering

from fdakit.catalog import KINDS, load_catalog
from fdakit.errors import RecipeError
from fdakit.plugin import BuildContext, StoreContext, hookspecs
from fdakit.plugin.hookspecs import OUTSIDE_RECIPES
from fdakit.recipe.tables import LISTS
from fdakit.recipe.validation import validate, validate_part

HOOKS = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("fdakit_")}


def choose(kind: str, **table: Any) -> dict[str, Any]:
    """A recipe that names one part of a kind, where parts of that kind stand."""
    if kind == "rescorer":
        return document(eval={"rescoring": [table]})
    return document(**{kind: [table] if kind in LISTS else table})


def test_there_are_fifteen_hooks_one_for_each_kind() -> None:
    assert set(HOOKS) == {f"fdakit_{kind}s" for kind in KINDS}
    assert len(KINDS) == 15


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_takes_nothing_says_what_it_is_for_and_depends_on_no_order(name: str) -> None:
    assert not inspect.signature(HOOKS[name]).parameters
    assert inspect.getdoc(HOOKS[name])
    options = HOOKS[name].fdakit_spec
    assert not options["firstresult"]
    assert not options["historic"]


IN_RECIPES = [kind for kind in KINDS if kind not in OUTSIDE_RECIPES]


@pytest.mark.parametrize("kind", IN_RECIPES)
def test_what_a_hook_offers_is_found_and_can_be_chosen_and_built(kind: str) -> None:
    catalog = load_catalog([offering(kind, component("from-outside"))])
    assert catalog.broken == ()
    (offer,) = [offer for offer in catalog.offers if offer.provider.name == "stranger"]
    assert (offer.kind, offer.component.name) == (kind, "from-outside")
    recipe = validate(choose(kind, use="from-outside"), where="x.toml", catalog=catalog)
    (part,) = [part for part in recipe.all_parts() if part.name == "from-outside"]
    assert part.build(BuildContext()).given == ("from-outside",)


@pytest.mark.parametrize("kind", IN_RECIPES)
def test_a_part_is_built_with_its_own_options_and_the_shapes(kind: str) -> None:
    catalog = load_catalog([offering(kind, component("from-outside", AnyPart))])
    shapes = BuildContext(image_size=64, seed=7)
    part = next(
        part
        for part in validate(choose(kind, use="from-outside"), where="x.toml", catalog=catalog).all_parts()
        if part.name == "from-outside"
    )
    assert part.build(shapes).given == (part.options, shapes)


@pytest.mark.parametrize("kind", OUTSIDE_RECIPES)
def test_a_part_that_no_recipe_names_is_found_checked_and_built_with_its_own_context(
    kind: str, tmp_path: Path
) -> None:
    catalog = load_catalog([offering(kind, component("from-outside", AnyPart))])
    part = validate_part(kind, {"use": "from-outside"}, where="--store", catalog=catalog)
    context = StoreContext(tmp_path, width=8)
    assert part.build(context).given == (part.options, context)
    with pytest.raises(RecipeError, match=rf"x\.toml: {kind}: unknown table or key"):
        validate(document(**{kind: {"use": "from-outside"}}), where="x.toml", catalog=catalog)


def test_every_ability_is_in_the_table_of_the_page_and_in_the_plugin_authors_module() -> None:
    from fdakit import plugin
    from fdakit.plugin import abilities, clip_abilities, vector_stores

    own = [
        name
        for module in (abilities, clip_abilities, vector_stores)
        for name, kind in vars(module).items()
        if getattr(kind, "__module__", "") == module.__name__ and getattr(kind, "_is_runtime_protocol", False)
    ]
    page = (Path(__file__).parents[1] / "docs" / "plugins" / "hooks.md").read_text(encoding="utf-8")
    table = page.partition("## What a part may offer beside its contract")[2].partition("\n## ")[0]
    assert own
    assert [name for name in own if f"`{name}`" not in table or not hasattr(plugin, name)] == []
