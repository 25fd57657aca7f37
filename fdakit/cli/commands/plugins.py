"""`fdakit plugins`."""

from __future__ import annotations

import click

from fdakit.cli.options import json_option
from fdakit.cli.printing import print_json, print_table


@click.command("plugins")
@json_option
def command(as_json: bool) -> None:
    """List every part with its provider, and broken plugins.

    Names that are offered twice are told too.
    """
    from fdakit.catalog import load_catalog

    catalog = load_catalog()
    parts = [
        {
            "kind": offer.kind,
            "name": offer.component.name,
            "provider": offer.provider.name,
            "version": offer.provider.version,
            "summary": offer.component.summary,
            "ambiguous": (offer.kind, offer.component.name) in catalog.ambiguous(),
        }
        for offer in catalog.offers
    ]
    broken = [
        {"provider": b.provider.name, "version": b.provider.version, "entry": b.entry, "reason": b.reason}
        for b in catalog.broken
    ]
    if as_json:
        print_json({"parts": parts, "broken": broken})
        return
    rows = [[str(p["kind"]), str(p["name"]), f"{p['provider']} {p['version']}", _note(p)] for p in parts]
    print_table("parts", ["kind", "name", "from", "what"], rows)
    if broken:
        rows = [[f"{b['provider']} {b['version']}", b["entry"], b["reason"]] for b in broken]
        print_table("broken plugins", ["from", "entry", "reason"], rows)


def _note(part: dict[str, object]) -> str:
    choose = f" (offered twice: choose {part['provider']}:{part['name']})" if part["ambiguous"] else ""
    return f"{part['summary']}{choose}"
