"""The image preprocessing of `open-clip` weights that come from a file and not by a tag.

In this order: the header of the file, `open_clip_config.json` of its model next to it, the values that all tags of
the model agree on, OpenAI's own if the layout is one of theirs. What remains is `unknown`, and `[view]` must set it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import open_clip

from fdakit.errors import CheckpointError
from fdakit.model.preprocess_record import recorded_preprocess
from fdakit.model.weight_loading import read_clip_weights
from fdakit.plugin.contracts import Preprocess

from .source import CONFIG, Source

FIELDS = {"mean": "mean", "std": "std", "interpolation": "interpolation", "resize": "resize_mode"}
_SIZES = ("image_size", "width", "layers", "patch_size", "timm_model_name")
_LARGEST_CONFIG = 1 << 20
_SHOWN = 4


def file_preprocess(source: Source, files: Sequence[Path], *, default: Preprocess) -> Preprocess:
    """Return the preprocessing of the weights in `files`, the visual tower's own file first.

    `default` is open_clip's for the model without weights. Raises `CheckpointError` if a header or configuration that
    states it cannot be read.
    """
    for file in files:
        recorded = recorded_preprocess(file)
        if recorded is not None:
            return replace(recorded, size=default.size, source=_in_header(recorded, file))
    for file in files:
        beside = _config_beside(source, file)
        if beside is not None:
            return _with(default, beside, source=f"{CONFIG} beside {file.name}")
    if source.folder is not None:
        return (_by_layout(files, default=default) if default.unknown else None) or default
    return _by_tags(source, files, default=default)


def _by_tags(source: Source, files: Sequence[Path], *, default: Preprocess) -> Preprocess:
    tags = {
        tag: open_clip.get_pretrained_cfg(source.name, tag)
        for tag in open_clip.list_pretrained_tags_by_model(source.name)
    }
    agreed = {theirs: values[0] for theirs in FIELDS.values() if len(values := _values(tags, theirs)) == 1}
    found = _with(default, agreed, source=f"all tags of {source.name} agree")
    unknown = tuple(name for name, theirs in FIELDS.items() if theirs not in agreed)
    if not unknown:
        return found
    return _by_layout(files, default=default) or replace(
        found, source=_choice(source, files[-1], tags, unknown), unknown=unknown
    )


def _in_header(recorded: Preprocess, file: Path) -> str:
    return f"header of {file.name}" + (f" ({recorded.source})" if recorded.source else "")


def _values(tags: Mapping[str, Mapping[str, Any]], key: str) -> list[Any]:
    """Return the distinct values of a model's tags."""
    found: list[Any] = []
    for facts in tags.values():
        if facts.get(key) not in found:
            found.append(facts.get(key))
    return found


def _with(default: Preprocess, facts: Mapping[str, Any], *, source: str) -> Preprocess:
    """Return `default` updated by open_clip's own keys."""
    given = {name: facts[theirs] for name, theirs in FIELDS.items() if facts.get(theirs) is not None}
    given |= {name: tuple(map(float, given[name])) for name in ("mean", "std") if name in given}
    unknown = tuple(name for name in default.unknown if name not in given)
    return replace(default, **given, source=source, unknown=unknown)


def _config_beside(source: Source, file: Path) -> Mapping[str, Any] | None:
    """Return `preprocess_cfg` of the configuration next to a file, if it is of a model of these sizes."""
    path = file.parent / CONFIG
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_CONFIG:
            return None
        found = json.loads(path.read_text(encoding="utf-8"))
        model, pictures = found["model_cfg"], found["preprocess_cfg"]
        same = model["embed_dim"] == source.config["embed_dim"] and all(
            model["vision_cfg"].get(key) == source.config["vision_cfg"].get(key) for key in _SIZES
        )
        _with(Preprocess(1, (0, 0, 0), (1, 1, 1)), pictures, source="")
        return pictures if same and {"mean", "std"} <= set(pictures) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"{path.absolute()}: is next to the weights and cannot be read ({error}); "
            "correct it, or put the weights into a folder of their own"
        ) from error


def _by_layout(files: Sequence[Path], *, default: Preprocess) -> Preprocess | None:
    """Return OpenAI's own if the tensor names are those of OpenAI's, Alpha-CLIP's or CLIP4Clip's files."""
    known = ((file, read_clip_weights(file)) for file in files if file.is_file())
    file, weights = next(((file, weights) for file, weights in known if weights.quick_gelu), (None, None))
    if file is None or weights is None:
        return None
    openai = {"mean": open_clip.OPENAI_DATASET_MEAN, "std": open_clip.OPENAI_DATASET_STD}
    openai |= {"interpolation": "bicubic", "resize_mode": "shortest"}
    return _with(default, openai, source=f"OpenAI's, by the layout of {file.name} ({weights.format})")


def _choice(source: Source, file: Path, tags: Mapping[str, Mapping[str, Any]], unknown: tuple[str, ...]) -> str:
    """Return what is unknown and its possible values, as the start of an error."""
    ways: dict[str, list[str]] = {}
    for tag, facts in tags.items():
        way = ", ".join(f"{name} {_shown(facts.get(FIELDS[name]))}" for name in unknown)
        ways.setdefault(way, []).append(tag)
    differ = "; ".join(f"{way} ({', '.join(names[:_SHOWN])})" for way, names in ways.items())
    of_tags = f"the tags of {source.name} differ: {differ}" if tags else f"open_clip has no tags of {source.name}"
    return f"{file.absolute()}: nothing tells {', '.join(unknown)} of the pictures that its weights want ({of_tags})"


def _shown(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple | list) else repr(value)
