"""The small tables of `fdakit bench masks --out masks.json`, for the page of benchmarks.

    python docs/figures/mask_tables.py masks.json

What each mask costs a frame, and its IoU under the conditions `repeated` and `letterbox` beside those that they are
made of.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

BESIDE = ("pan-2", "repeated", "shake", "letterbox")


def main() -> None:
    """Print one Markdown table: a row a mask."""
    results = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["results"]
    iou = {(row["mask"], row["condition"]): row["iou"] for row in results}
    cost = {row["mask"]: row["ms_per_frame"] for row in results}
    print("| mask | ms a frame | " + " | ".join(f"IoU on `{name}`" for name in BESIDE) + " |")
    print("|---|" + "---:|" * (len(BESIDE) + 1))
    for mask, milliseconds in cost.items():
        shown = [iou.get((mask, name)) for name in BESIDE]
        cells = ["-" if value is None else f"{value:.2f}" for value in shown]
        print(f"| `{mask}` | {milliseconds:.1f} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
