"""The house's shape: who may import whom, who may print, and how long things may be."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import fdakit

PACKAGE = Path(fdakit.__file__).parent
PLUGINS = PACKAGE.parent / "plugins"

# From the ground up; a module imports from the rows above its own in this list, and from the same row only
# inside the same folder. `video` stands for `video/*`.
ROWS = (
    ("errors", "draws", "version"),  # 1
    ("system", "split_rules"),  # the machine
    ("values",),  # 2
    ("component",),
    ("contracts",),  # 3: contracts and settings lie under the three rooms of their floor
    ("settings", "built_parts"),
    ("video", "data", "ranking", "masking"),
    ("model", "report", "hookspecs"),  # 4
    ("builtin",),  # 5
    ("catalog",),  # 6
    ("recipe", "recipe_faults", "recipe_paths", "recipe_text", "recipe_schema", "testing"),  # 7
    ("experiment",),  # 8
    ("search",),  # 9
    ("bench",),  # 10
    ("cli",),  # 11
    ("__main__",),
)
HEIGHT = {name: height for height, row in enumerate(ROWS) for name in row}
HEAVY = {"torch", "open_clip", "timm", "skimage", "scipy", "av"}
PRINTERS = ("cli", "builtin.observers.console")
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


def neighbours(module: str) -> set[str]:
    """The modules of fdakit that a module imports; a name from the front door counts as its home."""
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
        elif inside:
            found.add(inside)
        else:
            found.add("version" if name == "__version__" else fdakit._WHERE[name])
    return found - {module}


def room(module: str) -> str:
    return module.partition(".")[0]


HOUSE = sorted(module for module in modules() if module)  # without the front door, which lists everyone


def test_every_module_has_a_floor() -> None:
    assert {room(module) for module in HOUSE} <= set(HEIGHT)


@pytest.mark.parametrize("module", HOUSE)
def test_a_module_imports_only_from_lower_floors_and_its_own_folder(module: str) -> None:
    def lies_low(other: str) -> bool:
        folder, its = module.rpartition(".")[0], other.rpartition(".")[0]
        beside = folder == its or room(module) == room(other)
        return HEIGHT[room(other)] < HEIGHT[room(module)] or (HEIGHT[room(other)] == HEIGHT[room(module)] and beside)

    assert [other for other in sorted(neighbours(module)) if not lies_low(other)] == []


def test_no_imports_go_round_in_a_circle() -> None:
    try:
        TopologicalSorter({module: neighbours(module) for module in HOUSE}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_front_door_itself_imports_nothing_but_the_version() -> None:
    running = {node.module for node in tree(modules()[""]).body if isinstance(node, ast.ImportFrom) and node.level}
    assert running == {"version"}


BUILTIN = [module for module in HOUSE if room(module) == "builtin"]
PARTS = [module for module in BUILTIN if not module.endswith("_module")]


@pytest.mark.parametrize("module", BUILTIN)
def test_a_built_in_comes_in_through_the_front_door_as_a_stranger_would(module: str) -> None:
    for target, name, dots in imported(modules()[module]):
        if dots:
            assert dots == 1, f"{'.' * dots}{target}: reaches out of its folder"
            assert target.endswith("_module"), f".{target}: only a part's own module lies beside it"
        elif target.partition(".")[0] == "fdakit":
            assert target == "fdakit", f"{target}: import it from fdakit"
            assert name == "__version__" or name in fdakit.__all__, f"{name}: not on offer at the front door"


@pytest.mark.parametrize("module", BUILTIN)
def test_what_a_built_in_takes_through_the_front_door_lies_below_it(module: str) -> None:
    taken = [other for other in neighbours(module) if room(other) != "builtin"]
    assert [other for other in taken if HEIGHT[room(other)] >= HEIGHT["builtin"]] == []


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


@pytest.mark.parametrize("module", PARTS)
def test_importing_a_part_imports_nothing_heavy(module: str) -> None:
    assert loaded_with(module) & HEAVY == set()


def test_only_the_catalog_and_the_hooks_know_pluggy() -> None:
    knowing = {m for m, path in modules().items() for t, _, _ in imported(path) if t.partition(".")[0] == "pluggy"}
    assert knowing == {"catalog", "hookspecs"}


def writes_to_the_terminal(path: Path) -> bool:
    if any(target.partition(".")[0] in ("click", "rich") for target, _, dots in imported(path) if not dots):
        return True
    nodes = list(ast.walk(tree(path)))
    prints = any(isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "print" for n in nodes)
    streams = any(isinstance(n, ast.Attribute) and n.attr in ("stdout", "stderr") for n in nodes)
    return prints or streams


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
