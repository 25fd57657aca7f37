"""The masks that `fdakit bench masks` tries: installed parts by `"NAME KEY=VALUE ..."`, and the peers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fdakit.catalog import Catalog, Offer, Part
from fdakit.data_pipeline.mask_calls import build_mask
from fdakit.errors import FdakitError, PartError, RecipeError
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import AnyMask
from fdakit.recipe.document import apply_settings
from fdakit.recipe.validation import validate_part
from fdakit.values import Needs


@dataclass(frozen=True)
class Candidate:
    """A mask that is tried: `label` in tables, `who` in messages, and its options as written out."""

    label: str
    who: str
    mask: AnyMask
    options: Mapping[str, Any]
    peer: bool = False


def read_masks(
    labels: Sequence[str], *, catalog: Catalog, gap: int | None = None
) -> tuple[dict[str, Part[AnyMask]], dict[str, str]]:
    """Return the masks by label, and the reason why an installed one is left out.

    Without labels all that are installed, by their defaults; one that cannot do without options is left out.
    `gap` is set where a mask has such an option and its label leaves it open. Raises `RecipeError` for a label
    that is wrong.
    """
    if labels:
        return {label: _read_mask(label, catalog, gap) for label in labels}, {}
    parts, failed = {}, {}
    for label in _installed(catalog):
        try:
            parts[label] = _read_mask(label, catalog, gap)
        except RecipeError as error:
            failed[label] = str(error)
    return parts, failed


def build_candidate(label: str, part: Part[AnyMask], shapes: BuildContext) -> Candidate:
    """Return the part, built. Raises `FdakitError` if it cannot be, or is no mask."""
    who = str(part.offer)
    mask = build_mask(part, shapes)
    needs, place = getattr(mask, "needs", None), getattr(mask, "place", None)
    asks = isinstance(needs, Needs) and isinstance(needs.neighbours, tuple)
    if not asks or place not in ("worker", "device"):
        raise PartError(
            f"{who}: needs is {needs!r} and place {place!r}; wanted fdakit.plugin.Needs with a tuple of "
            "neighbours, and worker or device"
        )
    if mask.needs.placement:
        raise PartError(f"{who}: asks for the place of frames in a video's file, which these clips do not tell")
    return Candidate(label, who, mask, part.options.model_dump(mode="json"))


def _installed(catalog: Catalog) -> list[str]:
    def label(offer: Offer) -> str:
        name = offer.component.name
        return f"{offer.provider.name}:{name}" if (offer.kind, name) in catalog.ambiguous() else name

    return [label(offer) for offer in catalog.of_kind("mask")]


def _read_mask(label: str, catalog: Catalog, gap: int | None) -> Part[AnyMask]:
    name, *options = label.split() or [""]
    table = apply_settings({"mask": {"use": name} if name else {}}, [f"mask.{option}" for option in options])["mask"]
    if table.get("control", "none") != "none":
        raise RecipeError("bench: mask.control: acts on a mask that is made already; leave it out here")
    part = validate_part("mask", table, where="bench", catalog=catalog)
    if gap is None or "gap" not in type(part.options).model_fields or "gap" in part.options.model_fields_set:
        return part
    return validate_part("mask", {**table, "gap": gap}, where="bench", catalog=catalog)


def reason(error: FdakitError | MemoryError | RuntimeError) -> str:
    """Return one line of why a mask is left out."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
