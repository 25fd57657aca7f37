"""`fdakit schema`."""

from __future__ import annotations

import click

from fdakit.cli.printing import print_json


@click.command("schema")
def command() -> None:
    """Print the JSON schema of recipes, for editors.

    Editors complete and check TOML with it.
    """
    from fdakit.catalog import load_catalog
    from fdakit.recipe.schema import recipe_schema

    print_json(recipe_schema(load_catalog()))
