"""Building of any model that open_clip knows as an encoder, with its weights and preprocessing."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, overload

import open_clip

from fdakit.errors import CheckpointError
from fdakit.model.clip_encoder import ClipEncoder
from fdakit.model.weight_loading import read_clip_weights
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Preprocess

from .hub import first_line
from .licences import licence_notice
from .options import OpenClipOptions
from .preprocessing import file_preprocess
from .source import Source, find_source, tag_file
from .texts import check_libraries, make_tokenizer, text_settings

ALPHA_TOWER = "Alpha-CLIP visual tower"  # `ClipWeights.format` of the published files


E = TypeVar("E", bound=ClipEncoder)


@overload
def build_open_clip(options: OpenClipOptions, shapes: BuildContext) -> ClipEncoder: ...
@overload
def build_open_clip(options: OpenClipOptions, shapes: BuildContext, *, make: Callable[..., E]) -> E: ...
def build_open_clip(
    options: OpenClipOptions, shapes: BuildContext, *, make: Callable[..., ClipEncoder] = ClipEncoder
) -> ClipEncoder:
    """Return the model that the options name as an encoder, with its weights.

    `make` is `ClipEncoder` or what derives from it, called with that class's arguments; weights files reach it by
    `load`. Random weights follow torch's seed, and `shapes.pretrained = False` loads none. Raises `CheckpointError`
    naming every absent or unfit name and file.
    """
    source = find_source(options.model)
    pretrained = options.pretrained if shapes.pretrained and options.pretrained != "none" else None
    visual = options.visual_checkpoint if shapes.pretrained else None
    _check_files(source, pretrained, visual)
    check_libraries(source)
    file = Path(pretrained) if pretrained is not None and pretrained not in _tags(source) else None
    if file is None and source.folder is not None and shapes.pretrained:
        file = source.own_weights()
    tag = None if file is not None else pretrained
    quick = _quick_gelu(source, options)
    with _quiet():
        tokenizer = make_tokenizer(source)
        clip = _create(source, tag, quick, pictures=_tag(source, options.pretrained))
    if source.text.get("hf_model_name"):  # such a tower states its maximum length, or nothing
        clip.context_length = tokenizer.context_length
    default = _preprocess(clip, source=_said_by(source, options), unknown=_unsaid(source))
    files = _weights_files(source, options)
    encoder = make(
        clip,
        tokenizer=tokenizer,
        preprocess=file_preprocess(source, files, default=default) if files else default,
        shapes=shapes,
        max_tokens=options.max_tokens,
        pretrained=file is not None or tag is not None,
    )
    if encoder.preprocess != (former := replace(default, unknown=())):
        encoder.former_preprocess = former
    for path, only_visual in ((file, False), (visual, True)):
        if path is not None:
            _load(encoder, path, quick=quick, only_visual=only_visual)
    _tell_licence(source, tag, own=file is not None and pretrained is None)
    return encoder


def _tell_licence(source: Source, tag: str | None, *, own: bool) -> None:
    """Say where the terms of published weights are told, unless they are known to be permissive.

    `own` says that the weights are those of the hub's repository, if the model comes from there.
    """
    notice = licence_notice(_tag(source, tag), source.repo if own else None)
    if notice:
        warnings.warn(f"encoder {source.asked}{f' with pretrained {tag!r}' if tag else ''}: {notice}", stacklevel=3)


def _load(encoder: ClipEncoder, path: Path, *, quick: bool, only_visual: bool) -> None:
    """Load a weights file. The activation must be set by option, so that a checkpoint's recipe states it too."""
    weights = read_clip_weights(path)
    if weights.quick_gelu and not quick:
        raise CheckpointError(
            f"{path.absolute()}: {weights.format} weights, trained with QuickGELU, but this model has GELU; set "
            "encoder.quick_gelu = true"
        )
    if weights.format == ALPHA_TOWER:
        warnings.warn(
            f"{path.absolute()}: an Alpha-CLIP visual tower; those published are for research only (CC BY-NC 4.0), "
            "and CLIP's own terms apply",
            stacklevel=2,
        )
    encoder.load(weights.visual_part() if only_visual else weights, where=path)


def _check_files(source: Source, pretrained: str | None, visual: Path | None) -> None:
    """Raise one error with all that is missing."""
    faults = []
    tags = _tags(source)
    if pretrained is not None and pretrained not in tags and not _is_file_there(Path(pretrained)):
        absent = f"encoder.pretrained: {pretrained!r} is neither a file ({_describe_path(Path(pretrained))}) nor"
        faults.append(
            f"{absent} a tag, which {source.asked!r} has none of; leave it out for the weights that lie there"
            if source.folder
            else f"{absent} a tag of {source.name}; tags: {', '.join(tags) or 'none'}"
        )
    if visual is not None and not _is_file_there(visual):
        faults.append(
            f"encoder.visual_checkpoint: {_describe_path(visual)}; fetch that Alpha-CLIP visual tower from the "
            "model zoo of github.com/SunzeY/AlphaCLIP (research use only) and put it there, or leave the option "
            "out to start from a zero-initialised alpha convolution"
        )
    if faults:
        raise CheckpointError("\n".join(faults))


