"""A digest of the code that a part runs: the frame store's keys hold it.

So neither a changed part nor a changed step below it, nor one that moved to another module, ever gets the clips of
before. For a part of fdakit's own, its module counts and all that it imports of fdakit. For another's, all Python
files count of the packages and modules of its distribution, of the module of its `build`, and of those folders of
fdakit that masks, readers and samplers are made of. Not seen are modules of no distribution that a part finds by
changing `sys.path`, and files that hold no Python.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import blake2b
from importlib.metadata import Distribution, PackageNotFoundError, distribution
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
"""The engine's own steps between the parts: these files count for every clip, what they import does not."""
NAMESPACES = ("mask_ops", "model", "video")
"""What another's part may be made of: of these folders every file counts."""
_STARTED = time.time()


@cache
def code_digest(module: str, provider: str = OWN) -> str | None:
    """Return a digest of the code of a part by the module of its `build`; None if that is in no file (a notebook).

    Raises `FdakitError` if a file of fdakit cannot be found.
    """
    files = code_files(module, provider)
    if not files:
        return None
    digest = blake2b(digest_size=16)
    for name, path in sorted({**files, **{step: _own_path(step) for step in STEPS}}.items()):
        digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def code_files(module: str, provider: str = OWN) -> dict[str, Path]:
    """Return the files that count for a part, by name; none if its module is in no file."""
    if provider == OWN and module.partition(".")[0] == OWN:
        return imported_files((module,))
    own = _package_files(module.partition(".")[0])
    if not own:
        return {}
    for name in _top_levels(provider):
        own |= _package_files(name)
    package = _own_path(OWN).parent
    folders = [path for name in NAMESPACES for path in sorted((package / name).rglob("*.py"))]
    return own | {path.relative_to(package.parent).as_posix(): path for path in folders}


def is_edited(module: str, provider: str) -> bool:
    """Return whether a file of a part was written after this process began: older code of it may be loaded."""
    return any(path.stat().st_mtime > _STARTED for path in code_files(module, provider).values())


def imported_files(modules: Iterable[str]) -> dict[str, Path]:
    """Return the files of modules of fdakit and of all that they import of it, in functions too, by module."""
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = _path(name) if name not in found else None
        if path is not None:
            found[name] = path
            waiting += _imports(name, path)
    return found


def _package_files(name: str) -> dict[str, Path]:
    """Return all Python files of a top-level package or module; none of what is in no folder, as in a zip."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):  # a module made by hand
        return {}
    if spec is None:
        return {}
    if spec.submodule_search_locations is not None:
        folders = [Path(folder) for folder in spec.submodule_search_locations]
        files = [(folder, path) for folder in folders for path in sorted(folder.rglob("*.py"))]
        return {f"{name}/{path.relative_to(folder).as_posix()}": path for folder, path in files}
    path = Path(spec.origin) if spec.has_location and spec.origin else None
    return {name: path} if path is not None and path.suffix == ".py" and path.is_file() else {}


def _top_levels(provider: str) -> set[str]:
    """Return the top-level names of a distribution, or the module itself of one that was passed in directly."""
    try:
        found = distribution(provider)
    except PackageNotFoundError:
        return {provider.partition(".")[0]}
    names = {entry.value.partition(":")[0].partition(".")[0] for entry in found.entry_points if entry.group == OWN}
    return names | _installed_names(found)


def _installed_names(found: Distribution) -> set[str]:
    listed = (found.read_text("top_level.txt") or "").split()
    files = [path for path in found.files or () if path.suffix == ".py" and ".." not in path.parts]
    return {*listed, *(path.parts[0].removesuffix(".py") for path in files)}


def _own_path(module: str) -> Path:
    path = _path(module)
    if path is None:
        raise FdakitError(f"{module}: its file cannot be found, so that clips cannot be cached; install fdakit again")
    return path


def _path(module: str) -> Path | None:
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):  # a parent that is no package
        return None
    path = Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


def _imports(module: str, path: Path) -> Iterator[str]:
    """Yield the modules of fdakit that one of them imports; names out of a package count as their own modules."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in _running(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == OWN)
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(node, package)
            if source.partition(".")[0] == OWN:
                yield from (_home(source, alias.name) for alias in node.names)


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree without what is under `if TYPE_CHECKING`."""
    yield node
    for child in ast.iter_child_nodes(node):
        typing_only = (
            isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING"
        )
        for inner in child.orelse if typing_only and isinstance(child, ast.If) else [child]:
            yield from _running(inner)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    steps = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*steps, *([node.module] if node.module else [])])


def _home(source: str, name: str) -> str:
    """Return the module that `from source import name` runs: a submodule, or the one that a package lists it from."""
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
