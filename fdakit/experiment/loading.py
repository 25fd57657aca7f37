"""`fdakit.load`: a retriever in five lines, in the caller's own process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fdakit.catalog import load_catalog
from fdakit.errors import CheckpointError, PluginError, RecipeError, VideoError
from fdakit.model.retriever import Retriever
from fdakit.recipe import Recipe, read_recipe
from fdakit.recipe_text import find_recipe
from fdakit.settings import Control
from fdakit.values import FrameFeatures, VideoRef

from .build import build_retriever
from .checkpoints import checkpoint_recipe, find_checkpoint
from .clips import ClipSource, Draw, batches
from .devices import autocast, choose_device
from .run import load_retriever

Path_ = str | Path


def load(
    checkpoint_or_recipe: Path_, *, device: str = "auto", settings: Iterable[str] = (), seed: int | None = None
) -> LoadedRetriever:
    """A retriever from a checkpoint folder, a run folder, or a recipe (file or shipped name).

    A recipe gives the weights it starts from. `settings` are `table.key=value` as for `--set`.
    Raises `CheckpointError` or `RecipeError` where neither is there.
    """
    catalog = load_catalog()
    path = Path(checkpoint_or_recipe)
    if path.suffix != ".toml" and path.exists():
        folder = find_checkpoint(path)
        recipe = checkpoint_recipe(folder, catalog=catalog, settings=tuple(settings))
        make: Callable[..., Retriever] = partial(load_retriever, recipe, folder)
    else:
        try:
            find_recipe(path)
        except RecipeError as error:
            raise CheckpointError(f"{path.absolute()}: neither a checkpoint nor a recipe; {error}") from error
        recipe = read_recipe(path, catalog=catalog, settings=settings, seed=seed)
        make = partial(build_retriever, recipe)
    chosen = choose_device(device)
    return LoadedRetriever(recipe, make(device=chosen).eval(), chosen)


class LoadedRetriever:
    """Encodes videos and texts into unit vectors whose products are cosines."""

    def __init__(self, recipe: Recipe, retriever: Retriever, device: torch.device) -> None:
        self.recipe = recipe
        self.model = retriever
        self.device = device

    @torch.inference_mode()
    def encode_videos(self, paths: Sequence[Path_], *, control: Control | None = None) -> NDArray[np.float32]:
        """Unit vectors `(v, d)` float32, one a path. Raises `VideoError` naming every file that cannot be read."""
        if self.model.text_conditioned:
            label = self.model.labels["aggregator"]
            raise PluginError(f"{label}: a video has no vector of its own here; score it against texts instead")
        _refuse_one(paths, "paths")
        distinct = list(dict.fromkeys(str(path) for path in paths))
        if not distinct:
            return np.zeros((0, self.model.encoder.shapes.embedding), np.float32)
        absent = [path for path in distinct if not Path(path).is_file()]
        if absent:
            raise VideoError("\n".join(f"{Path(p).absolute()}: no such file; check the path" for p in absent))
        vectors = self._encode([VideoRef(path, Path(path)) for path in distinct], control or self.recipe.control)
        return vectors[[distinct.index(str(path)) for path in paths]]

    def _encode(self, videos: list[VideoRef], control: Control) -> NDArray[np.float32]:
        source = ClipSource(
            self.recipe,
            videos,
            training=False,
            preprocess=self.model.preprocess,
            shapes=replace(self.model.encoder.shapes, device=str(self.device)),
            controls=(control,),
            keep=False,  # whose vectors are wanted did not ask for files on disk
        )
        size = self.recipe.eval.batch_size
        plan = [[Draw(i) for i in range(k, min(k + size, len(videos)))] for k in range(0, len(videos), size)]
        parts = []
        for batch in batches(source, plan, workers=0, prefetch=1):
            if batch.lost:
                raise VideoError("\n".join(video.reason for video in batch.lost))
            with autocast(self.device, self.recipe.train.precision):
                features: FrameFeatures = self.model.encode_frames(
                    batch.frames.to(self.device), batch.alphas[control].to(self.device), batch.valid.to(self.device)
                )
                parts.append(self.model.video_vectors(features))
        return _unit(torch.cat(parts))

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors `(q, d)` float32, one a text."""
        _refuse_one(texts, "texts")
        if not texts:
            return np.zeros((0, self.model.encoder.shapes.embedding), np.float32)
        size, parts = self.recipe.eval.text_batch_size, []
        for start in range(0, len(texts), size):
            with autocast(self.device, self.recipe.train.precision):
                parts.append(self.model.encode_texts(list(texts[start : start + size])).vectors)
        return _unit(torch.cat(parts))


def _refuse_one(values: object, name: str) -> None:
    if isinstance(values, str | Path):
        raise TypeError(f"{name} is {values!r}, one value where several belong; give a list, as [{values!r}]")


def _unit(vectors: torch.Tensor) -> NDArray[np.float32]:
    return torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy()
