"""The model that an index is of, loaded, and the same again later."""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any

from fdakit.errors import CheckpointError, PartError
from fdakit.inference.checkpoint_files import WEIGHTS
from fdakit.inference.load import load
from fdakit.inference.loaded_retriever import LoadedRetriever
from fdakit.inference.save_checkpoint import weights_hash
from fdakit.recipe.document import dump_document
from fdakit.recipe.recipe import Recipe

from .table.index_info import ModelIdentity

_DECIDING = ("sampler", "reader", "view", "mask", "encoder", "fusion", "aggregator", "matcher")
_LATER = ("pretrained", "alpha_weights", "weights", "cache")  # where weights came from; their digest counts


def load_model(name: str, settings: Iterable[str] = ()) -> tuple[LoadedRetriever, ModelIdentity]:
    """Return the retriever of a run, checkpoint or recipe, and what identifies it.

    Raises `CheckpointError` or `RecipeError` if there is none, `PartError` if its matcher keeps nothing of a video.
    """
    given = tuple(settings)
    loaded = load(name, settings=given)
    matcher = loaded.model.matcher
    if matcher.stores == "nothing":
        raise PartError(
            f"{loaded.model.labels['matcher']}: must see each video again for every text, so that no index can keep "
            "what it compares; choose a model whose matcher stores vectors"
        )
    identity = ModelIdentity(
        name=name,
        origin=loaded.origin if (Path(loaded.origin) / WEIGHTS).is_file() else "",
        settings=given,
        weights=weights_hash(loaded.model),
        parts=parts_digest(loaded.recipe),
        recipe=dump_document(loaded.recipe.document()),
        width=loaded.model.encoder.shapes.embedding,
        stores=matcher.stores,
    )
    return loaded, identity


def parts_digest(recipe: Recipe) -> str:
    """Return a digest of everything but weights that decides a vector: parts with their options, and the view."""
    document = recipe.document()
    facts = {name: _without(document[name], _LATER) for name in _DECIDING}
    return blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()


def check_same(known: ModelIdentity, now: ModelIdentity, *, index: Path, videos: str = "VIDEOS") -> None:
    """Raise `CheckpointError` unless two models give the same vectors."""
    if (known.weights, known.parts) == (now.weights, now.parts):
        return
    what = "other weights" if known.weights != now.weights else "the same weights with other parts or options"
    raise CheckpointError(
        f"{index.absolute()}: holds vectors of {known.name} ({known.weights[:12]}), and {now.name} has {what} "
        f"({now.weights[:12]}): they cannot be compared. Start a second index: fdakit index {videos} --model "
        f"{now.name} --out {index}-{Path(now.name).name}"
    )


def _without(table: Any, keys: Iterable[str]) -> Any:
    return {key: value for key, value in table.items() if key not in set(keys)}
