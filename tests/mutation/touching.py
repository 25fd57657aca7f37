"""A pytest plugin that notes which lines of the package each test runs, in its own body and in its fixtures."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

Line = tuple[str, int]


class Touching:
    """Writes `{test: {"seconds": s, "passed": bool, "lines": {file: [line, ...]}}}` to `out`.

    What a fixture of a wider scope ran once counts for every test that asks for it.
    """

    def __init__(self, package: Path, out: Path) -> None:
        self._package, self._out = f"{package}/", out
        self._inside: dict[CodeType, str | None] = {}
        self._stack: list[set[Line]] = [set()]
        self._of_fixture: dict[int, set[Line]] = {}
        self._found: dict[str, dict[str, Any]] = {}

    def _call(self, frame: FrameType, event: str, argument: object) -> Any:
        code = frame.f_code
        if code not in self._inside:
            inside = code.co_filename.startswith(self._package)
            self._inside[code] = code.co_filename.removeprefix(self._package) if inside else None
        file = self._inside[code]
        if file is None:
            return None
        self._stack[-1].add((file, frame.f_lineno))

        def line(frame: FrameType, event: str, argument: object) -> Any:
            self._stack[-1].add((file, frame.f_lineno))
            return line

        return line

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Iterator[None]:
        self._stack.append(set())
        try:
            return (yield)
        finally:
            own = self._stack.pop()
            self._of_fixture.setdefault(id(fixturedef), set()).update(own)
            self._stack[-1] |= own

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._stack = [set()]
        self._found[item.nodeid] = {"seconds": 0.0, "passed": True}
        threading.settrace(self._call)
        sys.settrace(self._call)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]
            touched = self._stack[0]
            for definitions in getattr(item, "_fixtureinfo").name2fixturedefs.values():  # noqa: B009
                for definition in definitions:
                    touched |= self._of_fixture.get(id(definition), set())
            lines: dict[str, list[int]] = {}
            for file, line in sorted(touched):
                lines.setdefault(file, []).append(line)
            self._found[item.nodeid]["lines"] = lines

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = self._found[report.nodeid]
        test["seconds"] += report.duration
        test["passed"] &= not report.failed
        if report.skipped:
            test["skipped"] = True

    def pytest_sessionfinish(self) -> None:
        self._out.write_text(json.dumps(self._found), encoding="utf-8")


class Chosen:
    """Runs only these tests, in this order of files, and writes the first that failed to `out`."""

    def __init__(self, tests: list[str], out: Path) -> None:
        self._tests = {test: place for place, test in enumerate(tests)}
        self._out = out

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self._tests), key=lambda item: self._tests[item.nodeid]
        )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self._out.exists():
            self._out.write_text(report.nodeid, encoding="utf-8")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self._out.exists():
            self._out.write_text(f"{report.nodeid} (on import)", encoding="utf-8")
