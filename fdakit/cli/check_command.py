"""`fdakit check`."""

from __future__ import annotations

from typing import Any

import click

from .options import json_option, set_option
from .printing import print_json


@click.command("check")
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE...")
@set_option
@json_option
@click.pass_context
def command(ctx: click.Context, recipes: tuple[str, ...], settings: tuple[str, ...], as_json: bool) -> int:
    """Validate recipes without building anything: every fault of every table at once."""
    from fdakit.catalog import load_catalog
    from fdakit.errors import RecipeError
    from fdakit.recipe import read_recipe

    catalog = load_catalog()
    results: list[dict[str, Any]] = []
    for source in recipes:
        try:
            recipe = read_recipe(source, catalog=catalog, settings=settings)
            results.append({"recipe": source, "ok": True, "faults": [], "parts": recipe.providers()})
        except RecipeError as error:
            results.append({"recipe": source, "ok": False, "faults": list(error.faults), "parts": []})
    if as_json:
        print_json(results)
    else:
        for result in results:
            _tell(result)
    return 0 if all(result["ok"] for result in results) else 2


def _tell(result: dict[str, Any]) -> None:
    if result["ok"]:
        click.echo(f"{result['recipe']}: ok, {len(result['parts'])} parts")
    for fault in result["faults"]:
        click.echo(fault, err=True)
