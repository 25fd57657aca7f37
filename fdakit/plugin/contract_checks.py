"""Whether what a `build` gave is a part of its kind: the members its contract names, and values that it knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from fdakit.features import FusionOutput, PixelForm
from fdakit.values import Needs, Place

from .component import BuildContext
from .contracts import Direction, Gives, Preprocess, Stores, TextRole

_CALL = "__call__"
# Members of the protocols in `contracts`. Of an observer nothing is asked: one that fails is left out of its run.
MEMBERS: Mapping[str, tuple[str, ...]] = {
    "sampler": ("frames", "draws", _CALL),
    "reader": ("times", "read"),
    "mask": ("needs", "place", _CALL),
    "fusion": ("uses", _CALL),
    "encoder": ("shapes", "preprocess", "pixel_form", "accepts", "frame_count", "encode_videos", "encode_texts"),
    "aggregator": ("gives", _CALL),
    "matcher": ("stores", "needs_tokens", "score"),
    "objective": (_CALL,),
    "batcher": ("repeats", _CALL),
    "dataset": ("splits", "load"),
    "rescorer": ("needs_all_queries", "needs_bank", "directions", _CALL),
    "optimiser": (_CALL,),
    "observer": (),
    "metric": (_CALL,),
    "vector_store": ("exact", "sync", "search"),
}
_METHODS = ("frames", "draws", "times", "read", "encode_videos", "encode_texts", "score", "splits", "load")
_CALLED = (*_METHODS, "sync", "search", _CALL)
_FLAGS = ("needs_tokens", "needs_all_queries", "needs_bank", "repeats", "exact")
_WORDS = {"pixel_form": get_args(PixelForm), "gives": get_args(Gives), "stores": get_args(Stores)}
_SETS = ("uses", "accepts")


def contract_fault(kind: str, part: object) -> str:
    """Return what keeps an object from being a part of its kind, and what to do; "" where nothing does."""
    if part is None:
        return f"build returned None; return the {kind}" + (f", with {_listed(kind)}" if MEMBERS[kind] else "")
    lacking = [name for name in MEMBERS[kind] if not _offers(part, name)]
    if lacking:
        return f"{_shown(part)} lacks {', '.join(map(_named, lacking))}; {kind}s have {_listed(kind)}"
    return next(_odd_values(kind, part), "")


def _offers(part: Any, name: str) -> bool:
    if name == _CALL:
        return callable(part) and not isinstance(part, type)
    return callable(getattr(part, name, None)) if name in _CALLED else hasattr(part, name)


def _listed(kind: str) -> str:
    return ", ".join(map(_named, MEMBERS[kind]))


def _named(name: str) -> str:
    if name == _CALL:
        return "a call"
    return f"{name}()" if name in _CALLED else name


def _shown(part: object) -> str:
    return f"the class {part.__name__} (not an object of it)" if isinstance(part, type) else type(part).__name__


def _odd_values(kind: str, part: Any) -> Iterator[str]:
    for name in _FLAGS:
        if name in MEMBERS[kind] and not isinstance(value := getattr(part, name), bool):
            yield f"{name} is {value!r}; wanted True or False"
    for name, words in _WORDS.items():
        if name in MEMBERS[kind] and (value := getattr(part, name)) not in words:
            yield f"{name} is {value!r}; wanted {' or '.join(map(repr, words))}"
    for name in _SETS:
        if name in MEMBERS[kind] and not _are_outputs(value := getattr(part, name)):
            yield f"{name} is {value!r}; wanted a frozenset of {', '.join(map(repr, get_args(FusionOutput)))}"
    if kind == "mask":
        yield from _odd_mask(part)
    if kind == "objective":
        yield from _odd_share(part)
    if kind == "encoder":
        yield from _odd_inputs(part)
        yield from _odd_roles(part)
        for name, wanted in (("shapes", BuildContext), ("preprocess", Preprocess)):
            if not isinstance(value := getattr(part, name), wanted):
                yield f"{name} is {value!r}; wanted fdakit.plugin.{wanted.__name__}"
        if isinstance(part.preprocess, Preprocess):
            yield from _odd_preprocess(part.preprocess)
    if kind == "rescorer":
        known = get_args(Direction)
        if not part.directions or not set(part.directions) <= set(known):
            yield f"directions is {part.directions!r}; wanted {', '.join(map(repr, known))} or both, in a tuple"


def _are_outputs(value: object) -> bool:
    return isinstance(value, frozenset) and value <= set(get_args(FusionOutput))


def _odd_inputs(encoder: Any) -> Iterator[str]:
    if encoder.frame_count is not None and (type(encoder.frame_count) is not int or encoder.frame_count < 1):
        yield f"frame_count is {encoder.frame_count!r}; wanted a number of frames from 1, or None"
    if "stem" in encoder.accepts and encoder.pixel_form != "normalised":
        yield f"pixel_form is {encoder.pixel_form!r}; an encoder that accepts maps of its stem takes 'normalised'"


def _odd_share(objective: Any) -> Iterator[str]:
    """Yield what is odd about an objective's optional `over` and `count`: see `fdakit.plugin.OverPairs`."""
    over = getattr(objective, "over", "batch")
    if over not in ("pairs", "batch"):
        yield f"over is {over!r}; wanted 'pairs' or 'batch'"
    elif over == "pairs" and not callable(getattr(objective, "count", None)):
        yield "over is 'pairs', but count(texts, batch) is missing; say how many things the mean is over"


