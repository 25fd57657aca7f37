"""`fdakit new`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fdakit.cli.options import json_option
from fdakit.cli.printing import print_json, say

if TYPE_CHECKING:
    from fdakit.scaffold.names import PartNames

STEPS = ('pip install -e ".[test]"', "python -m pytest")
TRIAL = ("fdakit check recipe.toml", "fdakit run recipe.toml")


@click.command("new")
@click.argument("kind")
@click.argument("name")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Write it there.  [default: fdakit-NAME]"
)
@json_option
def command(kind: str, name: str, out: Path | None, as_json: bool) -> None:
    """Write a package with one part of KIND, called NAME.

    It holds the part, its test, a recipe that tries it, a README, and how to install it.
    KIND is aggregator, batcher, dataset, encoder, fusion, mask, matcher, metric, objective, observer, optimiser,
    reader, rescorer, sampler or vector_store. NAME is what recipes will say, lower-case words joined by hyphens. The
    part does something small that works: put your own idea in its place. A vector store has no recipe.
    """
    from fdakit.errors import PluginError, nearest
    from fdakit.scaffold import kinds, plan_package

    if kind not in kinds():
        raise PluginError(f"kind {kind!r}: unknown; {nearest(kind, kinds())}")
    package = plan_package(kind, name)
    _refuse_taken(package.names)
    folder = Path(package.names.distribution) if out is None else out
    package.write(folder)
    trial = TRIAL if "recipe.toml" in package.files else ()
    steps = [f"cd {shlex.quote(str(folder))}", *STEPS, *trial]
    if as_json:
        print_json({"folder": str(folder.absolute()), "files": sorted(package.files), "next": steps})
        return
    say(f"{folder}: a package with the {package.names.noun} {name!r}: {', '.join(sorted(package.files))}\n\nnext:")
    say("\n".join(f"  {step}" for step in steps))


def _refuse_taken(names: PartNames) -> None:
    """Raise `PluginError` if an installed package, or a part of one, has the name."""
    from fdakit.catalog import load_catalog
    from fdakit.errors import PluginError

    for offer in load_catalog().offers:
        if (offer.kind, offer.component.name) == (names.kind, names.name):
            raise PluginError(f"{offer}: is installed already; choose another name")
        if offer.provider.name == names.distribution:
            raise PluginError(f"package {names.distribution!r}: is installed already ({offer}); choose another name")
