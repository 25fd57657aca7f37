"""What decoding videos has shown, as `data check` and `data prepare` print it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .printing import print_table, say

if TYPE_CHECKING:
    from fdakit.dataset_files.damage_ledger import Finding
    from fdakit.dataset_tools.video_scan import ScanResult


def scan_facts(checked: ScanResult, ledger: Path) -> dict[str, Any]:
    """Return `videos` and their `summary`, for JSON."""
    return {
        "videos": [_row(path, finding) for path, finding in checked.findings.items()],
        "summary": {
            "videos": len(checked.findings),
            **checked.counts(),
            "unchanged": checked.known,
            "ledger": str(ledger.absolute()),
        },
    }


def _row(path: Path, finding: Finding) -> Mapping[str, Any]:
    return {
        "path": str(path),
        "status": finding.status,
        "reason": finding.reason,
        "frames": finding.decoded,
        "promised": finding.promised,
        "duration": finding.duration,
        "codec": finding.codec,
        "width": finding.width,
        "height": finding.height,
        "rotation": finding.rotation,
        "remarks": finding.remarks.splitlines(),
    }


def print_scan(checked: ScanResult, ledger: Path, *, absent_told: bool = False) -> None:
    """Print counts, and the damaged files with reasons; absent ones are left out if already reported."""
    from fdakit.dataset_files.damage_ledger import mark_of

    total, counts = len(checked.findings), checked.counts()
    meanings = {"ok": "every frame decodes", "repaired": "some frames decode", "unreadable": "no frame decodes"}
    rows = [[status, str(count), meanings[status]] for status, count in counts.items()]
    print_table("videos", ["status", "count", "meaning"], [*rows, ["all", str(total), ""]])
    bad = [(path, found) for path, found in checked.findings.items() if found.status != "ok"]
    listed = [(path, found) for path, found in bad if not absent_told or mark_of(path)]
    if listed:
        lines = [[str(path), f.status, f"{f.decoded} of {f.promised}", f.reason] for path, f in listed]
        print_table("damaged", ["file", "status", "frames", "why"], lines)
    remarks = Counter(remark for finding in checked.findings.values() for remark in finding.remarks.splitlines())
    if remarks:
        example = {
            remark: str(path) for path, finding in checked.findings.items() for remark in finding.remarks.splitlines()
        }
        rows = [[str(count), what, example[what]] for what, count in remarks.items()]
        print_table("read otherwise than stated", ["files", "what", "one of them"], rows)
        say("--json names them all")
    if len(listed) < len(bad):
        say(f"{len(bad) - len(listed):,} of the unreadable files are absent, as told above")
    if checked.known:
        say(f"{checked.known} of them had not changed since an earlier check, and were not read again")
    say(f"ledger: {ledger.absolute()}")
