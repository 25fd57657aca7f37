"""Figures in the pages: each stands beside the command that gives it, and measured blocks equal their records."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("plugins/*/README.md")))
    if page.name != "reference.md"  # generated from the code: defaults, not measurements
]
FIGURE = re.compile(
    r"(?<![\w.])\d[\d,]*(?:\.\d+)?\s?(?:±|ms\b|s\b|seconds\b|minutes\b|MB\b|GB\b|%|percent\b|times\b|grey levels\b)"
    r"|\|\s*\d+\.\d+\s*(?:\||±)|R@\d+ \d"
)
COMMAND = re.compile(r"^```\n(?:.*\n)*?.*\b(?:fdakit|python|pytest|torchrun)\b|`(?:fdakit|python|pytest) ", re.M)
STATED = re.compile(r"<!-- figures: \w[^>]{10,} -->")


@pytest.fixture(scope="module")
def measuring() -> ModuleType:
    return loaded(ROOT / "docs" / "measured" / "measure.py")


def loaded(script: Path) -> ModuleType:
    """Load a script of the documentation as a module."""
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def bare_figures(text: str) -> list[str]:
    """Figures of the sections that neither show a command nor say where their figures come from."""
    found = []
    for section in re.split(r"^(?=#{1,4} )", text, flags=re.M):
        prose = re.sub(r"^```.*?^```", "", section, flags=re.M | re.S)
        if not COMMAND.search(section) and not STATED.search(section):
            found += [f"{section.partition(chr(10))[0]}: {figure}" for figure in FIGURE.findall(prose)]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_figure_stands_beside_its_command_or_says_what_it_is(page: Path) -> None:
    assert bare_figures(page.read_text()) == []


def test_a_figure_without_a_command_is_found() -> None:
    section = "## Speed\n\nReading takes 12 ms a clip.\n"
    assert bare_figures(section) == ["## Speed: 12 ms"]
    assert bare_figures("## Speed\n\n| mask | R@1 |\n|---|---|\n| a | 31.9 ± 5.7 |\n") != []
    assert bare_figures(section + "\n```\nfdakit bench decode clips\n```\n") == []
    assert bare_figures(section + "<!-- figures: a limit of the code, not measured -->\n") == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_measured_blocks_are_what_their_commands_printed(page: Path, measuring: ModuleType) -> None:
    text = page.read_text()
    for name in measuring.BLOCK.findall(text):
        record = measuring.read_record(name)
        assert record["commands"] == measuring.read_commands()[name]["commands"], f"{name}: measure it again"
    assert measuring.written(text) == text, "write the pages: python docs/measured/measure.py --pages-only"


def test_every_record_is_shown_and_every_measurement_has_one(measuring: ModuleType) -> None:
    shown = [name for page in PAGES for name in measuring.BLOCK.findall(page.read_text())]
    records = {path.stem for path in (ROOT / "docs" / "measured").glob("*.json")}
    assert sorted(shown) == sorted(records) == sorted(measuring.read_commands())


def test_the_picture_of_motion_tokens_shows_the_times_of_their_record() -> None:
    drawing = loaded(ROOT / "docs" / "figures" / "motion_tokens.py")
    times = drawing.read_times(ROOT / "docs" / "measured" / "keep-share-time.json")
    assert len(times) == 6
    told = ", ".join(f"{point.x:g} {point.mean:.4g}" for point in times)
    assert f"time, open_clip = 1, motion-tokens: {told}<" in (ROOT / "docs/figures/motion_tokens.svg").read_text()
