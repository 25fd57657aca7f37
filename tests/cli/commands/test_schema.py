"""`fdakit schema`: the schema of what is installed here, and nothing else on stdout."""

from __future__ import annotations

from pathlib import Path

from helpers.cli_output import Tell
from helpers.sample_plugins import distribution, mask_plugin

from fdakit.catalog import load_catalog
from fdakit.recipe.schema import recipe_schema


def test_it_prints_the_schema_as_one_json_document(tell: Tell) -> None:
    told = tell("schema")
    assert (told.code, told.err) == (0, "")
    assert told.json == recipe_schema(load_catalog())


def test_it_holds_the_parts_of_installed_plugins(tell: Tell, site: Path) -> None:
    distribution(site, "fdakit-drift", mask_plugin("drift"), module="drift_for_schema")
    masks = tell("schema").json["properties"]["mask"]["oneOf"]
    assert ["drift", "fdakit-drift:drift"] in [mask["properties"]["use"]["enum"] for mask in masks]
