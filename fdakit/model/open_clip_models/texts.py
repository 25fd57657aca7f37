"""Tokenisers for `open-clip`, and text towers from transformers, which fdakit needs only for these models."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import open_clip

from fdakit.errors import CheckpointError

from .hub import cache_of, check_connection, first_line, hub_file
from .source import Source

_INSTALL = 'pip install "fdakit[hf]"'


def check_libraries(source: Source) -> None:
    """Raise `CheckpointError` if the model's text side needs transformers and it is not installed."""
    tower, tokeniser = (source.text.get(key) for key in ("hf_model_name", "hf_tokenizer_name"))
    if not (tower or tokeniser) or _installed("transformers"):
        return
    use = f"text tower ({tower})" if tower else f"tokeniser ({tokeniser})"
    fetch = "" if source.inside else ", and connect once so that its vocabulary is fetched and kept"
    raise CheckpointError(
        f"encoder.model {source.asked!r}: its {use} needs the library transformers, which is not installed; "
        f"{_INSTALL}{fetch}"
    )


def make_tokenizer(source: Source) -> Any:
    """Return open_clip's tokeniser for the model.

    Raises `CheckpointError` if its vocabulary cannot be loaded.
    """
    named = source.text.get("hf_tokenizer_name")
    if not named:
        return open_clip.get_tokenizer(source.name)
    place = str(source.folder) if source.inside else str(named)
    try:
        return _from_transformers(source, place, local_files_only=True)
    except Exception as error:  # transformers raises whatever its parsers raise
        what = f"encoder.model {source.asked!r}: its tokeniser {place} could not be read ({first_line(error)})"
        _check_sentencepiece(what, error)
        if source.inside:
            raise CheckpointError(f"{what}; put tokenizer.json and tokenizer_config.json there") from error
    check_connection(f"encoder.model {source.asked!r}: its tokeniser is not in {cache_of(place)}")
    try:
        return _from_transformers(source, place)
    except Exception as error:  # as above
        what = f"encoder.model {source.asked!r}: its tokeniser {place} could not be had ({first_line(error)})"
        _check_sentencepiece(what, error)
        raise CheckpointError(f"{what}; check the connection and the name") from error


def _from_transformers(source: Source, place: str, **settings: bool) -> Any:
    from open_clip.tokenizer import HFTokenizer

    return HFTokenizer(
        place,
        context_length=source.text.get("context_length", 77),
        tokenizer_mode=source.text.get("tokenizer_mode"),
        **{**source.text.get("tokenizer_kwargs", {}), **settings},
    )


def _check_sentencepiece(what: str, error: Exception) -> None:
    """Raise the actual cause where transformers blames tiktoken for a missing sentencepiece or protobuf."""
    missing = [name for name in ("sentencepiece", "google.protobuf") if not _installed(name)]
    if missing and "tiktoken" in str(error):
        raise CheckpointError(f"{what}; it needs {' and '.join(missing)}: {_INSTALL}") from error


def text_settings(source: Source) -> dict[str, Any]:
    """Return the configuration's folder for a text tower from transformers, so that no name is looked up."""
    name = source.text.get("hf_model_name")
    if not name:
        return {}
    if not Path(name).is_dir():
        name = str(hub_file(name, ("config.json",), what=f"encoder.model {source.asked!r}").parent)
    return {"text_cfg": {**source.text, "hf_model_name": name, "hf_model_pretrained": False}}


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False
