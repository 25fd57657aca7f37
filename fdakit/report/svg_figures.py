"""Figures as SVG text or PNG, drawn by matplotlib where it is installed: the same values give the same text."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

from fdakit.system.optional_libraries import is_installed, library_fault

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#2f6f9f", "#c2562d", "#4b8b3b", "#8055a3", "#9a7b16")
_STYLE: Mapping[str, Any] = {
    "svg.hashsalt": "fdakit",  # ids that do not change from one call to the next
    "svg.fonttype": "none",  # words stay words
    "text.parse_math": False,  # a dollar in a name is a dollar
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
}


_NOT_XML = re.compile("[\ufffe\uffff]")


def drawing_fault() -> str:
    """Return why nothing can be drawn here, in one line with what to install; "" where it can. Imports matplotlib."""
    if not is_installed("matplotlib"):
        return 'matplotlib is not installed; pip install "fdakit[plot]"'
    return library_fault("matplotlib")


def svg_text(draw: Callable[[Figure], None], *, size: tuple[float, float], words: str) -> str:
    """Return what `draw` puts on a figure of `size` inches; `words` tell it for whoever does not see it.

    The settings of the user's matplotlib play no part. Raises `ImportError` without matplotlib, see `drawing_fault`.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    written = StringIO()
    with _drawn(draw, size) as figure:
        FigureCanvasSVG(figure)
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None, "Description": words})
    return _NOT_XML.sub("\ufffd", written.getvalue())


def png_image(draw: Callable[[Figure], None], *, size: tuple[float, float]) -> bytes:
    """Return what `draw` puts on a figure of `size` inches as a PNG.

    Raises `ImportError` without matplotlib, see `drawing_fault`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    written = BytesIO()
    with _drawn(draw, size) as figure:
        FigureCanvasAgg(figure)
        figure.savefig(written, format="png", dpi=130)
    return written.getvalue()


@contextmanager
def _drawn(draw: Callable[[Figure], None], size: tuple[float, float]) -> Iterator[Figure]:
    """Yield the figure, in fdakit's style whatever the settings of the user's matplotlib are."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        warnings.filterwarnings("ignore", "Glyph ")  # words stay words in SVG: the reader's font has the glyph
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        yield figure
