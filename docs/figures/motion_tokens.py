"""Draw motion_tokens.svg from what two commands wrote (see docs/fusions.md): sweep.json and the bench's JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from fdakit.report.curves import Panel, Point, curves_svg


def draw(sweep: Path, bench: Path, out: Path) -> None:
    """Left: R@1 over `keep_share`, mean and deviation over seeds. Right: encoding time over that of open_clip."""
    rows = [row for row in json.loads(sweep.read_text())["rows"] if row["control"] is None]
    quality = [
        Point(float(row["recipe"].rpartition("-")[2]), row["t2v"]["R@1"]["mean"], row["t2v"]["R@1"]["sd"])
        for row in rows
    ]
    timed = json.loads(bench.read_text())["timed"]
    cost = [Point(float(row["name"].partition("=")[2]), row["ratio"]) for row in timed if "=" in row["name"]]
    panels = [
        Panel("R@1 text to video, % (3 seeds)", (("motion-tokens", tuple(quality)),)),
        Panel("encoding time, open_clip = 1", (("motion-tokens", tuple(cost)),)),
    ]
    out.write_text(curves_svg(panels, x_label="fusion.keep_share"))


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
