"""Which vector store searches an index: the one that was asked for, or by the number of segments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fdakit.catalog import load_catalog
from fdakit.plugin.vector_stores import StoreContext, VectorStore
from fdakit.recipe.validation import validate_part
from fdakit.system.optional_libraries import is_installed

AUTO = "auto"
EXACT_UP_TO = 20_000
"""Segments; beyond, `auto` searches by codes of one bit a number where FAISS is installed."""


def chosen_store(name: str, *, count: int) -> str:
    """Return the name of the vector store for `count` segments: `auto` is `exact` for few, and without FAISS."""
    if name != AUTO:
        return name
    return "exact" if count <= EXACT_UP_TO or not is_installed("faiss") else "rabitq"


def build_store(name: str, options: Mapping[str, Any], *, folder: Path, width: int) -> VectorStore:
    """Return a vector store with its own folder below `folder`.

    Raises `RecipeError` if there is none of the name, or an option is wrong.
    """
    part = validate_part("vector_store", {"use": name, **options}, where="the vector store", catalog=load_catalog())
    store: VectorStore = part.build(StoreContext(folder / part.name, width))
    return store
