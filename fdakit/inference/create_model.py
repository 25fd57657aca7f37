"""`fdakit.create_model_and_transforms`: a model by name, in open_clip's manner."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from fdakit.catalog import load_catalog
from fdakit.errors import CheckpointError, RecipeError, nearest
from fdakit.model.image_model import ImageTextModel
from fdakit.model.retriever import Retriever
from fdakit.model.zoo import ZOO, ZooModel, encoder_table, zoo_files
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import validate
from fdakit.system.devices import choose_device
from fdakit.video.image_transform import ImageTransform

from .factory import build_retriever
from .load import load

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_PREFIXES = ("local-dir:", "hf-hub:")
_CROP = (0.9, 1.0)  # open_clip's default for training
_ENCODER = "fdakit:open-clip"

Options = dict[str, Any]


def create_model_and_transforms(
    name: str | Path,
    *,
    pretrained: str | Path | None = None,
    visual_checkpoint: str | Path | None = None,
    quick_gelu: bool | None = None,
    precision: str = "fp32",
    device: str = "cpu",
    crop_scale: tuple[float, float] | None = None,
    flip: float | None = None,
    mean: tuple[float, float, float] | None = None,
    std: tuple[float, float, float] | None = None,
    interpolation: str | None = None,
    resize: str | None = None,
    seed: int = 24,
) -> tuple[ImageTextModel, ImageTransform, ImageTransform]:
    """Return `(model, train_transform, eval_transform)`; the model is in evaluation mode.

    `name` is one of `fdakit models`, any of open_clip's models, `local-dir:FOLDER`, `hf-hub:ORG/REPO`, or the path of
    an fdakit checkpoint or run folder. `pretrained` is open_clip's tag or a weights file; without it, one of
    open_clip's models has random weights initialised by `seed`. `visual_checkpoint` is an Alpha-CLIP tower's file. A
    model of the zoo implies both; if given, they are other locations of its files. All weights are held in
    `precision`: fp32, bf16 or fp16. The training transform crops and flips as a checkpoint's recipe does, else as
    open_clip (0.9 to 1 of the area, no flip); `crop_scale` and `flip` change that. `mean`, `std`, `interpolation` and
    `resize` replace the weights' own preprocessing, as in `[view]`; they are required if the weights' file states
    none.

    Raises `CheckpointError` if the name is unknown or weights cannot be loaded, `RecipeError` for an invalid
    precision, device, crop or flip.
    """
    if precision not in PRECISIONS:
        raise RecipeError(f"precision: {precision!r} is not known; give one of {', '.join(PRECISIONS)}")
    chosen = choose_device(device)
    view = _given(
        crop_scale=crop_scale and list(crop_scale),
        flip=flip,
        mean=mean and list(mean),
        std=std and list(std),
        interpolation=interpolation,
        resize=resize,
    )
    weights = _given(
        pretrained=pretrained and str(pretrained),
        visual_checkpoint=visual_checkpoint and str(visual_checkpoint),
        quick_gelu=quick_gelu,
    )
    with torch.random.fork_rng(devices=[]):  # the seed is for the model only; the caller's random state is unchanged
        recipe, retriever = _made(str(name), weights, view, device=chosen, seed=seed)
    model = ImageTextModel(retriever).to(device=chosen, dtype=PRECISIONS[precision]).eval()
    train, still = (ImageTransform(recipe.view, retriever.preprocess, training=drawn) for drawn in (True, False))
    return model, train, still


def _given(**options: Any) -> Options:
    return {key: value for key, value in options.items() if value is not None}


def _made(name: str, weights: Options, view: Options, *, device: torch.device, seed: int) -> tuple[Recipe, Retriever]:
    """Return the retriever of a name, and the recipe it was built by."""
    zoo = {model.name: model for model in ZOO}
    if name in zoo:
        encoder = _zoo_table(zoo[name], weights)
    elif name.startswith(_PREFIXES) or name.replace("/", "-") in _open_clip_names():
        encoder = {"use": _ENCODER, "model": name, **weights}
    elif Path(name).exists() and Path(name).suffix != ".toml":
        if weights:
            raise CheckpointError(f"{Path(name).absolute()}: has weights of its own; leave out {', '.join(weights)}")
        loaded = load(name, device=str(device), settings=[f"view.{key}={value}" for key, value in view.items()])
        return loaded.recipe, loaded.model
    else:
        raise CheckpointError(_unknown(name, [*zoo, *_open_clip_names()]))
    document = {
        "name": "created",
        "seed": seed,
        "dataset": {"use": "fdakit:moving-shapes"},  # a recipe must name one; it is not built
        "encoder": encoder,
        "view": {"crop_scale": list(_CROP), **view},
    }
    recipe = validate(document, where="create_model_and_transforms", catalog=load_catalog())
    return recipe, build_retriever(recipe, device=device)


def _open_clip_names() -> list[str]:
    import open_clip

    names: list[str] = open_clip.list_models()
    return names


def _unknown(name: str, known: list[str]) -> str:
    close = nearest(name, known)
    return (
        f"model {name!r}: not in the zoo, none of open_clip's, no checkpoint ({Path(name).absolute()} is absent); "
        + (close if close.startswith("did") else "`fdakit models` lists the zoo")
    )


def _zoo_table(model: ZooModel, weights: Options) -> Options:
    """Return the encoder table of a zoo model. Raises `CheckpointError` if its visual checkpoint is missing."""
    files = zoo_files(model)
    absent = [file for file in files if file.part == "alpha" and file.found is None]
    if absent and "visual_checkpoint" not in weights:
        places = " or ".join(str(path.absolute()) for path in absent[0].places)
        raise CheckpointError(
            f"model {model.name!r}: its Alpha-CLIP tower is absent; put it at {places} (`fdakit models {model.name}` "
            "prints where it is published), or give its path as visual_checkpoint"
        )
    if model.research_only:
        warnings.warn(f"model {model.name!r}: {model.licence}", stacklevel=4)
    table = {**encoder_table(model, files), **weights, "use": _ENCODER}
    if model.archive is not None and Path(table["pretrained"]).is_file():
        table.setdefault("quick_gelu", True)  # a file of OpenAI's weights does not state how they were trained
    return table
