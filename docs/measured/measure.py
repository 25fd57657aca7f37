"""Measure the figures of README and docs anew, and write them into the pages.

    python docs/measured/measure.py kept-for-backward
    python docs/measured/measure.py --pages-only

Each name is a table of `commands.toml`. Its commands run one after another in the folder; what they print, with the
date, the versions and the machine, becomes `NAME.json` beside this file, and the block between
`<!-- measured: NAME -->` and `<!-- end of NAME -->` in the pages is written from that. A test holds the pages to it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tomllib
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
PACKAGES = ("torch", "av", "numpy", "opencv-python-headless", "scikit-image", "torchcodec", "decord2", "decord")
BLOCK = re.compile(r"<!-- measured: (\S+) -->\n.*?<!-- end of \1 -->", re.S)


def read_commands() -> dict[str, dict[str, Any]]:
    """Return every measurement by name: its commands, and `root` where they run in the checkout itself."""
    return tomllib.loads((HERE / "commands.toml").read_text(encoding="utf-8"))


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Run the commands of a measurement in `folder` and return its record. Raises `SystemExit` if one fails."""
    asked = read_commands()[name]
    commands = asked["commands"]
    folder = ROOT if asked.get("root") else folder
    folder.mkdir(parents=True, exist_ok=True)
    wide = {**os.environ, "COLUMNS": "118", "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    printed = []
    for command in commands:
        print(f"$ {command}", file=sys.stderr)
        done = subprocess.run(["bash", "-c", command], cwd=folder, env=wide, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(f"{command}: ended with {done.returncode}")
        printed.append(done.stdout)
    return {
        "commands": commands,
        "date": date.today().isoformat(),
        "versions": {"python": platform.python_version(), **installed()},
        "machine": f"{platform.system()} {platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "output": printed[-1].rstrip("\n"),
    }


def installed() -> dict[str, str]:
    """Return the versions of the packages that decide figures, those that are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package).partition("+")[0]
        except PackageNotFoundError:
            continue
    return found


def block(name: str, record: dict[str, Any]) -> str:
    """Return what stands in a page between the marks of a measurement: output, date, versions, commands."""
    output = record["output"]
    shown = output if output.startswith("|") else f"```\n{output}\n```"
    versions = ", ".join(f"{package} {number}" for package, number in record["versions"].items())
    commands = "\n".join(record["commands"])
    said = f"Measured on {record['date']} ({record['machine']}; {versions}) by:"
    return f"<!-- measured: {name} -->\n{shown}\n\n{said}\n\n```\n{commands}\n```\n<!-- end of {name} -->"


def read_record(name: str) -> dict[str, Any]:
    """Return the record of a measurement as it was written."""
    record: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    return record


def written(page: str) -> str:
    """Return a page's text with every block that has a record written from it."""

    def fresh(found: re.Match[str]) -> str:
        name = found[1]
        return block(name, read_record(name)) if (HERE / f"{name}.json").is_file() else found[0]

    return BLOCK.sub(fresh, page)


def main() -> None:
    """Measure what is named, then write the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *read_commands()], metavar="NAME")
    parser.add_argument("--folder", type=Path, default=Path("measuring"), help="where commands run and leave files")
    parser.add_argument("--pages-only", action="store_true", help="write the pages from the records that are there")
    given = parser.parse_args()
    if not given.names and not given.pages_only:
        parser.error(f"name what to measure: {', '.join(read_commands())}")
    for name in given.names:
        record = measure(name, given.folder.absolute())
        (HERE / f"{name}.json").write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        if (fresh := written(text)) != text:
            page.write_text(fresh, encoding="utf-8")


if __name__ == "__main__":
    main()
