"""`fdakit doctor`."""

from __future__ import annotations

import click

from fdakit.cli.options import json_option
from fdakit.cli.printing import print_json, print_table, say


@click.command("doctor")
@json_option
def command(as_json: bool) -> None:
    """Show what is installed, and any problems.

    Versions, devices, video codecs and plugins.
    """
    from fdakit.experiment.doctor import examine

    found = examine()
    if as_json:
        print_json(found)
        return
    rows = [[key, str(value)] for key, value in found["environment"].items() if key != "packages"]
    rows += [[key, value] for key, value in found["environment"]["packages"].items()]
    rows += [[key, str(value)] for key, value in found["codecs"].items()]
    rows += [["cache", found["cache"]]]
    rows += [["parts", str(found["parts"])]]
    rows += [[name, "usable" if usable else "cannot be used"] for name, usable in found["optional"].items()]
    print_table("fdakit doctor", ["what", "found"], rows)
    for trouble in found["troubles"]:
        say(f"trouble: {trouble}", err=True)
    if not found["troubles"]:
        say("no trouble found")
