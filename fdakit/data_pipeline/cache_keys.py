"""The cache keys: what determines the pixels and masks of a clip, besides its file.

A part counts with its options, its provider's version, and its code (see `code_digests`), so that a plugin under
development never gets masks of an earlier version. Whether OpenCV is installed does not count: masks are
bit-identical.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache, partial
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

from fdakit.catalog import Part
from fdakit.plugin.component import BuildContext
from fdakit.video.transform import FrameTransform

from .code_digests import OWN, code_digest, is_edited

_LIBRARIES = ("av", "numpy", "pillow", "scikit-image", "scipy")
_LATER = ("cache", "pretrained")  # fields of the build context that do not affect pixels


@dataclass(frozen=True)
class CacheKeys:
    """What determines a clip besides its file, as digests.

    They are of the frames as read, the random transform, and the mask; `mask` is without the seed, which is added to
    the key of a mask that reads it, and "" for a mask on the device, which is not stored.
    """

    frames: str
    drawn_view: str
    mask: str
    seed: int


def make_cache_keys(
    parts: Mapping[str, Part[Any]],
    shapes: BuildContext,
    view: FrameTransform,
    *,
    training: bool,
    seed: int,
) -> CacheKeys | None:
    """Return the keys of sampler, reader, transform, and the mask if it is there.

    None if a part's code cannot be found.
    """
    found = {name: part_key(part, shapes, seeded=name != "mask") for name, part in parts.items()}
    if None in found.values():
        return None
    chosen = view.preprocess
    geometry = {
        "size": chosen.size,
        "resize": chosen.resize,
        "interpolation": chosen.interpolation,
        "scaler": view.scaler,
        "scaled_by_reader": view.wanted_size(training=training) is not None,
        "pixel_aspect": view.pixel_aspect,
    }
    return CacheKeys(
        frames=_digest(found["sampler"], training, found["reader"], geometry),
        drawn_view=_digest([view.flip, view.crop_scale, view.crop_aspect] if training and view.draws else None),
        mask=_digest(found["mask"], None) if "mask" in found else "",
        seed=seed,
    )


def _digest(*facts: Any) -> str:
    return blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()


def part_key(part: Part[Any], shapes: BuildContext, *, seeded: bool = True) -> dict[str, Any] | None:
    """Return all that determines what a part does, as plain values; None if its code cannot be found.

    With `seeded` its seed too. fdakit's own samplers, readers and masks depend on their options and the image size
    alone; others may read every field of the build context.
    """
    provider, module = part.offer.provider, _module_of(part.offer.component.build)
    code = code_digest(module, provider.name)
    if code is None or (provider.name != OWN and is_edited(module, provider.name)):
        return None
    seen = {n: value for n, value in asdict(shapes).items() if n not in _LATER and (seeded or n != "seed")}
    return {
        "use": f"{provider.name}:{part.name}",
        "version": provider.version,
        "options": part.options.model_dump(mode="json"),
        "shapes": shapes.image_size if provider.name == OWN else repr(seen),
        "code": code,
        "libraries": libraries(provider.name),
    }


def _module_of(build: Any) -> str:
    while isinstance(build, partial):
        build = build.func
    return getattr(build, "__module__", None) or ""


@cache
def libraries(provider: str) -> dict[str, str]:
    """Return the versions of the libraries that affect pixels, and of all requirements of a provider but fdakit."""
    names = set(_LIBRARIES)
    if provider != OWN:
        try:
            asked = requires(provider) or []
        except PackageNotFoundError:  # a module passed in directly
            asked = []
        names |= {match[0] for line in asked if (match := re.match(r"[\w.-]+", line))}
    return {name: found for name in sorted(names) if (found := _version(name))}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # an extra that is not installed
        return ""
