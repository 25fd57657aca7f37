"""The picture of a benchmark: one bar a clip, how many times as long as fdakit its fastest peer takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdakit.errors import FdakitError
from fdakit.report.svg_figures import COLOURS
from fdakit.system.atomic_files import atomic_file, write_errors

from .ratios import OURS, SHORT

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def write_plot(found: Mapping[str, Any], path: Path) -> None:
    """Draw the bars of `found`, as `bench_decode` or `bench_load` gave it, into a PNG file.

    Bars are sorted and take the colour of the clip's fastest peer; those of short clips are hatched.
    Raises `FdakitError` without matplotlib, without any ratio to draw, or where the file cannot be written.
    """
    check_plot()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    bars = _bars(found)
    if not bars:
        raise FdakitError("bench: no clip was read by fdakit and a peer, so there is nothing to plot")
    figure = Figure(figsize=(9, 1.6 + 0.24 * len(bars)), layout="constrained")
    FigureCanvasAgg(figure)
    _draw(figure.add_subplot(), bars, found)
    with write_errors(path, advice="give another path with --plot"), atomic_file(path) as part:
        figure.savefig(part, dpi=110, format="png")


def check_plot() -> None:
    """Raise `FdakitError` without matplotlib, so that nobody measures for an hour to learn it."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise FdakitError(
            f'bench: --plot needs matplotlib ({error}); pip install "fdakit[plot]" or leave --plot out'
        ) from error


def _bars(found: Mapping[str, Any]) -> list[tuple[float, str, str, bool]]:
    """Return (ratio, label, fastest peer, short) of each clip that fdakit and a peer read, ascending."""
    rivals = _rivals(found)
    bars = []
    clips = [*found["clips"], *([found["long"]] if found.get("long") else [])]
    for clip in clips:
        seconds = clip["seconds"]
        if OURS in seconds and any(name in seconds for name in rivals):
            peer = min((name for name in rivals if name in seconds), key=lambda name: seconds[name])
            label = f"{Path(clip['path']).name}  {1000 * seconds[OURS]:.0f} ms"
            bars.append((seconds[peer] / seconds[OURS], label, peer, min(seconds[OURS], seconds[peer]) < SHORT))
    return sorted(bars)


def _rivals(found: Mapping[str, Any]) -> Sequence[str]:
    return [name for name in found["summary"]["peers"] if name not in found["slow"]]


def _draw(axes: Axes, bars: Sequence[tuple[float, str, str, bool]], found: Mapping[str, Any]) -> None:
    from matplotlib.patches import Patch

    colours = dict(zip(_rivals(found), COLOURS, strict=False))
    for place, (ratio, _, peer, short) in enumerate(bars):
        hatch = "////" if short else None
        axes.barh(place, ratio, color=colours[peer], hatch=hatch, edgecolor="white", linewidth=0)
        axes.text(ratio, place, f" {ratio:.2f}", va="center", fontsize=8)
    shown = {peer for _, _, peer, _ in bars}
    key = [Patch(color=colour, label=f"fastest peer: {peer}") for peer, colour in colours.items() if peer in shown]
    if any(short for *_, short in bars):
        grey = Patch(facecolor="#999999", hatch="////", edgecolor="white", linewidth=0)
        grey.set_label(f"either under {1000 * SHORT:.0f} ms")
        key.append(grey)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(bars)), [label for _, label, *_ in bars], fontsize=8)
    axes.set_ylim(-0.6, len(bars) - 0.4)
    axes.set_xlim(0, 1.1 * max(1.0, bars[-1][0]))
    axes.set_xlabel("seconds of the fastest peer / seconds of fdakit (right of the line fdakit is faster)")
    total = found["summary"]["total_ratio_to_fastest_peer"]
    what = f"{found['frames_asked']} frames a clip, one thread each, medians of {found['rounds']} rounds"
    axes.set_title(f"{what}; total {total:.2f}" if total else what, fontsize=10)
    axes.legend(handles=key, loc="lower right", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