def _is_file_there(path: Path) -> bool:
    """Return whether a path leads to anything but a folder, which may have a tag's name.

    Reading it will report what it is.
    """
    return os.path.lexists(path) and not os.path.isdir(path)  # noqa: PTH112 - Path's raises for a name too long


def _describe_path(path: Path) -> str:
    return f"{path.absolute()} is {'a folder' if os.path.isdir(path) else 'absent'}"  # noqa: PTH112 - as above


def _tags(source: Source) -> list[str]:
    return [] if source.folder else list(open_clip.list_pretrained_tags_by_model(source.name))


def _weights_files(source: Source, options: OpenClipOptions) -> list[Path]:
    """Return the files that the options name, the visual tower's first.

    Empty if weights are a tag's or the folder's.
    """
    own = options.pretrained == "none" and source.folder is not None
    if own or options.pretrained in _tags(source):
        return []
    visual = [] if options.visual_checkpoint is None else [options.visual_checkpoint]
    return visual if options.pretrained == "none" else [*visual, Path(options.pretrained)]


def _said_by(source: Source, options: OpenClipOptions) -> str:
    """Return the source of open_clip's preprocessing of a model."""
    if source.folder is not None:
        silent = f" says nothing of {' and '.join(unsaid)} of pictures" if (unsaid := _unsaid(source)) else ""
        return f"open_clip_config.json of {source.asked}{silent}"
    if options.pretrained in _tags(source):
        return f"open_clip's tag {options.pretrained!r}"
    return "open_clip's default"


def _quick_gelu(source: Source, options: OpenClipOptions) -> bool:
    """Return the option, else the activation that tag or model were trained with.

    open_clip itself only warns of a mismatch.
    """
    if options.quick_gelu is not None:
        return bool(options.quick_gelu)
    return bool(_tag(source, options.pretrained).get("quick_gelu", source.config.get("quick_gelu", False)))


def _tag(source: Source, name: str | None) -> Mapping[str, Any]:
    """Return open_clip's facts of a tag; empty if the model has none of that name."""
    known: Mapping[str, Any] = open_clip.get_pretrained_cfg(source.name, name) if name else {}
    return known


def _create(source: Source, tag: str | None, quick_gelu: bool, *, pictures: Mapping[str, Any]) -> Any:
    """Return the model, with the weights of a tag or random ones.

    A tag's file is passed as a path: open_clip would ask the hub again for a cached file. `pictures` are the facts of
    the recipe's tag, also if its weights come from a checkpoint.
    """
    what = f"encoder {source.asked} with pretrained {tag!r}"
    known = _tag(source, tag)
    kept = tag_file(known, what=what) if tag else None
    wanted = {key: pictures[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in pictures}
    settings = text_settings(source)
    try:
        return open_clip.create_model(
            source.name,
            pretrained=str(kept) if kept else None,
            load_weights=kept is not None,
            precision="fp32",
            force_preprocess_cfg=wanted,
            pretrained_text=False,
            quick_gelu=quick_gelu,
            **settings,
        )
    except MemoryError:
        raise
    except Exception as error:  # an external configuration or file, read by open_clip: it may raise anything
        if kept is not None:
            raise CheckpointError(
                f"{what}: {kept} could not be used ({first_line(error)}); delete it, so that it is fetched again"
            ) from error
        raise CheckpointError(
            f"encoder.model {source.asked!r}: open_clip cannot make a model of its configuration "
            f"({first_line(error)}); correct it"
        ) from error


def _unsaid(source: Source) -> tuple[str, ...]:
    """Return the colours that a folder's configuration leaves out, for which open_clip would use OpenAI's."""
    return () if source.folder is None else tuple(name for name in ("mean", "std") if name not in source.pictures)


def _preprocess(clip: Any, *, source: str, unknown: tuple[str, ...]) -> Preprocess:
    config = open_clip.get_model_preprocess_cfg(clip)
    size = config["size"]
    return Preprocess(
        size=int(size if isinstance(size, int) else size[0]),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation=config["interpolation"],
        resize=config["resize_mode"],
        source=source,
        unknown=unknown,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence open_clip's warnings, which are raised as errors here, or are intended: random weights."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)
