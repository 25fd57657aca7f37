"""The shipped recipes, and those of them that need a package of `plugins/` beside fdakit."""

from __future__ import annotations

import sys
import tomllib
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from helpers.sample_plugins import register

from fdakit.catalog import ALLOW, Catalog, load_catalog
from fdakit.recipe.document import Document, read_document, shipped_recipes

PLUGINS = Path(__file__).parents[2] / "plugins"


def packages_of(document: Document) -> tuple[str, ...]:
    """The packages that a recipe names before its parts, as in `use = "fdakit-raft:raft"`."""
    tables = [t for value in document.values() for t in (value if isinstance(value, list) else [value])]
    uses = [table["use"] for table in tables if isinstance(table, dict) and "use" in table]
    return tuple(sorted({use.partition(":")[0] for use in uses if ":" in use} - {"fdakit"}))


NEEDS = {name: packages_of(read_document(path)) for name, path in shipped_recipes().items()}
"""The packages of `plugins/` that each shipped recipe needs."""
OWN = tuple(name for name, packages in NEEDS.items() if not packages)
"""The recipes that fdakit runs by itself."""
OF_PACKAGES = tuple(name for name, packages in NEEDS.items() if packages)


def beside(package: str) -> ModuleType:
    """The module of a package in `plugins/`, imported from there."""
    folder = str(PLUGINS / package)
    if folder not in sys.path:
        sys.path.append(folder)
    return import_module(package.replace("-", "_"))


def catalog_for(name: str) -> Catalog:
    """What is installed, with the packages that a shipped recipe needs."""
    return load_catalog(extra=[beside(package) for package in NEEDS[name]])


def install_beside(site: Path, patch: pytest.MonkeyPatch) -> None:
    """Have the command line find the packages of shipped recipes, as if they had been installed into a folder."""
    packages = sorted({package for needed in NEEDS.values() for package in needed})
    for package in packages:
        project = tomllib.loads((PLUGINS / package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        for entry, module in project["entry-points"]["fdakit"].items():
            register(site, package, module=module, entry=entry)
        patch.syspath_prepend(PLUGINS / package)
    patch.syspath_prepend(site)
    patch.setenv(ALLOW, ",".join(packages))
