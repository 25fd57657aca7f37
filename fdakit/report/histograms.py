"""A histogram as SVG text, in the style of the curves, and its bars in characters."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .curves import BOTTOM, COLOURS, HEIGHT, LEFT, RIGHT, TOP, nice_ticks

_WIDTH = 560
_EIGHTHS = " ▏▎▍▌▋▊▉"


def histogram_svg(counts: Sequence[int], edges: Sequence[float], *, title: str, x_label: str) -> str:
    """Bars of the share that each bin `edges[i]` to `edges[i + 1]` has of all, both axes in percent."""
    total = max(1, sum(counts))
    shares = [100 * count / total for count in counts]
    ticks = nice_ticks(max(shares))
    inner_w, inner_h = _WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    low, span = edges[0], edges[-1] - edges[0]

    def at(x: float, y: float) -> tuple[float, float]:
        return LEFT + inner_w * (x - low) / span, TOP + inner_h * (1 - y / ticks[-1])

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {HEIGHT}" width="{_WIDTH}" '
        f'height="{HEIGHT}" font-family="sans-serif" font-size="12">\n',
        f'<rect width="{_WIDTH}" height="{HEIGHT}" fill="white"/>\n',
        _text(LEFT, 20, title, "start", ' font-weight="bold"'),
    ]
    for tick in ticks:
        y = at(low, tick)[1]
        parts.append(f'<line x1="{LEFT}" x2="{_WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>\n')
        parts.append(_text(LEFT - 6, y + 4, f"{tick:g}%", "end"))
    for share, left, right in zip(shares, edges, edges[1:], strict=False):
        (x, y), (end, ground) = at(left, share), at(right, 0)
        parts.append(
            f'<rect x="{x + 1:.1f}" y="{y:.1f}" width="{end - x - 2:.1f}" height="{ground - y:.1f}" '
            f'fill="{COLOURS[0]}"/>\n'
        )
    for fifth in range(6):
        value = low + span * fifth / 5
        parts.append(_text(at(value, 0)[0], HEIGHT - BOTTOM + 18, f"{100 * value:g}%", "middle"))
    parts.append(_text(LEFT + inner_w / 2, HEIGHT - 26, x_label, "middle"))
    return "".join([*parts, "</svg>\n"])


def bar(share: float, *, width: int, blocks: bool = True) -> str:
    """Return `share` of 1 as a bar of at most `width` characters; nothing at all only for 0.

    Without `blocks`, in ASCII.
    """
    if not blocks:
        return "#" * max(round(width * share), share > 0)
    eighths = max(round(8 * width * share), share > 0)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#222"{more}>{escape(text)}</text>\n'
