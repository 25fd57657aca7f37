"""A histogram as SVG text, in the style of the curves, and its bars in characters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from fdakit.system.terminal_text import printable

from .svg_figures import COLOURS, svg_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIZE = (6.4, 3.2)  # inches
_EIGHTHS = " ▏▎▍▌▋▊▉"


def histogram_svg(counts: Sequence[int], edges: Sequence[float], *, title: str, x_label: str) -> str:
    """Bars of the share that each bin `edges[i]` to `edges[i + 1]` has of all, both axes in percent.

    Raises `ImportError` without matplotlib.
    """
    total = max(1, sum(counts))
    shares = [100 * count / total for count in counts]
    widths = [right - left for left, right in pairwise(edges)]

    def draw(figure: Figure) -> None:
        from matplotlib.ticker import PercentFormatter

        axes = figure.subplots()
        bars = axes.bar(edges[:-1], shares, widths, align="edge", color=COLOURS[0], edgecolor="white")
        for place, one in enumerate(bars):
            one.set_gid(f"bar-{place}")
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(0, 1.05 * max(shares) or 1)
        axes.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=100))
        axes.set_title(printable(title, lines=False), loc="left", fontweight="bold", fontsize="medium", wrap=True)
        axes.set_xlabel(printable(x_label, lines=False))

    said = (
        f"{left:.0%} to {right:.0%}: {share:.1f}%"
        for left, right, share in zip(edges, edges[1:], shares, strict=False)
    )
    return svg_text(draw, size=_SIZE, words=printable(f"{title}; {', '.join(said)}", lines=False))


def bar(share: float, *, width: int, blocks: bool = True) -> str:
    """Return `share` of 1 as a bar of at most `width` characters; nothing at all only for 0.

    Without `blocks`, in ASCII.
    """
    if not blocks:
        return "#" * max(round(width * share), share > 0)
    eighths = max(round(8 * width * share), share > 0)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
