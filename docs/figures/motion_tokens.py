"""Draw motion_tokens.svg: R@1 from a sweep's summary, encoding time from the record of `keep-share-time`.

    python docs/figures/motion_tokens.py runs/keep/sweep.json docs/measured/keep-share-time.json \
        docs/figures/motion_tokens.svg
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from fdakit.report.curves import Panel, Point, curves_svg
from fdakit.report.sweep_tables import SweepSummary

TIMED = re.compile(r"^ motion-tokens keep_share=(\S+) +\S+ +\S+ +(\S+) ", re.M)  # milliseconds, middle half, time


def read_sweep(path: Path) -> tuple[Point, ...]:
    """Return R@1 over `keep_share`, mean and deviation over seeds, of the `sweep.json` of `fdakit sweep --vary`."""
    summary = SweepSummary.from_json(json.loads(path.read_text(encoding="utf-8")))
    rows = [row for row in summary.rows if row.control is None]
    return tuple(Point(float(row.recipe.rpartition("-")[2]), row.t2v["R@1"].mean, row.t2v["R@1"].sd) for row in rows)


def read_times(record: Path) -> tuple[Point, ...]:
    """Return encoding time over `keep_share`, that of open_clip being 1, of a record of `fdakit bench encode`."""
    output = json.loads(record.read_text(encoding="utf-8"))["output"]
    return tuple(Point(float(share), float(time)) for share, time in TIMED.findall(output))


def draw(quality: Sequence[Point], times: Sequence[Point]) -> str:
    """Return the picture as SVG: quality on the left, time on the right. Needs `pip install "fdakit[plot]"`."""
    panels = [
        Panel("R@1 text to video, % (3 seeds)", (("motion-tokens", tuple(quality)),)),
        Panel("encoding time, open_clip = 1", (("motion-tokens", tuple(times)),)),
    ]
    return curves_svg(panels, x_label="fusion.keep_share")


if __name__ == "__main__":
    drawn = draw(read_sweep(Path(sys.argv[1])), read_times(Path(sys.argv[2])))
    Path(sys.argv[3]).write_text(drawn, encoding="utf-8")
