"""Curves as SVG text: a few panels side by side over one varied option, with deviation bars."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fdakit.system.terminal_text import printable

from .svg_figures import COLOURS, png_image, svg_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_WIDTH, _HEIGHT, _LEGEND_LINE = 4.2, 3.3, 0.22  # inches
_LETTERS = 13  # of a legend, to the inch
_SPAN = 30  # values that span more than this run over a logarithmic axis


@dataclass(frozen=True)
class Point:
    """A mean at `x` with its standard deviation, None for a single seed, or an interval `(low, high)` instead."""

    x: float
    mean: float
    sd: float | None = None
    interval: tuple[float, float] | None = None

    @property
    def bar(self) -> tuple[float, float]:
        """How far its bar reaches down and up from the mean."""
        if self.interval is not None:
            return self.mean - self.interval[0], self.interval[1] - self.mean
        return self.sd or 0.0, self.sd or 0.0

    @property
    def words(self) -> str:
        """The point in words."""
        if self.interval is not None:
            return f"{self.x:g} {self.mean:.4g} from {self.interval[0]:.3g} to {self.interval[1]:.3g}"
        return f"{self.x:g} {self.mean:.4g}" + ("" if self.sd is None else f" ± {self.sd:.2g}")


@dataclass(frozen=True)
class Panel:
    """One quantity: its title and, for each series, its label and points."""

    title: str
    series: tuple[tuple[str, tuple[Point, ...]], ...]


def curves_svg(panels: Sequence[Panel], *, x_label: str) -> str:
    """Return one SVG with every panel beside the last; each has its own scale from zero upwards.

    Where the values of the option span decades, they run over a logarithmic axis. The legend stands below the panels.
    Raises `ImportError` without matplotlib.
    """
    draw, size = _drawing(panels, x_label)
    return svg_text(draw, size=size, words=curve_words(panels))


def curves_png(panels: Sequence[Panel], *, x_label: str) -> bytes:
    """Return the same as a PNG. Raises `ImportError` without matplotlib."""
    draw, size = _drawing(panels, x_label)
    return png_image(draw, size=size)


def _drawing(panels: Sequence[Panel], x_label: str) -> tuple[Callable[[Figure], None], tuple[float, float]]:
    labels = list(dict.fromkeys(label for panel in panels for label, _ in panel.series))
    width = _WIDTH * len(panels)
    columns = max(1, int(width * _LETTERS) // (max(map(len, labels), default=0) + 6))
    lines = math.ceil(len(labels) / columns) if len(labels) > 1 else 0

    def draw(figure: Figure) -> None:
        for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            _panel(axes, panel, labels, x_label)
        if lines:
            handles = [_handle(place) for place in range(len(labels))]
            shown = [printable(label, lines=False) for label in labels]
            figure.legend(handles, shown, loc="outside lower center", ncols=columns, frameon=False)

    return draw, (width, _HEIGHT + _LEGEND_LINE * lines)


def curve_words(panels: Sequence[Panel]) -> str:
    """Return the points of all panels in words, as they stand in the file's description."""
    said = (
        f"{panel.title}, {label}: " + ", ".join(point.words for point in points)
        for panel in panels
        for label, points in panel.series
    )
    return printable("; ".join(said), lines=False)


def _panel(axes: Axes, panel: Panel, labels: Sequence[str], x_label: str) -> None:
    points = [point for _, series in panel.series for point in series]
    for label, series in panel.series:
        place = labels.index(label)
        bars = list(zip(*(point.bar for point in series), strict=True))
        drawn = axes.errorbar(
            [point.x for point in series],
            [point.mean for point in series],
            yerr=bars if any(map(any, bars)) else None,
            **_look(place),
            capsize=3,
        )
        drawn.lines[0].set_gid(f"series-{place}")
    axes.set_title(printable(panel.title), loc="left", fontweight="bold", fontsize="medium")
    axes.set_xlabel(printable(x_label, lines=False))
    axes.set_ylim(0, 1.05 * max(point.mean + point.bar[1] for point in points) or 1)
    _scale(axes, sorted({point.x for point in points}))


def _scale(axes: Axes, values: Sequence[float]) -> None:
    """Lay the values out from zero on, or by their logarithm, zero before the least of them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, SymmetricalLogLocator

    above = [value for value in values if value > 0]
    if not above or above[-1] / above[0] < _SPAN:
        axes.set_xlim(0, 1.05 * values[-1] or 1)
    elif values[0] > 0:
        steps = (1.0,) if above[-1] / above[0] >= 100 else (1.0, 2.0, 5.0)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=steps, numticks=10))
    else:
        axes.set_xscale("symlog", linthresh=above[0])
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=above[0]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _look(place: int) -> dict[str, Any]:
    marks = ("o", "s", "^", "D")
    return {"color": COLOURS[place % len(COLOURS)], "marker": marks[place // len(COLOURS) % len(marks)]}


def _handle(place: int) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D([], [], **_look(place))
