"""What a `build` gives is held to the members of its kind, and a fault names part, provider and cure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pytest
from helpers.sample_plugins import AnyPart, component, offering

from fdakit import PluginError
from fdakit.catalog import KINDS, Part, load_catalog
from fdakit.errors import PartError
from fdakit.plugin import BuildContext, Needs, Preprocess, contracts, vector_stores
from fdakit.plugin.contract_checks import MEMBERS, contract_fault

PROTOCOLS = {
    "sampler": contracts.FrameSampler,
    "reader": contracts.Reader,
    "mask": contracts.MaskGenerator,
    "fusion": contracts.AlphaFusion,
    "encoder": contracts.Encoder,
    "aggregator": contracts.TemporalAggregator,
    "objective": contracts.Objective,
    "dataset": contracts.Dataset,
    "rescorer": contracts.Rescorer,
    "optimiser": contracts.OptimiserFactory,
    "vector_store": vector_stores.VectorStore,
}


def built(kind: str, made: Callable[[], Any]) -> Any:
    catalog = load_catalog([offering(kind, component("mine", lambda options, shapes: made()))])
    offer = catalog.find(kind, "stranger:mine")
    return Part(offer, offer.component.options()).build(BuildContext())


@pytest.mark.parametrize("kind", PROTOCOLS)
def test_the_members_asked_for_are_those_of_the_contract(kind: str) -> None:
    protocol: type[Protocol] = PROTOCOLS[kind]  # type: ignore[valid-type]
    own = set(protocol.__annotations__) | {n for n, value in vars(protocol).items() if callable(value)}
    public = {name for name in own if not name.startswith("_") or name == "__call__"}
    assert set(MEMBERS[kind]) == public
    assert contract_fault(kind, AnyPart()) == ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_build_that_gives_nothing_is_named(kind: str) -> None:
    with pytest.raises(PartError, match=rf"^{kind} 'mine' \(stranger local\) failed .*: build returned None; return"):
        built(kind, lambda: None)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in MEMBERS.items() for name in names])
def test_a_part_without_a_member_is_told_which(kind: str, name: str) -> None:
    def without() -> object:
        attributes = {key: getattr(AnyPart, key) for key in MEMBERS[kind] if key != name}
        return type("Mine", (), attributes)()

    named = "a call" if name == "__call__" else name
    with pytest.raises(
        PartError, match=rf"^{kind} 'mine' \(stranger local\) failed while it was built: Mine lacks {named}"
    ):
        built(kind, without)


@pytest.mark.parametrize(
    ("kind", "changed", "words"),
    [
        ("mask", {"place": "gpu"}, "place is 'gpu'; wanted 'worker' or 'device'"),
        ("mask", {"needs": None}, r"needs is None; wanted fdakit\.plugin\.Needs"),
        ("mask", {"needs": {"neighbours": (-1,)}}, r"needs is .*; wanted fdakit\.plugin\.Needs"),
        ("mask", {"needs": Needs(neighbours=[-1])}, r"needs\.neighbours is \[-1\]; wanted a tuple"),  # type: ignore[arg-type]
        ("mask", {"needs": Needs(neighbours=(0,))}, r"needs\.neighbours is \(0,\)"),
        ("mask", {"needs": Needs(neighbours=(True,))}, r"needs\.neighbours"),
        ("aggregator", {"gives": "one"}, "gives is 'one'; wanted 'vector' or 'vectors'"),
        ("matcher", {"stores": None}, "stores is None; wanted 'vector' or 'vectors' or 'nothing'"),
        ("matcher", {"needs_tokens": 1}, "needs_tokens is 1; wanted True or False"),
        ("fusion", {"uses": ("pixels",)}, r"uses is \('pixels',\); wanted a frozenset of 'pixels', 'stem'"),
        ("encoder", {"accepts": frozenset({"masks"})}, "accepts is .*; wanted a frozenset of"),
        ("encoder", {"pixel_form": "float"}, "pixel_form is 'float'; wanted 'normalised' or 'unit' or 'uint8'"),
        (
            "encoder",
            {"asymmetric": True},
            "asymmetric is True and instructions are None; wanted True or False",
        ),
        ("encoder", {"asymmetric": True, "instructions": {"q": "x"}}, "instructions are {'q': 'x'}"),
        ("encoder", {"preprocess": Preprocess(0, (0.5,) * 3, (0.5,) * 3)}, "wanted a size from 1, and mean and std"),
        ("encoder", {"preprocess": Preprocess(8, (0.5,) * 3, (0.5, 0.5, 0.0))}, "std above 0"),
        ("encoder", {"frame_count": 0}, "frame_count is 0; wanted a number of frames from 1, or None"),
        (
            "encoder",
            {"accepts": frozenset({"stem"}), "pixel_form": "unit"},
            "pixel_form is 'unit'; an encoder that accepts maps of its stem takes 'normalised'",
        ),
        ("rescorer", {"directions": ()}, r"directions is \(\); wanted 't2v', 'v2t' or both"),
        ("rescorer", {"directions": ("both",)}, "directions is"),
        ("rescorer", {"needs_bank": 0}, "needs_bank is 0; wanted True or False"),
        ("vector_store", {"exact": "yes"}, "exact is 'yes'; wanted True or False"),
        ("encoder", {"shapes": (4, 4)}, r"shapes is \(4, 4\); wanted fdakit\.plugin\.BuildContext"),
        ("encoder", {"preprocess": None}, r"preprocess is None; wanted fdakit\.plugin\.Preprocess"),
        ("objective", {"over": "texts"}, r"over is 'texts'; wanted 'pairs' or 'batch'"),
        ("objective", {"over": "pairs"}, r"over is 'pairs', but count\(texts, batch\) is missing"),
        ("mask", {"place": "device", "needs": Needs(motion_vectors=True)}, r"needs\.motion_vectors is True"),
        ("mask", {"place": "device", "needs": Needs(placement=True)}, r"needs\.placement is True"),
        ("sampler", {"frames": 8}, r"lacks frames\(\); samplers have frames\(\), draws\(\), a call"),
    ],
)
def test_a_member_of_an_odd_value_is_told(kind: str, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(PluginError, match=rf"^{kind} 'mine' \(stranger local\) failed while it was built: .*{words}"):
        built(kind, lambda: type("Mine", (AnyPart,), changed)())


def test_a_class_is_not_taken_for_an_object_of_it() -> None:
    with pytest.raises(PartError, match=r"the class AnyPart \(not an object of it\) lacks a call"):
        built("mask", lambda: AnyPart)


def test_a_member_that_fails_is_the_parts_fault() -> None:
    class Moody(AnyPart):
        @property
        def place(self) -> str:  # type: ignore[override]
            raise RuntimeError("not today")

    with pytest.raises(PartError, match=r"^mask 'mine' .* failed while it was built: RuntimeError: not today"):
        built("mask", Moody)
