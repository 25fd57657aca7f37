"""The torch side of `open-clip`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import open_clip

from fdakit import CheckpointError, ClipEncoder, Preprocess, Shapes, read_clip_weights


def build_open_clip(options: Any, shapes: Shapes) -> ClipEncoder:
    """Create the model, check every name and file first, and put it behind fdakit's encoder."""
    name = options.model.replace("/", "-")
    _check_name(name)
    pretrained = options.pretrained if shapes.pretrained and options.pretrained != "none" else None
    visual = options.visual_checkpoint if shapes.pretrained else None
    _check_files(name, pretrained, visual)
    file = Path(pretrained) if pretrained is not None and Path(pretrained).is_file() else None
    quick = _quick_gelu(name, options)
    with _quiet():
        clip = _create(name, None if file else pretrained, quick)
        tokenizer = _tokenizer(name)
    encoder = ClipEncoder(
        clip, tokenizer=tokenizer, preprocess=_preprocess(clip), shapes=shapes, max_tokens=options.max_tokens
    )
    for path, only_visual in ((file, False), (visual, True)):
        if path is not None:
            _load(encoder, path, quick=quick, only_visual=only_visual)
    return encoder


def _load(encoder: ClipEncoder, path: Path, *, quick: bool, only_visual: bool) -> None:
    """Load a weights file. The activation is asked for by option, so that a checkpoint's recipe names it too."""
    weights = read_clip_weights(path)
    if weights.quick_gelu and not quick:
        raise CheckpointError(
            f"{path.absolute()}: {weights.format} weights, trained with QuickGELU, but this model has GELU; set "
            "encoder.quick_gelu = true"
        )
    encoder.load(weights.visual_part() if only_visual else weights, where=path)


def _check_name(name: str) -> None:
    known = open_clip.list_models()
    if name not in known:
        import difflib

        close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        raise CheckpointError(
            f"encoder.model: open_clip knows no model {name!r}; near it: {', '.join(close) or known}"
        )


def _check_files(name: str, pretrained: str | None, visual: Path | None) -> None:
    """All that is missing in one message."""
    faults = []
    tags = open_clip.list_pretrained_tags_by_model(name)
    if pretrained is not None and pretrained not in tags and not Path(pretrained).is_file():
        faults.append(
            f"encoder.pretrained: {pretrained!r} is neither a file ({Path(pretrained).absolute()} is absent) nor a "
            f"tag of {name}; tags: {', '.join(tags) or 'none'}"
        )
    if visual is not None and not visual.is_file():
        faults.append(
            f"encoder.visual_checkpoint: {visual.absolute()} is absent; fetch that Alpha-CLIP visual tower from the "
            "model zoo of github.com/SunzeY/AlphaCLIP (research use only) and put it there, or leave the option "
            "out to start from a zero-initialised alpha convolution"
        )
    if faults:
        raise CheckpointError("\n".join(faults))


def _quick_gelu(name: str, options: Any) -> bool:
    """What the options say, else what tag or model were trained with: open_clip itself only warns of a mismatch."""
    if options.quick_gelu is not None:
        return bool(options.quick_gelu)
    tag: dict[str, Any] = open_clip.get_pretrained_cfg(name, options.pretrained) or {}
    return bool(tag.get("quick_gelu", open_clip.get_model_config(name).get("quick_gelu", False)))


def _create(name: str, pretrained: str | None, quick_gelu: bool) -> Any:
    try:
        return open_clip.create_model(
            name, pretrained=pretrained, precision="fp32", force_quick_gelu=quick_gelu, pretrained_text=False
        )
    except (RuntimeError, OSError, ValueError, KeyError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise CheckpointError(
            f"encoder {name} with pretrained {pretrained!r}: weights could not be had ({reason}); connect once so "
            "that they are fetched and kept, or give encoder.pretrained the path of a weights file"
        ) from error


def _tokenizer(name: str) -> Any:
    try:
        return open_clip.get_tokenizer(name)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise CheckpointError(
            f"encoder {name}: its tokeniser could not be had ({reason}); it may need `pip install transformers` and "
            "one connection to fetch its vocabulary"
        ) from error


def _preprocess(clip: Any) -> Preprocess:
    config = open_clip.get_model_preprocess_cfg(clip)
    size = config["size"]
    return Preprocess(
        size=int(size if isinstance(size, int) else size[0]),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation=config["interpolation"],
        resize=config["resize_mode"],
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """open_clip writes to the root logger what is raised as a worded error here, or wanted: random weights."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)
