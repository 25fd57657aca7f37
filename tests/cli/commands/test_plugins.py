"""`fdakit plugins`: what there is, who offers it, and what is wrong with the rest."""

from __future__ import annotations

from pathlib import Path

from helpers.cli_output import Tell
from helpers.sample_plugins import distribution, mask_plugin

from fdakit.catalog import load_catalog


def test_every_part_is_listed_with_kind_name_and_provider(tell: Tell) -> None:
    told = tell("plugins")
    assert (told.code, told.err) == (0, "")
    rows = [line.split() for line in told.out.splitlines()]
    for offer in load_catalog().offers:
        assert [offer.kind, offer.component.name, "fdakit", offer.provider.version] in [row[:4] for row in rows]
        assert offer.component.summary in told.out
    assert "broken plugins" not in told.out


def test_json_holds_every_part(tell: Tell) -> None:
    told = tell("plugins", "--json")
    assert (told.code, told.err) == (0, "")
    assert told.json["broken"] == []
    assert [(part["kind"], part["name"], part["provider"], part["summary"]) for part in told.json["parts"]] == [
        (o.kind, o.component.name, "fdakit", o.component.summary) for o in load_catalog().offers
    ]


def test_a_name_offered_twice_says_how_to_choose(tell: Tell, site: Path) -> None:
    distribution(site, "fdakit-drift", mask_plugin("whole-frame"), module="second_whole_frame")
    told = tell("plugins")
    assert told.code == 0
    assert "(offered twice: choose fdakit:whole-frame)" in told.out
    assert "(offered twice: choose fdakit-drift:whole-frame)" in told.out
    assert [part["provider"] for part in tell("plugins", "--json").json["parts"] if part["ambiguous"]] == [
        "fdakit",
        "fdakit-drift",
    ]


def test_a_broken_plugin_is_listed_with_its_reason_beside_the_rest(tell: Tell, site: Path) -> None:
    distribution(site, "fdakit-broken", "raise RuntimeError('no [red] GPU')", module="broken_for_listing")
    distribution(site, "fdakit-drift", mask_plugin("drift"), module="drift_for_listing")
    told = tell("plugins")
    assert told.code == 0
    assert "broken plugins" in told.out
    assert "RuntimeError: no [red] GPU" in told.out
    assert "fdakit-drift 0.1" in told.out
    assert tell("plugins", "--json").json["broken"] == [
        {"provider": "fdakit-broken", "version": "0.1", "entry": "main", "reason": "RuntimeError: no [red] GPU"}
    ]
