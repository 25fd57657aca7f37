"""Whether the parts of a recipe fit each other, as far as they say what they give and what they take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fdakit.catalog import Part
from fdakit.errors import RecipeError
from fdakit.plugin.component import BuildContext

from .recipe import Recipe

Facts = Mapping[str, Any]
"""What is known of parts: `encoder.accepts`, `fusion.uses`, `aggregator.gives` and the like, by these names."""

_ASKED = {
    "encoder": ("accepts", "frame_count"),
    "fusion": ("uses",),
    "aggregator": ("gives",),
    "matcher": ("stores",),
}


def declared_faults(parts: Mapping[str, Part[Any]]) -> list[str]:
    """Return what does not fit by what the components declare; nothing is built but, if needed, the sampler."""
    facts = {f"{kind}.{key}": value for kind, part in parts.items() for key, value in _declared(part).items()}
    return list(_faults(facts, parts))


def check_fit(recipe: Recipe, **built: object) -> None:
    """Compare parts that are built, by kind. Raises `RecipeError` with all that does not fit."""
    facts = {f"{kind}.{name}": getattr(built[kind], name) for kind, names in _ASKED.items() for name in names}
    faults = [recipe.blamed(fault) for fault in _faults(facts, recipe.parts)]
    if faults:
        raise RecipeError(faults)


def _declared(part: Part[Any]) -> Mapping[str, Any]:
    return part.offer.component.declares


def _faults(facts: Facts, parts: Mapping[str, Part[Any]]) -> Iterator[str]:
    yield from _fusion_faults(facts, parts)
    yield from _frame_faults(facts, parts)
    gives, stores = facts.get("aggregator.gives"), facts.get("matcher.stores")
    if (gives, stores) == ("vectors", "vector"):
        yield (
            f"aggregator.use: {parts['aggregator'].name!r} gives several vectors a video, and matcher "
            f"{parts['matcher'].name!r} compares one; choose an aggregator that gives one, or another matcher"
        )
    if (gives, stores) == ("vector", "vectors"):
        yield (
            f"matcher.use: {parts['matcher'].name!r} compares several vectors of a video, and aggregator "
            f"{parts['aggregator'].name!r} gives one; choose an aggregator that gives several, or another matcher"
        )


def _fusion_faults(facts: Facts, parts: Mapping[str, Part[Any]]) -> Iterator[str]:
    uses, accepts = facts.get("fusion.uses"), facts.get("encoder.accepts")
    if uses is not None and accepts is not None and not uses <= accepts:
        yield (
            f"fusion.use: {parts['fusion'].name!r} gives {_listed(uses - accepts)}, which encoder "
            f"{parts['encoder'].name!r} cannot use; choose a fusion of {_listed(accepts)} (see `fdakit show "
            "fusion`), or another encoder"
        )


def _frame_faults(facts: Facts, parts: Mapping[str, Part[Any]]) -> Iterator[str]:
    wanted = facts.get("encoder.frame_count")
    if wanted is None:
        return
    sampler = parts["sampler"].build(BuildContext())
    for training in (True, False):
        if (given := sampler.frames(training)) != wanted:
            yield (
                f"sampler.use: {parts['sampler'].name!r} gives {given} frames in {_phase(training)}, and encoder "
                f"{parts['encoder'].name!r} takes exactly {wanted}; set its options so"
            )


def _phase(training: bool) -> str:
    return "training" if training else "evaluation"


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
