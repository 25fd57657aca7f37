"""The loaded retriever that encodes in the caller's own process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from fdakit.choices import Control
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.errors import PluginError
from fdakit.features import TextFeatures, VideoFeatures
from fdakit.model.retriever import Retriever
from fdakit.plugin.abilities import InnerProduct
from fdakit.plugin.contracts import Progress
from fdakit.recipe.recipe import Recipe
from fdakit.system.devices import choose_device

from .embedder import Embedder
from .observers import ObserverGroup
from .score_matrix import score_matrix
from .video_encoding import VideoEncoding
from .video_inputs import VideoLike, chunks

OnError = Literal["raise", "skip"]
Vectors = NDArray[np.float32]


class LoadedRetriever:
    """Encodes videos and texts into unit vectors whose products are cosines.

    `recipe` is the recipe it was built from, `model` the torch module, `device` the module's device.
    """

    def __init__(self, recipe: Recipe, retriever: Retriever, device: torch.device, *, origin: str = "") -> None:
        self.recipe = recipe
        self.model = retriever
        self.device = device
        self.origin = origin or recipe.where

    def __repr__(self) -> str:
        parts = ", ".join(
            f"{kind} {self.recipe.parts[kind].name}" for kind in ("sampler", "mask", "encoder", "fusion")
        )
        width = self.model.encoder.shapes.embedding
        return (
            f"LoadedRetriever({self.recipe.name!r} from {self.origin}, on {self.device})\n"
            f"  {parts}, aggregator {self.recipe.parts['aggregator'].name}\n"
            f"  encode_videos([path, ...]) and encode_texts([text, ...]) give unit vectors (n, {width})"
        )

    def to(self, device: str | torch.device) -> LoadedRetriever:
        """Move it to another device, and return it. Raises `RecipeError` for a device that does not exist."""
        self.device = choose_device(str(device))
        self.model.to(self.device)
        return self

    def encode_videos(
        self,
        videos: Iterable[VideoLike],
        *,
        control: Control | None = None,
        on_error: OnError = "raise",
        batch_size: int | None = None,
        progress: bool | Progress = False,
    ) -> Vectors:
        """Return unit vectors `(v, d)` float32, one a video, in their order.

        `videos` is any iterable of paths, `VideoRef`s, and clips in memory: frames uint8 `(t, h, w, 3)` of numpy or
        torch, evenly spaced, or a `Clip` with its times. A generator is read a batch at a time. A video named twice
        is encoded once. `control` replaces the masks as `[mask] control` does. `progress` is called with label, done
        and total (so far, for a generator); True notifies the observers of the recipe, as a run does.

        Raises `VideoError` naming every file that cannot be read. With `on_error = "skip"`, an unreadable video has a
        row of NaN, a warning names it, and the others are encoded. Raises `TypeError` or `ValueError` for a value
        that is not a video, and `PluginError` if a video has no vector without a text.
        """
        if self.model.matcher.stores != "vector":
            label = self.model.labels["matcher"]
            raise PluginError(f"{label}: compares more than one vector of a video; use scores(texts, videos) instead")
        features = self.video_features(
            videos, control=control, on_error=on_error, batch_size=batch_size, progress=progress
        )
        if features is None:
            return np.zeros((0, self.model.encoder.shapes.embedding), np.float32)
        vectors = self._comparable(features.vector)
        vectors[~features.valid[:, 0].numpy()] = np.nan
        return vectors

    def scores(
        self,
        texts: Iterable[str],
        videos: Iterable[VideoLike],
        *,
        control: Control | None = None,
        on_error: OnError = "raise",
        batch_size: int | None = None,
        progress: bool | Progress = False,
    ) -> Vectors:
        """Return the scores `(q, v)` float32 of every text with every video, by the recipe's matcher.

        Arguments and errors are those of `encode_videos` and `encode_texts`; a video that was skipped has NaN.
        """
        found = self.video_features(
            videos, control=control, on_error=on_error, batch_size=batch_size, progress=progress
        )
        asked = self.text_features(texts, progress=progress)
        if found is None or asked is None:
            counts = (0 if asked is None else len(asked.vectors), 0 if found is None else len(found.vectors))
            return np.zeros(counts, np.float32)
        with torch.inference_mode():
            scores = score_matrix(self.model, asked, found, device=self.device)
        scores[:, ~found.valid.any(1).numpy()] = np.nan
        return scores

    def _comparable(self, vectors: torch.Tensor) -> Vectors:
        matcher = self.model.matcher
        found = matcher.product_vectors(vectors) if isinstance(matcher, InnerProduct) else vectors
        return found.numpy()

    def video_features(
        self,
        videos: Iterable[VideoLike],
        *,
        control: Control | None = None,
        on_error: OnError = "raise",
        batch_size: int | None = None,
        progress: bool | Progress = False,
    ) -> VideoFeatures | None:
        """Return what the matcher compares of videos, `(v, m, d)` on the CPU, in their order; None for no videos.

        Arguments and errors are those of `encode_videos`; a video that was skipped has no valid vector.
        """
        if on_error not in ("raise", "skip"):
            raise ValueError(f"on_error is {on_error!r}; wanted 'raise' or 'skip'")
        size = _batch_size(batch_size, self.recipe.eval.batch_size)
        chosen = control or self.recipe.control
        if chosen == "other-video":  # partners are chosen among all of them
            videos = [video for chunk in chunks(videos, name="videos", size=size) for video in chunk]
        with self._telling(progress) as tell, torch.inference_mode():
            job = VideoEncoding(
                ClipSettings.of(self.recipe),
                self.model,
                precision=self.recipe.train.precision,
                device=self.device,
                control=chosen,
                skips=on_error == "skip",
                size=size,
                tell=tell,
            )
            for chunk in chunks(videos, name="videos", size=size):
                job.add(chunk)
        return job.finish()

    def encode_texts(
        self, texts: Iterable[str], *, batch_size: int | None = None, progress: bool | Progress = False
    ) -> Vectors:
        """Return unit vectors `(q, d)` float32, one a text, in their order.

        `texts` is any iterable of strings, a generator too; `progress` as in `encode_videos`. Raises `TypeError` for
        one string instead of several, and for a value that is not a string.
        """
        features = self.text_features(texts, batch_size=batch_size, progress=progress)
        if features is None:
            return np.zeros((0, self.model.encoder.shapes.embedding), np.float32)
        return self._comparable(features.vectors)

    def text_features(
        self, texts: Iterable[str], *, batch_size: int | None = None, progress: bool | Progress = False
    ) -> TextFeatures | None:
        """Return what the matcher compares of texts, on the CPU, in their order; None for no texts.

        Arguments and errors are those of `encode_texts`.
        """
        size = _batch_size(batch_size, self.recipe.eval.text_batch_size)
        parts: list[TextFeatures] = []
        done = 0
        with self._telling(progress) as tell, torch.inference_mode():
            for chunk in chunks(texts, name="texts", size=size):
                for place, text in enumerate(chunk, done):
                    if not isinstance(text, str):
                        raise TypeError(f"texts[{place}] is {text!r}; wanted a string")
                asked, before, total = [str(text) for text in chunk], done, done + len(chunk)
                embedder = Embedder(
                    self.model,
                    device=self.device,
                    precision=self.recipe.train.precision,
                    progress=_counting_on(tell, before, total),
                )
                if asked:
                    parts.append(embedder.texts(asked, batch_size=size, what="texts"))
                done = total
        return TextFeatures.cat(parts) if parts else None

    @contextmanager
    def _telling(self, progress: bool | Progress) -> Iterator[Progress]:
        if callable(progress):
            yield progress
        elif not progress:
            yield lambda what, done, total: None
        else:
            with closing(ObserverGroup.of(self.recipe)) as watchers:
                yield watchers.progressed


def _counting_on(tell: Progress, before: int, total: int) -> Progress:
    return lambda what, done, _: tell(what, before + done, total)


def _batch_size(asked: int | None, usual: int) -> int:
    if asked is not None and asked < 1:
        raise ValueError(f"batch_size is {asked}; wanted at least 1")
    return asked or usual
