"""`fdakit show`: a kind, a part with its options, or a table of fdakit's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.cli_output import Tell
from helpers.sample_plugins import distribution

from fdakit.catalog import KINDS, load_catalog
from fdakit.recipe.tables import SETTINGS, own_keys

OFFERS = load_catalog().offers


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_shows_its_parts(tell: Tell, kind: str) -> None:
    told = tell("show", kind)
    assert (told.code, told.err) == (0, "")
    offers = load_catalog().of_kind(kind)
    assert all(f" {offer.component.name} " in told.out for offer in offers)
    assert tell("show", kind, "--json").json == [
        {
            "name": o.component.name,
            "provider": str(o.provider),
            "summary": o.component.summary,
            "when": o.component.when,
        }
        for o in offers
    ]
    assert ("choose it when" in told.out) == any(o.component.when for o in offers)


def test_every_fusion_says_when_to_choose_it(tell: Tell) -> None:
    fusions = tell("show", "fusion", "--json").json
    assert all(fusion["when"] for fusion in fusions)
    assert f"Choose it when {fusions[0]['when']}." in tell("show", "fusion", fusions[0]["name"]).out


@pytest.mark.parametrize("offer", OFFERS, ids=str)
def test_every_part_shows_its_page_and_all_its_options(tell: Tell, offer: object) -> None:
    kind, component = offer.kind, offer.component  # type: ignore[attr-defined]
    told = tell("show", kind, component.name)
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith(f"{offer}\n\n")
    names = [*component.options.model_fields, *own_keys(kind).model_fields]
    assert all(f"\n {name} " in told.out for name in names)
    assert ("no options" in told.out) == (not names)
    shown = tell("show", kind, component.name, "--json").json
    assert shown["title"] == str(offer)
    assert shown["about"]
    shown_names = [option["name"] for option in shown["options"]]
    assert sorted(shown_names) == sorted(names)
    own = [name for name in component.options.__annotations__ if name in names]
    assert shown_names[: len(own)] == own  # before those it shares


def test_an_option_is_shown_with_type_range_default_and_help(tell: Tell) -> None:
    options = {o["name"]: o for o in tell("show", "mask", "frame-difference", "--json").json["options"]}
    assert options["threshold"] == {
        "name": "threshold",
        "type": "number from 0 to 255",
        "default": "25",
        "help": "grey levels by which a pixel must change, strictly more",
    }


def test_a_part_may_be_named_with_its_provider(tell: Tell) -> None:
    assert tell("show", "mask", "fdakit:whole-frame").out == tell("show", "mask", "whole-frame").out


@pytest.mark.parametrize("table", SETTINGS)
def test_fdakits_own_tables_show_their_options(tell: Tell, table: str) -> None:
    told = tell("show", table)
    assert told.code == 0
    assert told.out.startswith(f"[{table}]\n")
    assert all(f"\n {name} " in told.out for name in SETTINGS[table].model_fields)
    assert [o["name"] for o in tell("show", table, "--json").json["options"]] == list(SETTINGS[table].model_fields)


def test_an_unknown_kind_or_name_is_answered_with_the_nearest(tell: Tell) -> None:
    assert "did you mean 'mask'?" in tell("show", "masks").err
    assert "did you mean 'frame-difference'?" in tell("show", "mask", "frame-diff").err


PARTIAL = '''
"""What the mask is."""
from functools import partial
from fdakit.plugin import Component, Options, hookimpl

class NoOptions(Options):
    pass

def build(value, options, shapes):
    return value

@hookimpl
def fdakit_masks():
    return [Component("drift", "a mask", NoOptions, partial(build, 1))]
'''


def test_the_page_is_the_plugins_own_also_behind_a_partial_function(tell: Tell, site: Path) -> None:
    distribution(site, "fdakit-drift", PARTIAL, module="built_by_partial")
    assert tell("show", "mask", "drift", "--json").json["about"] == "What the mask is."


def test_presets_are_shown_with_what_they_set(tell: Tell) -> None:
    told = tell("show", "mask", "frame-difference")
    assert "presets" in told.out
    assert 'fallback = "whole-frame"' in told.out
    assert tell("show", "mask", "frame-difference", "--json").json["presets"] == {
        "paper": "the defaults",
        "robust": 'fallback = "whole-frame"',
    }
    assert tell("show", "mask", "whole-frame", "--json").json["presets"] == {}
