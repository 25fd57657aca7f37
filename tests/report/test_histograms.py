"""Histograms: bars in proportion, as SVG and in characters."""

from __future__ import annotations

import re
import sys
from xml.etree import ElementTree

import pytest
from hypothesis import given, strategies as st

from fdakit.report.histograms import bar, histogram_svg
from fdakit.report.svg_figures import drawing_fault

SVG = "{http://www.w3.org/2000/svg}"


def boxes(root: ElementTree.Element) -> list[tuple[float, float, float]]:
    """(left, width, height) of every bar."""
    found = []
    for group in root.iter(f"{SVG}g"):
        if (group.get("id") or "").startswith("bar-"):
            numbers = [float(one) for one in re.findall(r"-?[\d.]+", next(group.iter(f"{SVG}path")).get("d", ""))]
            xs, ys = numbers[::2], numbers[1::2]
            found.append((min(xs), max(xs) - min(xs), max(ys) - min(ys)))
    return found


def test_bars_are_in_proportion_and_side_by_side() -> None:
    pytest.importorskip("matplotlib")
    text = histogram_svg([1, 0, 3], [0, 0.25, 0.5, 1.0], title="a < b", x_label="share")
    assert text == histogram_svg([1, 0, 3], [0, 0.25, 0.5, 1.0], title="a < b", x_label="share")
    root = ElementTree.fromstring(text)
    (first, width, tall), (second, _, none), (third, wide, tallest) = boxes(root)
    assert none == 0
    assert tallest == pytest.approx(3 * tall, abs=0.3)
    assert wide == pytest.approx(2 * width, abs=0.2)
    assert first < second < third
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"a < b", "share", "0%", "100%"} <= set(texts)


def test_nothing_counted_is_drawn_too() -> None:
    pytest.importorskip("matplotlib")
    root = ElementTree.fromstring(histogram_svg([0, 0], [0, 0.5, 1], title="none", x_label="x"))
    assert [height for *_, height in boxes(root)] == [0, 0]


def test_without_matplotlib_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert drawing_fault() == 'matplotlib is not installed; pip install "fdakit[plot]"'


@given(st.floats(0, 1), st.integers(1, 80), st.booleans())
def test_a_bar_is_as_long_as_its_share(share: float, width: int, blocks: bool) -> None:
    drawn = bar(share, width=width, blocks=blocks)
    assert abs(len(drawn) - share * width) <= 1
    assert bool(drawn) == (share > 0)
    assert drawn.isascii() or blocks


def test_the_whole_is_the_whole_width() -> None:
    assert bar(1, width=5) == "█████"
    assert bar(0.5, width=5) == "██▌"
    assert bar(1, width=5, blocks=False) == "#####"
