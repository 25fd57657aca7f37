"""The house's shape: who may import whom, who may print, and how long things may be."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

import fdakit

PACKAGE = Path(fdakit.__file__).parent
PLUGINS = PACKAGE.parent / "plugins"

# From the ground up; a module imports from the rows above its own in this list, and from the same row only
# inside the same folder. A folder stands for all that is in it.
ROWS = (
    ("errors", "random_keys", "version", "moved_names", "choices"),
    ("system", "split_rules", "frame_placement"),
    ("values", "query_ranks", "feature_rows"),
    ("features",),
    ("plugin",),
    ("settings",),
    ("video", "dataset_files", "ranking", "mask_ops", "synthetic"),
    ("model", "report", "scaffold"),
    ("builtin",),
    ("catalog",),
    ("recipe",),
    ("data_pipeline",),
    ("inference", "dataset_tools", "mask_inspection"),
    ("training", "evaluation"),
    ("search",),
    ("analysis", "testing"),
    ("experiment",),
    ("bench",),
    ("ablation",),
    ("cli",),
    ("__main__",),
)
NAMESPACES = ("plugin", "mask_ops", "dataset_files", "model", "video")
"""What built-in parts and packages under plugins/ import, as a stranger's plugin does; `testing` in their tests."""
LARGEST_FOLDER = 25
HEIGHT = {name: height for height, row in enumerate(ROWS) for name in row}
HEAVY = {"torch", "open_clip", "timm", "skimage", "scipy", "av"}
PRINTERS = ("cli", "system.terminal")
VAGUE = {"utils", "util", "common", "helpers", "misc", "core", "base"}


@cache
def modules() -> dict[str, Path]:
    """Name under fdakit -> file; a folder's `__init__` has the folder's name, fdakit's own the empty one."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> Iterator[tuple[str, str, int]]:
    """(module, name or "", dots) of every import, those in functions and under TYPE_CHECKING included."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "", 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name, node.level) for alias in node.names)


@cache
def listed(package: str) -> dict[str, str]:
    """The names that a namespace lists -> the module of each, `""` being the front door."""
    folder = PACKAGE.joinpath(*package.split("."))
    stub = folder / "__init__.pyi"
    homes = {}
    for node in tree(stub if stub.is_file() else folder / "__init__.py").body:
        if isinstance(node, ast.ImportFrom):
            target = absolute(node, [part for part in package.split(".") if part])
            homes |= {alias.asname or alias.name: target or alias.name for alias in node.names}
    return homes


def absolute(node: ast.ImportFrom, package: list[str]) -> str:
    """The module under fdakit that is imported from; one of another library with its own name."""
    if node.level:
        return ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])
    return (node.module or "").removeprefix("fdakit").removeprefix(".")


def neighbours(module: str) -> set[str]:
    """The modules of fdakit that a module imports; a name from a namespace counts as its home."""
    path, found = modules()[module], set()
    package = ["fdakit", *path.relative_to(PACKAGE).parts[:-1]]
    for target, name, dots in imported(path):
        full = ".".join([*package[: len(package) - dots + 1], target]).strip(".") if dots else target
        if full.partition(".")[0] != "fdakit":
            continue
        inside = full.removeprefix("fdakit").removeprefix(".")
        below = f"{inside}.{name}".strip(".")
        if name and below in modules():
            found.add(below)
        elif inside in ("", *NAMESPACES) and name:
            found.add(listed(inside)[name])
        else:
            found.add(inside)
    return found - {module}


def room(module: str) -> str:
    return module.partition(".")[0]


HOUSE = sorted(module for module in modules() if module)  # without the front door, which lists everyone


def test_every_module_has_a_floor() -> None:
    assert {room(module) for module in HOUSE} <= set(HEIGHT)


def lies_low(module: str, other: str) -> bool:
    height, its = HEIGHT[room(module)], HEIGHT[room(other)]
    return its < height or (its == height and room(module) == room(other))


@pytest.mark.integration
def test_modules_import_only_from_lower_floors_and_their_own_folder() -> None:
    upwards = [(module, other) for module in HOUSE for other in neighbours(module) if not lies_low(module, other)]
    assert sorted(upwards) == []


