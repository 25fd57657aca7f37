"""The findings of `fdakit doctor`: versions, devices, codecs, plugins, and problems with them."""

from __future__ import annotations

from typing import Any

import av
import torch

from fdakit.catalog import load_catalog
from fdakit.system.cache_folder import cache_folder
from fdakit.system.devices import choose_device
from fdakit.system.optional_libraries import OPTIONAL, is_installed, library_fault

from .run_folder import environment

GPL = ("libx264", "libx265")  # an image that holds PyAV with these is a matter of the GPL: docs/reference/licences.md
DECODERS = ("h264", "hevc", "vp9", "av1", "mpeg4", "mpeg2video", "gif")


def examine() -> dict[str, Any]:
    """Return everything a bug report needs, and `troubles`, one sentence each."""
    catalog = load_catalog()
    device = choose_device("auto")
    tried = {module: library_fault(module) for module in OPTIONAL if is_installed(module)}
    faults = {module: fault for module, fault in tried.items() if fault}
    codecs = {
        "decoders": ", ".join(name for name in DECODERS if name in av.codecs_available),
        "encodes H.264": "libx264" in av.codecs_available,
        "GPL encoders in PyAV": ", ".join(name for name in GPL if name in av.codecs_available) or "none",
        "ffmpeg": ", ".join(f"{name} {'.'.join(map(str, v))}" for name, v in sorted(av.library_versions.items())),
    }
    return {
        "environment": {**environment(device), "gpus": _gpus()},
        "codecs": codecs,
        "cache": str(cache_folder()),
        "parts": len(catalog.offers),
        "optional": {module: not fault for module, fault in tried.items()},
        "troubles": [
            *(f"plugin {b.provider} ({b.entry}) cannot be used: {b.reason}" for b in catalog.broken),
            *(f"{kind} {name!r} is offered more than once; recipes must write provider:{name}"
              for kind, name in catalog.ambiguous()),
            *faults.values(),
            *([] if codecs["encodes H.264"] else ["no libx264: moving-shapes is rendered as MPEG-4 instead"]),
        ],
    }  # fmt: skip


def _gpus() -> list[str]:
    return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
