"""Curves as SVG text: a few panels side by side over one varied option, with deviation bars. No library needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 380, 290, 54, 16, 44, 62
COLOURS = ("#2f6f9f", "#c2562d", "#4b8b3b", "#8055a3", "#9a7b16")


@dataclass(frozen=True)
class Point:
    """A mean and a standard deviation at `x`."""

    x: float
    mean: float
    sd: float = 0.0


@dataclass(frozen=True)
class Panel:
    """One quantity: its title and, for each series, its label and points."""

    title: str
    series: tuple[tuple[str, tuple[Point, ...]], ...]


def curves_svg(panels: Sequence[Panel], *, x_label: str) -> str:
    """Return one SVG with every panel beside the last; each has its own scale from zero upwards."""
    width = WIDTH * len(panels)
    body = [_panel(panel, x_label, WIDTH * place) for place, panel in enumerate(panels)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="12">\n'
        f'<rect width="{width}" height="{HEIGHT}" fill="white"/>\n' + "".join(body) + "</svg>\n"
    )


def nice_ticks(top: float, *, most: int = 6) -> list[float]:
    """Round steps from 0 to just over `top`, at most `most` of them after the 0."""
    if top <= 0:
        return [0.0, 1.0]
    rough = top / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= rough * (1 - 1e-9))
    return [step * place for place in range(math.ceil(top / step - 1e-9) + 1)]


def _panel(panel: Panel, x_label: str, offset: int) -> str:
    points = [point for _, series in panel.series for point in series]
    x_ticks = nice_ticks(max(point.x for point in points), most=5)
    y_ticks = nice_ticks(max(point.mean + point.sd for point in points))
    inner_w, inner_h = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(x: float, y: float) -> tuple[float, float]:
        return LEFT + inner_w * x / x_ticks[-1], TOP + inner_h * (1 - y / y_ticks[-1])

    parts = [f'<g transform="translate({offset} 0)">\n', _text(LEFT, 20, panel.title, weight="bold")]
    for tick in y_ticks:
        _, y = at(0, tick)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>\n')
        parts.append(_text(LEFT - 6, y + 4, f"{tick:g}", anchor="end"))
    for tick in x_ticks:
        x, y = at(tick, 0)
        parts.append(_text(x, y + 18, f"{tick:g}", anchor="middle"))
    parts.append(_text(LEFT + inner_w / 2, HEIGHT - 26, x_label, anchor="middle"))
    for place, (label, series) in enumerate(panel.series):
        colour = COLOURS[place % len(COLOURS)]
        parts.append(_line([(*at(p.x, p.mean), inner_h * p.sd / y_ticks[-1]) for p in series], colour))
        if len(panel.series) > 1:
            parts.append(_text(LEFT + 8 + 110 * place, HEIGHT - 8, label, colour=colour))
    return "".join([*parts, "</g>\n"])


def _line(places: Sequence[tuple[float, float, float]], colour: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>\n']
    for x, y, bar in places:
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>\n')
        if bar:
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - bar:.1f}" y2="{y + bar:.1f}" stroke="{colour}"/>\n'
            )
    return "".join(parts)


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal", colour: str = "#222"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="{colour}">'
        f"{escape(text)}</text>\n"
    )
