"""The picture of `fdakit bench masks`: precision, recall and IoU of every mask under every condition."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fdakit.errors import FdakitError
from fdakit.system.atomic_files import atomic_file, write_errors

from .mask_tables import MEASURES
from .plot import check_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CELL = 0.5  # inches a column


def write_mask_plot(found: Mapping[str, Any], path: Path) -> None:
    """Draw what `bench_masks` found into a PNG file: a panel a measure, masks by conditions, a number in each cell.

    Raises `FdakitError` without matplotlib, without any row to draw, or where the file cannot be written.
    """
    check_plot()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not found["results"]:
        raise FdakitError("bench: no mask came through any condition, so there is nothing to plot")
    masks = list(dict.fromkeys(row["mask"] for row in found["results"]))
    wide, high = len(found["measured"]), len(masks)
    figure = Figure(figsize=(max(6, 3 + _CELL * wide), 3 * (1.1 + 0.28 * high)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, measure in zip(figure.subplots(len(MEASURES), squeeze=False)[:, 0], MEASURES, strict=True):
        _draw(axes, found, masks, measure)
    with write_errors(path, advice="give another path with --plot"), atomic_file(path) as part:
        figure.savefig(part, dpi=110, format="png")


def _draw(axes: Axes, found: Mapping[str, Any], masks: list[str], measure: str) -> None:
    """Draw one panel; a cell without a number stays white."""
    figures = np.full((len(masks), len(found["measured"])), np.nan)
    for row in found["results"]:
        if row[measure] is not None:
            figures[masks.index(row["mask"]), found["measured"].index(row["condition"])] = row[measure]
    axes.imshow(figures, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    for (line, column), figure in np.ndenumerate(figures):
        if not np.isnan(figure):
            shade = "white" if figure < 0.6 else "black"
            axes.text(column, line, f"{figure:.2f}", ha="center", va="center", fontsize=7, color=shade)
    axes.set_xticks(range(len(found["measured"])), found["measured"], fontsize=8, rotation=35, ha="right")
    axes.set_yticks(range(len(masks)), masks, fontsize=8)
    axes.set_title(MEASURES[measure], fontsize=9, loc="left")
    axes.spines[:].set_visible(False)
