"""`fdakit check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fdakit.cli.options import json_option, set_option
from fdakit.cli.printing import print_json, print_table, say

if TYPE_CHECKING:
    from fdakit.recipe.recipe import Recipe


@click.command("check")
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE...")
@set_option
@click.option("--verbose", is_flag=True, help="Build the model too (no weights, no data) and show what trains.")
@json_option
@click.pass_context
def command(
    ctx: click.Context, recipes: tuple[str, ...], settings: tuple[str, ...], verbose: bool, as_json: bool
) -> int:
    """Validate recipes and list every fault at once.

    Options that are set without effect are told of as warnings. Builds nothing, except with --verbose.
    """
    from fdakit.catalog import load_catalog
    from fdakit.errors import FdakitError, RecipeError
    from fdakit.recipe.idle_options import idle_options
    from fdakit.recipe.validation import read_recipe

    catalog = load_catalog()
    results: list[dict[str, Any]] = []
    for source in recipes:
        result: dict[str, Any] = {"recipe": source, "ok": False, "faults": [], "warnings": [], "parts": []}
        results.append(result)
        try:
            recipe = read_recipe(source, catalog=catalog, settings=settings)
        except RecipeError as error:
            result["faults"] = list(error.faults)
            continue
        try:
            if verbose:
                result["training"] = _training(recipe)
            result |= {"ok": True, "parts": recipe.providers(), "warnings": list(idle_options(recipe))}
        except FdakitError as error:
            told = (recipe.where, "--set")  # some faults name what caused them already
            lines = str(error).splitlines()
            result["faults"] = [line if line.startswith(told) else recipe.blamed(line) for line in lines]
    if as_json:
        print_json(results)
    else:
        for result in results:
            _tell(result)
    return 0 if all(result["ok"] for result in results) else 2


def _training(recipe: Recipe) -> dict[str, Any]:
    from dataclasses import asdict

    from fdakit.training.optimisation.parameter_groups import training_rows

    rows = training_rows(recipe)
    return {
        "epochs": recipe.train.epochs,
        "parameters": sum(row.parameters for row in rows),
        "trained": sum(row.parameters for row in rows if row.trains),
        "groups": [asdict(row) for row in rows],
    }


def _tell(result: dict[str, Any]) -> None:
    if result["ok"]:
        say(f"{result['recipe']}: ok, {len(result['parts'])} parts")
    if "training" in result:
        _tell_training(result["training"])
    for warning in result["warnings"]:
        say(f"warning: {warning}", err=True)
    for fault in result["faults"]:
        say(fault, err=True)


def _tell_training(training: dict[str, Any]) -> None:
    columns = ("weights", "tensors", "parameters", "learning rate", "weight decay", "")
    rows = [
        (
            group["name"].removesuffix(", no decay"),  # a column of its own says it
            str(len(group["weights"])),
            f"{group['parameters']:,}",
            f"{group['rate']:.4g}" if group["trains"] else "",
            ("yes" if group["decays"] else "no") if group["trains"] else "",
            "trains" if group["trains"] else "frozen",
        )
        for group in training["groups"]
    ]
    print_table("what trains, by role", columns, rows, numbers=True)
    say(f"{training['trained']:,} of {training['parameters']:,} parameters train")
    if not training["epochs"]:
        say("train.epochs = 0: this recipe only evaluates")