def _odd_roles(encoder: Any) -> Iterator[str]:
    if not hasattr(encoder, "asymmetric") and not hasattr(encoder, "instructions"):
        return
    told = getattr(encoder, "instructions", None)
    roles = get_args(TextRole)
    fit = isinstance(told, Mapping) and set(told) <= set(roles) and all(isinstance(one, str) for one in told.values())
    if not fit or not isinstance(getattr(encoder, "asymmetric", None), bool):
        yield (
            f"asymmetric is {getattr(encoder, 'asymmetric', None)!r} and instructions are {told!r}; wanted True or "
            f"False, and text by role, of {' and '.join(map(repr, roles))}"
        )


def _odd_preprocess(found: Preprocess) -> Iterator[str]:
    colours = all(len(values) == 3 for values in (found.mean, found.std))
    if type(found.size) is not int or found.size < 1 or not colours or min(found.std) <= 0:
        yield f"preprocess is {found!r}; wanted a size from 1, and mean and std of three colours, std above 0"


def _odd_mask(mask: Any) -> Iterator[str]:
    if mask.place not in get_args(Place):
        yield f"place is {mask.place!r}; wanted {' or '.join(map(repr, get_args(Place)))}"
    if not isinstance(mask.needs, Needs):
        yield f"needs is {mask.needs!r}; wanted fdakit.plugin.Needs(...)"
    elif not _are_gaps(mask.needs.neighbours):
        yield f"needs.neighbours is {mask.needs.neighbours!r}; wanted a tuple of gaps other than 0, as (-1,)"
    elif mask.place == "device" and mask.needs.motion_vectors:
        yield "needs.motion_vectors is True, but a mask on the device is given none; set place = 'worker'"
    elif mask.place == "device" and mask.needs.placement:
        yield "needs.placement is True, but a mask on the device is given none; set place = 'worker'"


def _are_gaps(gaps: object) -> bool:
    return isinstance(gaps, tuple) and all(type(gap) is int and gap for gap in gaps)


def declaration_fault(declares: Mapping[str, Any], part: object) -> str:
    """Return what a part has otherwise than its component declares of it; "" where nothing."""
    return next(
        (
            f"its component declares {name} = {value!r}, but the part has {getattr(part, name, None)!r}"
            for name, value in declares.items()
            if getattr(part, name, None) != value
        ),
        "",
    )
