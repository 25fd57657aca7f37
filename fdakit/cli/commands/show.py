"""`fdakit show`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from fdakit.cli.options import json_option
from fdakit.cli.printing import print_json, print_table, say

if TYPE_CHECKING:
    from fdakit.catalog import Offer


@click.command("show")
@click.argument("kind", required=False)
@click.argument("name", required=False)
@click.option("--markdown", is_flag=True, help="Print the reference page of all parts and options.")
@json_option
def command(kind: str | None, name: str | None, markdown: bool, as_json: bool) -> None:
    """Show the parts of a KIND, or the options of one part.

    KIND is mask, fusion, encoder, ... or a table such as train, eval, view.
    """
    from fdakit.catalog import KINDS, load_catalog
    from fdakit.errors import PluginError, nearest
    from fdakit.recipe.tables import SETTINGS, own_keys
    from fdakit.report.option_tables import option_rows, preset_rows

    if markdown:
        say(_reference(), nl=False)
        return
    if kind is None:
        raise click.UsageError("name a kind, such as mask, or a table, such as train; --markdown prints everything")
    if kind in SETTINGS:
        _show(f"[{kind}]", "", option_rows(SETTINGS[kind]), as_json)
        return
    if kind not in KINDS:
        raise PluginError(f"kind {kind!r}: unknown; {nearest(kind, [*KINDS, *SETTINGS])}")
    catalog = load_catalog()
    offers = catalog.of_kind(kind)
    if name is None:
        _list(kind, offers, as_json)
        return
    offer = catalog.find(kind, name)
    rows = [*option_rows(offer.component.options), *option_rows(own_keys(kind))]
    _show(str(offer), _about(offer.component), rows, as_json, presets=preset_rows(offer.component.options))


def _list(kind: str, offers: Iterable[Offer], as_json: bool) -> None:
    rows = [(o.component.name, str(o.provider), o.component.summary, o.component.when) for o in offers]
    if as_json:
        print_json([dict(zip(("name", "provider", "summary", "when"), row, strict=True)) for row in rows])
        return
    print_table(f"{kind} parts", ["name", "from", "what"], [row[:3] for row in rows])
    advice = [(name, when) for name, _, _, when in rows if when]
    if advice:
        print_table("which one", ["name", "choose it when"], advice)


def _reference() -> str:
    from fdakit.catalog import KINDS, load_catalog
    from fdakit.recipe.tables import SETTINGS, own_keys
    from fdakit.report.reference import reference_page

    catalog = load_catalog()
    parts = {
        kind: [(o.component.name, _worded(o.component), o.component.options) for o in catalog.of_kind(kind)]
        for kind in KINDS
        if catalog.of_kind(kind)
    }
    return reference_page(parts, {kind: own_keys(kind) for kind in parts}, SETTINGS)


def _worded(component: Any) -> str:
    return f"{component.summary}. Choose it when {component.when}" if component.when else str(component.summary)


def _about(component: Any) -> str:
    import inspect
    from functools import partial

    build = component.build
    while isinstance(build, partial):
        build = build.func
    page = inspect.getdoc(inspect.getmodule(build)) or str(component.summary)
    return f"{page}\n\nChoose it when {component.when}." if component.when else page


def _show(title: str, about: str, rows: list[Any], as_json: bool, *, presets: Sequence[tuple[str, str]] = ()) -> None:
    if as_json:
        options = [{"name": r.name, "type": r.type, "default": r.default, "help": r.help} for r in rows]
        print_json({"title": title, "about": about, "options": options, "presets": dict(presets)})
        return
    say(f"{title}\n\n{about}\n" if about else title)
    if rows:
        print_table(
            "options", ["option", "type", "default", "what"], [[r.name, r.type, r.default, r.help] for r in rows]
        )
    else:
        say("no options")
    if presets:
        print_table("presets", ["preset", "sets"], presets)
