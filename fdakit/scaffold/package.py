"""A package with one part: its names, its files, and the folder that they are written to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fdakit.errors import PluginError
from fdakit.plugin.hookspecs import OUTSIDE_RECIPES
from fdakit.system.atomic_files import write_errors
from fdakit.system.atomic_folders import atomic_folder
from fdakit.version import __version__

from .names import PartNames

TEMPLATES = Path(__file__).with_name("templates")
_SHARED = "package"
_ADVICE = "choose another folder with --out"


def kinds() -> tuple[str, ...]:
    """Return the kinds of part that there are templates for."""
    return tuple(sorted(folder.name for folder in TEMPLATES.iterdir() if folder.name != _SHARED))


@dataclass(frozen=True)
class NewPackage:
    """A package that is planned: `files` maps paths below its folder to their text."""

    names: PartNames
    files: Mapping[str, str] = field(repr=False)

    def write(self, folder: Path) -> None:
        """Write all files, or none. Raises `PluginError` if the folder exists or cannot be written."""
        if folder.exists() or folder.is_symlink():
            raise PluginError(f"{folder.absolute()}: exists already; {_ADVICE}")
        with write_errors(folder, error=PluginError, advice=_ADVICE), atomic_folder(folder) as fresh:
            for name, text in self.files.items():
                path = fresh / name
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")


def plan_package(kind: str, name: str) -> NewPackage:
    """Return the package of a part that is yet to be written: `kind` is one of `kinds()`.

    Raises `PluginError` if the name is none that a component, or its class, may have.
    """
    plain = PartNames.of(kind, name)
    sources = [_rendered(f"{kind}/{path.name}", plain) for path in sorted((TEMPLATES / kind).glob("*part.py.jinja"))]
    names = plain.beside(*sources)
    files = {
        f"{names.module}.py": f"{kind}/part.py.jinja",
        f"_{names.module}.py": f"{kind}/torch_part.py.jinja",
        f"tests/test_{names.module}.py": f"{kind}/test.py.jinja",
        "README.md": f"{_SHARED}/README.md.jinja",
        "pyproject.toml": f"{_SHARED}/pyproject.toml.jinja",
        "recipe.toml": f"{_SHARED}/recipe.toml.jinja",
    }
    if kind in OUTSIDE_RECIPES:
        del files["recipe.toml"]
    there = {path: template for path, template in files.items() if (TEMPLATES / template).is_file()}
    return NewPackage(names, {path: _rendered(template, names, files=there) for path, template in there.items()})


def _rendered(template: str, names: PartNames, **more: Any) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Python and TOML, of names that are checked
    )
    return environment.get_template(template).render(part=names, version=__version__, **more)
