"""Curves as SVG: what is drawn stands where it should, and every word can be read."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from fdakit.report.curves import Panel, Point, curves_svg

pytest.importorskip("matplotlib")
SVG = "{http://www.w3.org/2000/svg}"
FALLING = (Point(0.25, 40, 4), Point(0.5, 20), Point(1.0, 10, 1))
RATES = tuple(Point(rate, 10 * place) for place, rate in enumerate((1e-7, 1e-6, 1e-5, 1e-4), 1))


def drawn(*panels: Panel, x_label: str = "fusion.keep_share") -> ElementTree.Element:
    return ElementTree.fromstring(curves_svg(panels, x_label=x_label))


def marks(root: ElementTree.Element, series: int = 0) -> list[tuple[float, float]]:
    """The places of a series' points in its first panel."""
    group = next(one for one in root.iter(f"{SVG}g") if one.get("id") == f"series-{series}")
    return [(float(use.get("x", "")), float(use.get("y", ""))) for use in group.iter(f"{SVG}use")]


def words(root: ElementTree.Element) -> dict[str, tuple[float, float]]:
    """Every text with its place."""
    found = {}
    for text in root.iter(f"{SVG}text"):
        moved = re.match(r"translate\(([-\d.]+) ([-\d.]+)\)", text.get("transform", ""))
        x, y = moved.groups() if moved else (text.get("x", ""), text.get("y", ""))
        found[text.text or ""] = (float(x), float(y))
    return found


def test_points_are_in_proportion_and_have_their_bars() -> None:
    root = drawn(Panel("R@1", (("one", FALLING),)))
    xs, ys = zip(*marks(root), strict=True)
    assert (xs[2] - xs[1]) == pytest.approx(2 * (xs[1] - xs[0]), abs=0.2)
    assert (ys[2] - ys[1]) == pytest.approx((ys[1] - ys[0]) / 2, abs=0.2)
    bars = [group for group in root.iter(f"{SVG}g") if (group.get("id") or "").startswith("LineCollection")]
    ends = [re.findall(r"-?[\d.]+", path.get("d", "")) for bar in bars for path in bar.iter(f"{SVG}path")]
    lengths = [abs(float(y) - float(other)) for _, y, _, other in ends]
    assert lengths == [
        pytest.approx(4 * 2 * (ys[1] - ys[0]) / 20, abs=0.3),
        0,
        pytest.approx(lengths[0] / 4, abs=0.3),
    ]


def test_panels_stand_side_by_side_with_their_words() -> None:
    panels = Panel("R@1 <t2v>", (("a", FALLING), ("b & c", FALLING))), Panel("seconds", (("a", FALLING),))
    root, places = drawn(*panels), words(drawn(*panels))
    assert {"R@1 <t2v>", "seconds", "a", "b & c", "fusion.keep_share"} <= set(places)
    assert places["seconds"][0] > float(root.get("viewBox", "").split()[2]) / 2 > places["R@1 <t2v>"][0]
    described = next(root.iter("{http://purl.org/dc/elements/1.1/}description")).text
    assert described is not None
    assert described.endswith("; seconds, a: 0.25 40 ± 4, 0.5 20, 1 10 ± 1")


def test_learning_rates_stand_at_equal_steps_with_all_their_ticks() -> None:
    root = drawn(Panel("R@1", (("a", RATES),)), x_label="train.lr")
    xs = [x for x, _ in marks(root)]
    steps = [right - left for left, right in pairwise(xs)]
    assert steps == pytest.approx([steps[0]] * 3, abs=0.2)
    assert {"1e-07", "1e-06", "1e-05", "0.0001"} <= set(words(root))


def test_zero_has_a_place_before_rates() -> None:
    xs = [x for x, _ in marks(drawn(Panel("R@1", (("a", (Point(0, 5), *RATES)),))))]
    assert all(right - left > 10 for left, right in pairwise(xs))


@pytest.mark.parametrize("tick", ["100", "1"])
def test_the_last_tick_is_whole_and_within_the_picture(tick: str) -> None:
    top = float(tick)
    root = drawn(Panel("R@1", (("a", (Point(0, 1), Point(top, 2))),)))
    width = float(root.get("viewBox", "").split()[2])
    assert words(root)[tick][0] + 4 * len(tick) < width


def test_long_names_stand_below_the_panels_and_apart() -> None:
    names = [f"fda_msvd_with_a_long_name_{number}" for number in range(4)]
    places = words(drawn(Panel("R@1", tuple((name, FALLING) for name in names))))
    below = places["fusion.keep_share"][1]
    assert all(places[name][1] > below for name in names)
    assert len({places[name][1] for name in names}) == 4  # one a line: two do not fit beside each other


def test_the_same_values_give_the_same_text_and_names_are_no_markup() -> None:
    panel = Panel("R@1 $x^2$", (("_hidden", FALLING), ("a<b>&\x1b", FALLING)))
    assert curves_svg([panel], x_label="x") == curves_svg([panel], x_label="x")
    assert {"R@1 $x^2$", "_hidden", "a<b>&\\x1b"} <= set(words(drawn(panel)))


def test_nothing_above_0_still_has_a_scale() -> None:
    assert len(marks(drawn(Panel("R@1", (("a", (Point(0, 0), Point(1, 0))),))))) == 2
    assert len(marks(drawn(Panel("R@1", (("a", (Point(0, 0),)),))))) == 1


def test_the_users_own_settings_play_no_part() -> None:
    import matplotlib

    plain = curves_svg([Panel("R@1", (("a", FALLING),))], x_label="x")
    with matplotlib.rc_context({"lines.linewidth": 9, "svg.fonttype": "path"}):
        assert curves_svg([Panel("R@1", (("a", FALLING),))], x_label="x") == plain
        assert matplotlib.rcParams["lines.linewidth"] == 9