@pytest.mark.integration
def test_no_imports_go_round_in_a_circle() -> None:
    try:
        TopologicalSorter({module: neighbours(module) for module in HOUSE}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_front_door_itself_imports_nothing_but_the_version_and_the_names_that_moved() -> None:
    running = {
        node.module for node in ast.walk(tree(modules()[""])) if isinstance(node, ast.ImportFrom) and node.level
    }
    assert running == {"version", "moved_names"}


BUILTIN = [module for module in HOUSE if room(module) == "builtin"]
PARTS = [module for module in BUILTIN if not module.rpartition(".")[2].startswith("_")]
RENDERER = {  # drawn clips, which the benches draw too
    "builtin.datasets.moving_shapes": "synthetic",
    "builtin.datasets.moving_order": "synthetic",
}


def outside_of_namespaces(path: Path, allowed: tuple[str, ...], *, beside: str = "_") -> list[str]:
    """Imports of fdakit in a part that are not from a namespace, nor from a file of the part beside it."""
    faults = []
    for target, name, dots in imported(path):
        if dots:
            if dots > 1 or not target.startswith(beside):
                faults.append(f"{path.name}: {'.' * dots}{target}")
        elif target.partition(".")[0] == "fdakit":
            inside = target.removeprefix("fdakit").removeprefix(".")
            if room(inside) not in allowed or (inside in NAMESPACES and name not in listed(inside)):
                faults.append(f"{path.name}: {name} from {target}")
    return faults


def test_built_ins_import_the_namespaces_as_a_stranger_would() -> None:
    faults = []
    for module in BUILTIN:
        extra = tuple(folder for part, folder in RENDERER.items() if module == part)
        faults += outside_of_namespaces(modules()[module], (*NAMESPACES, *extra))
    assert faults == []


def test_packages_under_plugins_import_the_namespaces_and_nothing_else() -> None:
    sources = [path for path in sorted(PLUGINS.rglob("*.py")) if "tests" not in path.parts]
    assert sources
    assert [fault for path in sources for fault in outside_of_namespaces(path, NAMESPACES, beside="")] == []


def test_the_engine_imports_no_part() -> None:
    knowing = [
        (module, other)
        for module in HOUSE
        if room(module) != "builtin"
        for other in neighbours(module)
        if other.startswith("builtin.")
    ]
    assert knowing == []


def test_no_folder_is_too_large_to_take_in() -> None:
    sizes = {folder: len(list(folder.glob("*.py"))) for folder in PACKAGE.rglob("*") if folder.is_dir()}
    assert {str(folder): size for folder, size in sizes.items() if size > LARGEST_FOLDER} == {}


def test_every_name_of_a_namespace_is_listed_once_and_is_there() -> None:
    for namespace in ("", *NAMESPACES):
        source = import_module(f"fdakit.{namespace}".strip("."))
        names = [alias.name for alias in doors(namespace)]
        assert len(names) == len(set(names))
        assert [name for name in names if not hasattr(source, name)] == []


def doors(namespace: str) -> list[ast.alias]:
    folder = PACKAGE / namespace
    stub = folder / "__init__.pyi"
    nodes = tree(stub if stub.is_file() else folder / "__init__.py").body
    return [alias for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names]


def run_on_import(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that importing a module runs: no function bodies, nothing under TYPE_CHECKING."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        yield child
        yield from run_on_import(child)


def loaded_with(module: str) -> set[str]:
    """The packages that importing a part imports, through its own sibling modules too."""
    found = set()
    for node in run_on_import(tree(modules()[module])):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.ImportFrom):
            found |= loaded_with(f"{module.rpartition('.')[0]}.{node.module}")
    return found


def test_importing_a_part_imports_nothing_heavy() -> None:
    heavy = {module: loaded_with(module) & HEAVY for module in PARTS}
    assert {module: names for module, names in heavy.items() if names} == {}


def test_only_the_catalog_and_the_hooks_know_pluggy() -> None:
    knowing = {m for m, path in modules().items() for t, _, _ in imported(path) if t.partition(".")[0] == "pluggy"}
    assert knowing == {"catalog", "plugin.hookspecs"}


def writes_to_the_terminal(path: Path) -> bool:
    if any(target.partition(".")[0] in ("click", "rich") for target, _, dots in imported(path) if not dots):
        return True
    nodes = list(ast.walk(tree(path)))
    prints = any(isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "print" for n in nodes)
    streams = any(isinstance(n, ast.Attribute) and n.attr in ("stdout", "stderr") for n in nodes)
    return prints or streams


@pytest.mark.integration
def test_only_the_command_line_and_the_console_observer_write_to_the_terminal() -> None:
    writers = {module for module, path in modules().items() if writes_to_the_terminal(path)}
    assert [module for module in sorted(writers) if not module.startswith(PRINTERS)] == []
    assert "cli.printing" in writers, "the search itself finds nothing"


def test_names_say_what_is_inside() -> None:
    assert [module for module in HOUSE if module.rpartition(".")[2] in VAGUE] == []


def sources() -> list[Path]:
    return [path for folder in (PACKAGE, PLUGINS) for path in sorted(folder.rglob("*.py"))]


def test_files_are_short() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert {str(path): length for path, length in lengths.items() if length > 300} == {}
    assert statistics.median(length for length in lengths.values() if length) <= 110


def test_functions_are_short() -> None:
    lengths = {
        f"{path.name}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path in sources()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: length for name, length in lengths.items() if length > 60} == {}
    assert statistics.quantiles(lengths.values(), n=100)[94] <= 35


def test_folders_are_two_deep_at_most() -> None:
    assert [module for module in HOUSE if len(modules()[module].relative_to(PACKAGE).parts) > 3] == []
