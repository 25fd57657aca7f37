"""`fdakit.load`: a retriever in the caller's own process."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from fdakit.catalog import Catalog, load_catalog
from fdakit.errors import CheckpointError, RecipeError
from fdakit.model.retriever import Retriever
from fdakit.model.zoo import ZOO, encoder_table, zoo_files
from fdakit.recipe.document import find_recipe
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import read_recipe
from fdakit.system.devices import choose_device

from .checkpoint import Checkpoint
from .factory import build_retriever, has_random_weights
from .loaded_retriever import LoadedRetriever

Path_ = str | Path


def load(
    checkpoint_or_recipe: Path_, *, device: str = "auto", settings: Iterable[str] = (), seed: int | None = None
) -> LoadedRetriever:
    """Return a retriever from a checkpoint folder, a run folder, or a recipe (file or shipped name).

    A recipe gives the weights it starts from, with a warning if they are random or yet to be trained. `settings` are
    `table.key=value` as for `--set`. Raises `CheckpointError` or `RecipeError` if neither is found.
    """
    catalog = load_catalog()
    path = Path(checkpoint_or_recipe)
    if path.suffix != ".toml" and path.exists():
        return _load_checkpoint(Checkpoint.open(path), catalog, settings, device)
    try:
        origin = str(find_recipe(path).absolute())
    except RecipeError as error:
        told = _as_model(str(checkpoint_or_recipe)) or f"neither a checkpoint nor a recipe; {error}"
        raise CheckpointError(f"{path.absolute()}: {told}") from error
    recipe = read_recipe(path, catalog=catalog, settings=settings, seed=seed)
    chosen = choose_device(device)
    retriever = build_retriever(recipe, device=chosen).eval()
    _warn_of_untrained(recipe, retriever)
    return LoadedRetriever(recipe, retriever, chosen, origin=origin)


def _load_checkpoint(
    checkpoint: Checkpoint, catalog: Catalog, settings: Iterable[str], device: str
) -> LoadedRetriever:
    recipe = checkpoint.recipe(catalog=catalog, settings=settings)
    origin = str(checkpoint.weights.parent.absolute())
    chosen = choose_device(device)
    retriever = checkpoint.load(recipe, device=chosen)
    if checkpoint.info.random_weights:
        said = "its encoder has random weights and nothing was trained, so its vectors mean nothing"
        warnings.warn(f"{origin}: {said}; train it with `fdakit run`, or load weights", stacklevel=3)
    return LoadedRetriever(recipe, retriever, chosen, origin=origin)


def _warn_of_untrained(recipe: Recipe, retriever: Retriever) -> None:
    if has_random_weights(retriever.encoder):
        said = "its encoder has random weights, so its vectors mean nothing"
    elif recipe.train.epochs:
        said = f"these are the weights it starts from, before its {recipe.train.epochs} epochs of training"
    else:
        return
    remedy = "train it with `fdakit run` and load the run's folder" if recipe.train.epochs else "load weights"
    warnings.warn(f"recipe {recipe.name!r}: {said}; {remedy}", stacklevel=3)


def _as_model(name: str) -> str:
    """Return what to do with the name of a model; "" if it is near none."""
    zoo = {model.name: model for model in ZOO}
    close = get_close_matches(name, zoo, n=1, cutoff=0.8)
    if not close:
        return ""
    model = zoo[close[0]]
    table = encoder_table(model, zoo_files(model))
    options = {key: str(value).lower() if isinstance(value, bool) else value for key, value in table.items()}
    settings = [f"encoder.{key}={value}" for key, value in options.items() if key != "use"]
    said = "the name of a model" if name in zoo else f"neither a checkpoint nor a recipe; the model {model.name!r}?"
    return (
        f"{said}; `fdakit models` lists them. For images: fdakit.create_model_and_transforms({model.name!r}); for "
        f'videos: fdakit.load("manifest_zero_shot", settings={settings!r})'
    )
