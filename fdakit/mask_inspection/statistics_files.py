"""The files of mask statistics: facts as JSON, the histogram, and a sheet of outlier clips."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fdakit.plugin.contracts import Progress
from fdakit.report.histograms import histogram_svg
from fdakit.report.outlier_sheet import OutlierStrip, outlier_sheet
from fdakit.report.svg_figures import drawing_fault
from fdakit.system.atomic_files import atomic_file, remove, write_errors, write_text

from .findings import OutlierClip, outliers
from .selection import format_options
from .statistics import MaskStatistics

FACTS, HISTOGRAM, SHEET = "masks.json", "coverage.svg", "oddest.png"


def write_facts(census: MaskStatistics, facts: Mapping[str, Any], out: Path) -> str:
    """Write masks.json and, if matplotlib is installed, coverage.svg into an existing folder.

    Return why coverage.svg is not drawn, in one line, "" if it is. An earlier one is removed then.
    """
    found = facts["coverage"]["histogram"]
    write_text(out / FACTS, json.dumps(facts, indent=2, allow_nan=False) + "\n")
    if fault := drawing_fault():
        remove(out / HISTOGRAM)
        return f"{out / HISTOGRAM} is not drawn: {fault}"
    title = f"{facts['mask']['use']} on {_whole(census)}: share of the frame that is marked"
    write_text(out / HISTOGRAM, histogram_svg(found["counts"], found["edges"], title=title, x_label="share marked"))
    return ""


def write_outliers(census: MaskStatistics, out: Path, *, progress: Progress) -> Path | None:
    """Read the outlier clips again and draw them into oddest.png; None if no clip stands out."""
    odd = outliers(census)
    strips = []
    numbers = {video.id: number for number, video in enumerate(census.source.videos)}
    for done, one in enumerate(odd, 1):
        strips.append(_strip(census, one, numbers[one.clip.id]))
        progress("drawing outlier clips", done, len(odd))
    if not strips:
        with write_errors(out / SHEET):
            (out / SHEET).unlink(missing_ok=True)  # that of earlier statistics
        return None
    part = census.recipe.mask
    facts = ", ".join(words for words in (part.name, format_options(part)) if words)
    sheet = outlier_sheet(strips, title=f"Outlier masks of {_whole(census)}", facts=facts)
    with write_errors(out / SHEET), atomic_file(out / SHEET) as fresh:
        sheet.save(fresh, "png")
    return out / SHEET


def _strip(census: MaskStatistics, odd: OutlierClip, number: int) -> OutlierStrip:
    clip, alpha = census.source.clip(number)
    return OutlierStrip(odd.clip.id, odd.reason, clip.frames, alpha, clip.times.tolist(), odd.clip.remarks, odd.focus)


def _whole(census: MaskStatistics) -> str:
    return f"{census.recipe.name}, {census.split}, {len(census.clips)} clips"
