"""A comparison as JSON, Markdown and an HTML page with thumbnails."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fdakit.plugin.contracts import DIRECTIONS, Direction, Progress
from fdakit.report.comparison_tables import comparison_markdown, comparison_notes
from fdakit.report.mean_std import MeanStd
from fdakit.system.atomic_files import write_text

from .clip_images import Draw
from .compare import Comparison, Pair
from .compare_page import comparison_html
from .recipe_diff import reading_differences
from .run_groups import RunGroup

JSON, MARKDOWN, HTML = "compare.json", "compare.md", "compare.html"


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """Return everything as JSON stores it; the deviation of a single seed is null."""
    protocol = comparison.sides[0].runs[0].report.protocol.to_json()
    sides = zip(comparison.labels, comparison.sides, comparison.measured, strict=True)
    document = {
        "protocol": {key: protocol.get(key) for key in ("dataset", "split", "captions", "video_to_text", "ties")},
        "missing": max(run.report.videos.missing for side in comparison.sides for run in side.runs),
        "draws": comparison.draws,
        "level": comparison.level,
        "sides": [_side(label, side, measured) for label, side, measured in sides],
        "pairs": [_pair(pair) for pair in comparison.pairs],
    }
    return {**document, "notes": comparison_notes(document)}


def write_comparison(
    comparison: Comparison,
    document: Mapping[str, Any],
    out: Path,
    *,
    progress: Progress,
    draws: Mapping[str, Draw] | None = None,
) -> list[Path]:
    """Write compare.json, compare.md and compare.html into an existing folder, each atomically.

    `draws` is as in `comparison_html`.
    """
    page = comparison_html(comparison, document, progress=progress, draws=draws)
    write_text(out / JSON, json.dumps(document, indent=2, allow_nan=False) + "\n")
    write_text(out / MARKDOWN, comparison_markdown(document))
    write_text(out / HTML, page)
    return [out / name for name in (JSON, MARKDOWN, HTML)]


def _side(label: str, side: RunGroup, measured: Mapping[Direction, Mapping[str, Sequence[float]]]) -> dict[str, Any]:
    group = side.to_json()
    runs = [
        {**run, **{way: {metric: values[number] for metric, values in measured[way].items()} for way in DIRECTIONS}}
        for number, run in enumerate(group["runs"])
    ]
    spread: dict[str, Any] = {
        way: {metric: MeanStd.of(values).to_json() for metric, values in measured[way].items()} for way in DIRECTIONS
    }
    return {"label": label, **group, "runs": runs, **spread}


def _pair(pair: Pair) -> dict[str, Any]:
    baseline, other = pair.labels
    return {
        "baseline": baseline,
        "other": other,
        "differs_in": {key: list(values) for key, values in pair.differs.items()},
        "read_unlike": list(reading_differences(pair.differs)),
        **{way: asdict(found) for way, found in pair.found.items()},
    }
