"""The trial's own tests: what is changed and what is not, which tests are chosen, and what becomes of a change."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from mutation.mutants import Mutant, mutants
from mutation.trial import AREAS, ROOT, WarmProcess, copied, covering, drawn, run_trial, summary, touched_lines, tried

pytestmark = pytest.mark.integration

SOURCE = '''"""Words 1."""
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import numpy as äöü
LIMIT = 3

@cached(9)
def first(a: "Number[4]", b, *, strict=True):
    """Words 2."""
    assert a is not None
    if a < b and not strict:
        raise ValueError(f"{a + 1} is less", 7)
    for each in (a, b):
        if "ü" in each:
            continue
        note(a, b, key=min(each, 2.5))
    return a - b
'''


def names(source: str) -> list[str]:
    return [mutant.name.partition(" ")[2] for mutant in mutants(source) if mutant.differs(source)]


def test_every_kind_of_change_and_nothing_that_is_only_said() -> None:
    assert sorted(names(SOURCE)) == sorted(
        [
            "constant: 3 -> 4",
            "constant: 3 -> 2",
            "constant: True -> False",
            "and/or: a < b and not strict -> a < b or not strict",
            "negated: a < b and not strict -> not (a < b and (not strict))",
            "dropped: a < b and not strict -> not strict",
            "dropped: a < b and not strict -> a < b",
            "comparison: a < b -> a <= b",
            "comparison: a < b -> a > b",
            "dropped sign: not strict -> strict",
            'removed: raise ValueError(f"{a + 1} is less", 7) -> pass',
            "comparison: \"ü\" in each -> 'ü' not in each",
            "text: \"ü\" in each -> 'ü~' in each",
            "removed: continue -> pass",
            "removed: note(a, b, key=min(each, 2.5)) -> pass",
            "swapped: note(a, b, key=min(each, 2.5)) -> note(b, a, key=min(each, 2.5))",
            "dropped: note(a, b, key=min(each, 2.5)) -> note(a, b)",
            "function: min(each, 2.5) -> max(each, 2.5)",
            "constant: 2.5 -> 5.0",
            "return: return a - b -> return None",
            "arithmetic: a - b -> a + b",
        ]
    )


def test_the_rest_of_the_text_stays_as_it_is() -> None:
    for mutant in mutants(SOURCE):
        changed, (begin, end) = mutant.applied(SOURCE).encode(), mutant.span
        assert changed[:begin] == SOURCE.encode()[:begin]
        assert changed.endswith(SOURCE.encode()[end:])
        assert mutant.before == SOURCE.encode()[begin:end].decode()
        assert mutant.lines[0] <= mutant.line <= mutant.lines[1]


def test_what_an_import_runs_is_told_from_what_a_call_runs() -> None:
    assert {mutant.line for mutant in mutants(SOURCE) if mutant.once} == {5}


def test_every_part_of_the_trial_names_files_that_are_there() -> None:
    for area, patterns in AREAS.items():
        assert [pattern for pattern in patterns if not list(ROOT.glob(pattern))] == [], area


@pytest.mark.integration
def test_a_seed_draws_the_same_changes_of_every_part_alike() -> None:
    first, again, other = (drawn(ROOT, ["stores", "fusions"], 9, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert sorted(area for area, _ in first) == ["fusions"] * 4 + ["stores"] * 5
    for _, mutant in first:
        source = (ROOT / mutant.path).read_text("utf-8")
        assert ast.dump(ast.parse(mutant.applied(source))) != ast.dump(ast.parse(source))


TOUCHED = {
    "tests/test_other.py::test_a": {"seconds": 0.1, "passed": True, "lines": {"room/parts.py": [1, 4]}},
    "tests/test_parts.py::test_b": {"seconds": 9.0, "passed": True, "lines": {"room/parts.py": [4]}},
    "tests/test_slow.py::test_c": {"seconds": 5.0, "passed": True, "lines": {"room/parts.py": [4, 5]}},
    "tests/test_slow.py::test_d": {"seconds": 0.0, "passed": False, "lines": {"room/parts.py": [5]}},
    "tests/test_slow.py::test_e": {"seconds": 0.0, "passed": True, "lines": {"room/else.py": [5]}},
    "tests/test_slow.py::test_f": {"seconds": 0.0, "passed": True, "skipped": True, "lines": {"room/parts.py": [4]}},
}


@pytest.mark.parametrize(
    ("lines", "once", "chosen"),
    [((4, 4), False, "bac"), ((5, 6), False, "c"), ((1, 1), True, "bac"), ((9, 9), False, "bac")],
)
def test_the_tests_that_run_the_changed_lines_are_chosen(lines: tuple[int, int], once: bool, chosen: str) -> None:
    mutant = Mutant("fdakit/room/parts.py", lines[0], lines, "constant", "1", "2", (0, 1), once)
    assert "".join(test[-1] for test in covering(mutant, TOUCHED)) == chosen


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmProcess]:
    """A small project with tests of two of its three functions."""
    project = tmp_path_factory.mktemp("small")
    (project / "fdakit").mkdir()
    (project / "fdakit" / "__init__.py").touch()
    (project / "fdakit" / "counting.py").write_text(
        "def total(values):\n    found = 0\n    for value in values:\n        found += value\n    return found\n\n"
        "def steps(count):\n    while count > 0:\n        count -= 1\n    return count\n\n"
        "def unseen(value):\n    return value + 1\n",
        "utf-8",
    )
    shutil.copytree(Path(__file__).parent, project / "tests" / "mutation")
    (project / "tests" / "test_counting.py").write_text(
        "from fdakit.counting import steps, total\n\n\n"
        "def test_total():\n    assert total([1, 2]) == 3\n\n\n"
        "def test_steps():\n    steps(2)\n",
        "utf-8",
    )
    warm = WarmProcess(project, project / "run", bare=True, patience=60.0)
    yield warm
    warm.close()


def test_a_change_is_noticed_survives_or_never_ends(process: WarmProcess, tmp_path: Path) -> None:
    touched = touched_lines([process], ["tests/test_counting.py"], tmp_path)
    assert {test.partition("::")[2]: found["lines"] for test, found in touched.items()} == {
        "test_total": {"counting.py": [1, 2, 3, 4, 5]},
        "test_steps": {"counting.py": [7, 8, 9, 10]},
    }
    source = (process.project / "fdakit" / "counting.py").read_text("utf-8")
    every = {mutant.name.partition(":")[2]: mutant for mutant in mutants(source, path="fdakit/counting.py")}
    wanted = {
        "2 constant: 0 -> 1": ("failed", "tests/test_counting.py::test_total"),
        "10 return: return count -> return None": ("survived", ""),
    }
    chosen = [("all", every[name]) for name in wanted]
    results = run_trial([process], chosen, touched, tell=lambda line: None)
    assert [(result.outcome, result.by) for result in results] == list(wanted.values())
    assert (process.project / "fdakit" / "counting.py").read_text("utf-8") == source
    process.patience = 1.0
    endless = tried(process, "all", every["9 removed: count -= 1 -> pass"], touched)
    assert (endless.outcome, endless.noticed) == ("out of time", True)
    assert "| all | 3 | 2 (66.7 %) | 1 | 1 |" in summary([*results, endless])
    assert "- `fdakit/counting.py:10 return: return count -> return None`: survived" in summary(results)
    unseen = tried(process, "all", every["13 arithmetic: value + 1 -> value - 1"], {})
    assert (unseen.outcome, unseen.noticed) == ("not run by any test", False)


@pytest.mark.integration
def test_a_copy_holds_what_is_tracked(tmp_path: Path) -> None:
    copy = copied(ROOT, tmp_path / "copy")
    assert (copy / "fdakit" / "values.py").read_bytes() == (ROOT / "fdakit" / "values.py").read_bytes()
    assert not list(copy.rglob("*.pyc"))
