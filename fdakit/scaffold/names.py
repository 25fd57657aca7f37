"""The names of a new part: of its component, package, module, class and constant."""

from __future__ import annotations

import ast
import builtins
import keyword
from dataclasses import dataclass, replace

from fdakit.errors import PluginError
from fdakit.plugin.component import Component, Options

_OTHER = "choose another name"
_LONGEST = 40  # with which no line of a template is longer than a linter wants it


@dataclass(frozen=True)
class PartNames:
    """Names made of one: `soft-light` is the class `SoftLight`, the constant `SOFT_LIGHT`, in `fdakit_soft_light`."""

    kind: str
    name: str
    class_name: str

    @classmethod
    def of(cls, kind: str, name: str) -> PartNames:
        """Return the names of a part. Raises `PluginError` if its name cannot be one."""
        Component(name, name, Options, lambda options, shapes: None)  # refuses what no component may be called
        class_name = "".join(word.capitalize() for word in name.split("-"))
        if not class_name.isidentifier():
            raise PluginError(f"component {name!r}: begins with a digit, so no class can bear its name; {_OTHER}")
        if keyword.iskeyword(class_name) or keyword.iskeyword(name):
            raise PluginError(f"component {name!r}: {class_name} or {name} is a keyword of Python; {_OTHER}")
        if len(name) > _LONGEST:
            raise PluginError(f"component {name!r}: {len(name)} characters; choose at most {_LONGEST}")
        return cls(kind, name, class_name)

    @property
    def noun(self) -> str:
        """The kind in prose."""
        return "data set" if self.kind == "dataset" else self.kind.replace("_", " ")

    @property
    def constant(self) -> str:
        """The name of the component in its module."""
        return self.name.replace("-", "_").upper()

    @property
    def distribution(self) -> str:
        """The name of the package, and of its folder."""
        return f"fdakit-{self.name}"

    @property
    def module(self) -> str:
        """The name of the module that offers the part."""
        return self.distribution.replace("-", "_")

    @property
    def hook(self) -> str:
        """The hook that the module answers."""
        return f"fdakit_{self.kind}s"

    def beside(self, *sources: str) -> PartNames:
        """Return these names with another class if its own stands for something else in the sources of a package."""
        imported = {
            alias.asname or alias.name
            for source in sources
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Import | ast.ImportFrom) and getattr(node, "module", "") != f"_{self.module}"
            for alias in node.names
        }
        taken = imported | set(dir(builtins)) | {self.constant}
        clashes = {self.class_name, f"{self.class_name}Options"} & taken
        suffix = "".join(word.capitalize() for word in self.kind.split("_"))
        return replace(self, class_name=f"{self.class_name}{suffix}") if clashes else self
