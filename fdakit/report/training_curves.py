"""The curves of a training as a PNG: losses and validation over its epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fdakit.system.terminal_text import printable

from .svg_figures import COLOURS, png_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Points = tuple[list[float], list[float]]
_WIDTH, _HEIGHT = 4.6, 3.1  # inches of a panel
_ROW = 0.2  # inches of a line of the legend, which stands below
_COLUMNS = 2
_RECALLS = ("R@1", "R@5", "R@10")
_WAYS = {"t2v": "text to video", "v2t": "video to text"}


def training_curves(history: Sequence[Mapping[str, float]], *, title: str) -> bytes:
    """Return a PNG of the epochs' losses and, if there were validations, of their recalls.

    `history` holds what observers are told after each epoch. Raises `ImportError` without matplotlib.
    """
    panels = [(name, lines) for name, lines in curve_panels(history).items() if lines]

    epochs = [facts["epoch"] for facts in history]
    room = 0.04 * (max(epochs) - min(epochs)) or 0.5
    span = (min(epochs) - room, max(epochs) + room)  # of every panel, however few of the epochs were validated

    rows = max(math.ceil(len(lines) / _COLUMNS) for _, lines in panels)
    height = _HEIGHT + _ROW * rows

    def draw(figure: Figure) -> None:
        figure.suptitle(printable(title, lines=False), fontsize="medium")
        for axes, (name, lines) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            _panel(axes, name, lines, span)
        below = _ROW * rows / height
        # Room for the legends, which would upset the layout.
        figure.set_layout_engine("constrained", rect=(0, below, 1, 1 - below))

    return png_image(draw, size=(_WIDTH * len(panels), height))


def curve_panels(history: Sequence[Mapping[str, float]]) -> dict[str, dict[str, Points]]:
    """Return by panel and label the epochs and values of each curve; an epoch without a value is left out."""
    names = dict.fromkeys(name for facts in history for name in facts)
    losses = {"loss": "loss", **{name: name for name in names if "." in name}, "chance": "chance"}
    recalls = {f"val_{way}_{recall}": f"{recall} {said}" for way, said in _WAYS.items() for recall in _RECALLS}
    return {
        "loss": {label: _points(history, name) for name, label in losses.items() if name in names},
        "validation, %": {label: _points(history, name) for name, label in recalls.items() if name in names},
    }


def _points(history: Sequence[Mapping[str, float]], name: str) -> Points:
    there = [facts for facts in history if name in facts]
    return [facts["epoch"] for facts in there], [facts[name] for facts in there]


def _panel(axes: Axes, name: str, lines: Mapping[str, Points], span: tuple[float, float]) -> None:
    from matplotlib.ticker import MaxNLocator

    for place, (label, (epochs, values)) in enumerate(lines.items()):
        look = "--" if label.startswith("chance") else "-"
        axes.plot(
            epochs,
            values,
            look,
            marker="." if look == "-" else None,
            color=COLOURS[place % len(COLOURS)],
            alpha=1.0 if place < len(COLOURS) else 0.5,
            label=printable(label, lines=False),
        )
    axes.set_title(name, loc="left", fontweight="bold", fontsize="medium")
    axes.set_xlabel("epoch")
    axes.set_xlim(span)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend = axes.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(0, -0.15), ncols=_COLUMNS)
    legend.set_in_layout(False)
