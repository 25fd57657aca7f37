"""Curves as SVG: what is drawn stands where it should."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest
from hypothesis import given, strategies as st

from fdakit.report.curves import Panel, Point, curves_svg, nice_ticks

SVG = "{http://www.w3.org/2000/svg}"
FALLING = (Point(0.25, 40, 4), Point(0.5, 20), Point(1.0, 10, 1))


def drawn(*panels: Panel) -> ElementTree.Element:
    return ElementTree.fromstring(curves_svg(panels, x_label="fusion.keep_share"))


def test_points_are_in_proportion_and_have_their_bars() -> None:
    root = drawn(Panel("R@1", (("one", FALLING),)))
    circles = [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in root.iter(f"{SVG}circle")]
    xs, ys = zip(*circles, strict=True)
    assert (xs[2] - xs[1]) == pytest.approx(2 * (xs[1] - xs[0]), abs=0.2)
    assert (ys[2] - ys[1]) == pytest.approx((ys[1] - ys[0]) / 2, abs=0.2)
    bars = [line for line in root.iter(f"{SVG}line") if line.get("x1") == line.get("x2")]
    lengths = [float(bar.get("y2", "")) - float(bar.get("y1", "")) for bar in bars]
    assert lengths == [pytest.approx(4 * 2 * (ys[1] - ys[0]) / 20, abs=0.3), pytest.approx(lengths[0] / 4, abs=0.3)]


def test_panels_stand_side_by_side_with_their_words() -> None:
    root = drawn(Panel("R@1 <t2v>", (("a", FALLING), ("b & c", FALLING))), Panel("seconds", (("a", FALLING),)))
    assert root.get("width") == "760"
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"R@1 <t2v>", "seconds", "b & c"} <= set(texts)
    assert texts.count("fusion.keep_share") == 2
    assert [g.get("transform") for g in root.iter(f"{SVG}g")] == ["translate(0 0)", "translate(380 0)"]
    assert len({line.get("stroke") for line in root.iter(f"{SVG}polyline")}) == 2


@given(st.floats(1e-6, 1e9))
def test_ticks_begin_at_0_and_just_cover_the_top(top: float) -> None:
    ticks = nice_ticks(top)
    assert ticks[0] == 0
    assert ticks[-1] >= top * (1 - 1e-6)
    assert ticks[-2] < top
    assert 2 <= len(ticks) <= 7
    step = ticks[1] / 10.0 ** math.floor(math.log10(ticks[1]) + 1e-9)
    assert any(step == pytest.approx(round_one) for round_one in (1, 2, 2.5, 5, 10))


def test_nothing_above_0_still_has_a_scale() -> None:
    assert nice_ticks(0.0) == [0.0, 1.0]
