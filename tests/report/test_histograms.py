"""Histograms: bars in proportion, as SVG and in characters."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given, strategies as st

from fdakit.report.histograms import bar, histogram_svg

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_in_proportion_and_side_by_side() -> None:
    root = ElementTree.fromstring(histogram_svg([1, 0, 3], [0, 0.25, 0.5, 1.0], title="a < b", x_label="share"))
    ground, *bars = list(root.iter(f"{SVG}rect"))
    assert ground.get("fill") == "white"
    tall = [float(one.get("height", "")) for one in bars]
    assert tall[1] == 0
    assert tall[2] == pytest.approx(3 * tall[0], abs=0.3)
    edges = [(float(one.get("x", "")), float(one.get("width", ""))) for one in bars]
    assert edges[2][1] == pytest.approx(2 * edges[0][1] + 2, abs=0.2)
    assert edges[0][0] < edges[1][0] < edges[2][0]
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"a < b", "share", "0%", "100%"} <= set(texts)


def test_nothing_counted_is_drawn_too() -> None:
    assert histogram_svg([0, 0], [0, 0.5, 1], title="none", x_label="x").count("<rect") == 3


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
