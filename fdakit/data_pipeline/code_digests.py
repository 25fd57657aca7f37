"""A digest of a part's code: its own module, and all that it imports of its package and of fdakit.

It is part of the frame store's keys, so that after a change of a part, or of code it depends on, or after a move to
another module, no old clips are used.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path

from fdakit.errors import FdakitError

OWN = "fdakit"
STEPS = (
    "fdakit.data_pipeline.clip_pipeline",
    "fdakit.data_pipeline.clip_cache",
    "fdakit.video.transform",
    "fdakit.random_keys",
)
"""fdakit's own steps between the parts: these files count for every clip, their imports do not."""


@cache
def code_digest(module: str) -> str | None:
    """Return a digest of a module's code and of its imports; None for one without a file, as in a notebook.

    Imports of its own top-level package and of fdakit are followed; of other libraries the versions count. Raises
    `FdakitError` if a file of fdakit cannot be read.
    """
    if _path(module) is None:
        return None
    return _digest({**imported_files((module,)), **{step: _own_path(step) for step in STEPS}})


def imported_files(modules: Iterable[str]) -> dict[str, Path]:
    """Return the files, by module name, of modules and of all they import of their packages and of fdakit."""
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = _path(name) if name not in found else None
        if path is None:
            continue
        found[name] = path
        waiting += _imports(name, path, followed={OWN, name.partition(".")[0]})
    return found


def _digest(files: dict[str, Path]) -> str:
    digest = blake2b(digest_size=16)
    for name, path in sorted(files.items()):
        digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _own_path(module: str) -> Path:
    path = _path(module)
    if path is None:
        raise FdakitError(f"{module}: its file cannot be found, so clips cannot be cached; reinstall fdakit")
    return path


def _path(module: str) -> Path | None:
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):  # a parent that is not a package; a synthetic module
        return None
    path = Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


def _imports(module: str, path: Path, *, followed: Collection[str]) -> Iterator[str]:
    """Yield the modules of the `followed` top-level packages that a module imports, also inside functions."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in _running(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in followed)
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(node, package)
            if source.partition(".")[0] in followed:  # inspecting another package would import it
                yield from (_home(source, alias.name) for alias in node.names)


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree except those under `if TYPE_CHECKING`."""
    yield node
    for child in ast.iter_child_nodes(node):
        typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        for inner in child.orelse if typing_only and isinstance(child, ast.If) else [child]:
            yield from _running(inner)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    steps = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*steps, *([node.module] if node.module else [])])


def _home(source: str, name: str) -> str:
    """Return the module that `from source import name` imports: a submodule, or where a package has the name from."""
    path = _path(source)
    if path is None or path.name != "__init__.py":
        return source
    if _path(f"{source}.{name}") is not None:
        return f"{source}.{name}"
    listing = path.with_suffix(".pyi")
    for node in ast.parse((listing if listing.is_file() else path).read_bytes()).body:
        if isinstance(node, ast.ImportFrom) and name in [alias.asname or alias.name for alias in node.names]:
            return _absolute(node, source)
    return source
