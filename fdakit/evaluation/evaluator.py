"""Evaluation: from a split to similarities and rankings.

Each distinct text and each distinct video is encoded and scored once and copied to its duplicates, so that equal
captions tie exactly whatever the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from fdakit.choices import Control
from fdakit.data_pipeline.clip_dataset import ClipDataset
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.data_pipeline.loading.clip_loader import ClipLoader
from fdakit.dataset_files.identical_videos import identical_videos
from fdakit.errors import PartError, RecipeError
from fdakit.features import TextFeatures, VideoFeatures
from fdakit.inference.embedder import EmbeddedVideos, Embedder
from fdakit.inference.score_matrix import score_matrix
from fdakit.model.retriever import Retriever
from fdakit.plugin.abilities import InnerProduct, TextRoles
from fdakit.plugin.contracts import Progress, TextRole
from fdakit.ranking.scored_tiles import Pairs
from fdakit.ranking.streamed import Vectors
from fdakit.recipe.recipe import Recipe
from fdakit.settings import EvalSettings
from fdakit.system.ranks import Ranks
from fdakit.values import Scores, Split, UnreadableVideo, VideoRef

from .scoring import Rankings, Similarities, product_vectors, rank_both_directions

T = TypeVar("T")
StoredVideos = Callable[[Sequence[VideoRef]], EmbeddedVideos]
"""Gives the features of videos that were encoded before."""


@dataclass(frozen=True)
class EvaluationResult:
    """Similarities and rankings under each control (the recipe's own first), and the damage encountered.

    `repaired` is the file's fault for each video of which only the decodable frames were used. `cut` counts captions
    of which the context holds only a part; None if the encoder does not tell. `bank (b, v)` are the similarities of
    training captions to the same videos, if a rescorer of the recipe needs them. `document_scores` are those of video
    to text, by control, where the encoder encodes captions otherwise as documents than as queries.
    """

    scores: Mapping[str, Similarities]
    rankings: Mapping[str, Rankings]
    lost: tuple[UnreadableVideo, ...]
    repaired: Mapping[str, str]
    cut: int | None
    distinct_texts: int
    coverage: NDArray[np.float64]
    bank: NDArray[np.float32] | None = None
    document_scores: Mapping[str, Similarities] = field(default_factory=dict)


@dataclass(frozen=True)
class EncodedSplit:
    """The features of a split: distinct videos and captions, these as documents too, and those of the bank."""

    videos: EmbeddedVideos
    texts: TextFeatures
    documents: TextFeatures | None
    bank: TextFeatures | None


class Evaluator:
    """Scores one split with any weights; caches its clips so that further validations decode nothing."""

    def __init__(
        self,
        clips: ClipSettings,
        split: Split,
        retriever: Retriever,
        *,
        rules: EvalSettings,
        precision: str,
        device: torch.device,
        progress: Progress,
        controls: Sequence[Control] = (),
        bank: Sequence[str] = (),
        ranks: Ranks | None = None,
        clip_loader: ClipLoader | None = None,
        stored: StoredVideos | None = None,
    ) -> None:
        self._split, self._stored = split, stored
        self._clip_loader = clip_loader
        self._rules, self._precision, self._loader = rules, precision, clips.loader
        self._device = device
        self._progress = progress
        self._ranks = ranks or Ranks()
        self._bank = tuple(dict.fromkeys(bank))
        self._own: Control = clips.control
        names: list[Control] = [self._own, *(c for c in controls if c != self._own)]
        twins = identical_videos(split.videos)
        self._shown = {video.id: twins.get(video.id, video.id) for video in split.videos}
        self._places = _places(list(self._shown.values()))
        distinct: dict[Any, VideoRef] = {}
        for video in split.videos:
            distinct.setdefault(self._shown[video.id], video)
        self._source = ClipDataset(
            clips,
            tuple(distinct.values()),
            training=False,
            preprocess=retriever.preprocess,
            shapes=replace(retriever.encoder.shapes, device=str(device)),
            controls=names,
            device_needs=retriever.mask_needs,
        )

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        split: Split,
        retriever: Retriever,
        *,
        device: torch.device,
        progress: Progress,
        controls: Sequence[Control] = (),
        bank: Sequence[str] = (),
        ranks: Ranks | None = None,
        clip_loader: ClipLoader | None = None,
        stored: StoredVideos | None = None,
    ) -> Evaluator:
        """Return the evaluator of a recipe; its clips are read by `clip_loader`, else by workers of its own.

        With `stored` features no video is read; they are of the recipe's own control.
        Raises `RecipeError` if a rescorer needs more similarities than are kept whole.
        """
        size = _matrix_mb(split)
        if recipe.rescoring and size > recipe.eval.similarity_mb:
            raise RecipeError(
                f"{recipe.where}: eval.rescoring: needs all {len(split.captions)} x {len(split.videos)} similarities "
                f"at once, {size:,.0f} MB; raise eval.similarity_mb, or leave rescoring out"
            )
        return cls(
            ClipSettings.of(recipe),
            split,
            retriever,
            rules=recipe.eval,
            precision=recipe.train.precision,
            device=device,
            progress=progress,
            controls=controls,
            bank=bank,
            ranks=ranks,
            clip_loader=clip_loader,
            stored=stored,
        )

    def run(self, retriever: Retriever) -> EvaluationResult:
        """Return the scores of every caption against every video, under each control.

        With several ranks all call `encode`, and the first `score`.
        """
        encoded = self.encode(retriever)
        if encoded is None:
            raise ValueError("only rank 0 has the features; let all ranks encode, and rank 0 score")
        return self.score(retriever, encoded)

    @torch.inference_mode()
    def encode(self, retriever: Retriever) -> EncodedSplit | None:
        """Return the features of the split's distinct videos and captions; None on ranks but the first.

        Each rank encodes a share.
        """
        retriever.eval()
        embedder = Embedder(
            retriever,
            device=self._device,
            precision=self._precision,
            progress=self._progress,
            ranks=self._ranks,
            clip_loader=self._clip_loader,
        )
        name = self._split.name
        videos = (
            self._stored(self._source.videos)
            if self._stored is not None
            else embedder.videos(
                self._source, batch_size=self._rules.batch_size, loader=self._loader, what=f"{name} videos"
            )
        )
        distinct = list(dict.fromkeys(caption.text for caption in self._split.captions))
        asymmetric = isinstance(retriever.encoder, TextRoles) and retriever.encoder.asymmetric

        def encode(texts: Sequence[str], what: str, role: TextRole = "query") -> TextFeatures | None:
            return embedder.split_texts(texts, batch_size=self._rules.text_batch_size, what=what, role=role)

        texts = encode(distinct, f"{name} captions")
        documents = encode(distinct, f"{name} captions", "document") if asymmetric else None
        bank = encode(self._bank, "bank captions") if self._bank else None
        return None if videos is None or texts is None else EncodedSplit(videos, texts, documents, bank)

    @torch.inference_mode()
    def score(self, retriever: Retriever, encoded: EncodedSplit) -> EvaluationResult:
        """Return the scores of a split's features."""
        videos, texts = encoded.videos, encoded.texts
        text_places = _places([caption.text for caption in self._split.captions])

        def scored(found: TextFeatures) -> dict[str, Similarities]:
            return {
                control: self._scores(retriever, features, found, text_places, videos.lost)
                for control, features in videos.features.items()
            }

        scores = scored(texts)
        documents = scores if encoded.documents is None else scored(encoded.documents)
        return EvaluationResult(
            scores=scores,
            rankings={control: self._ranked(scores[control], documents[control]) for control in scores},
            lost=tuple(replace(found, id=name) for name, found in self._by_every_name(videos.lost)),
            repaired=dict(self._by_every_name(videos.repaired)),
            cut=None if texts.cut is None else int(texts.cut.numpy()[text_places].sum()),
            distinct_texts=len(texts.vectors),
            coverage=videos.coverage,
            bank=self._banked(retriever, encoded.bank, videos.features[self._own]),
            document_scores={} if documents is scores else documents,
        )

    def _by_every_name(self, found: Mapping[str, T]) -> list[tuple[str, T]]:
        """Return the result of a file for each video of the split that it contains."""
        return [(name, found[shown]) for name, shown in self._shown.items() if shown in found]

    def _banked(
        self, retriever: Retriever, bank: TextFeatures | None, videos: VideoFeatures
    ) -> NDArray[np.float32] | None:
        """Return the similarities of the bank's distinct captions to every video of the split."""
        if bank is None:
            return None
        return self._matrix(retriever, bank, videos)[:, self._places]

    def _matrix(self, retriever: Retriever, texts: TextFeatures, videos: VideoFeatures) -> NDArray[np.float32]:
        """Return the matcher's scores. Raises `PartError` if they are not finite, though the vectors are."""
        found = score_matrix(retriever, texts, videos, device=self._device)
        readable = videos.valid.any(1).numpy()
        if not np.isfinite(found[:, readable]).all():
            label = retriever.labels["matcher"]
            raise PartError(f"{label} failed while comparing texts with videos: gave scores that are not finite")
        return found

    def _scores(
        self,
        retriever: Retriever,
        videos: VideoFeatures,
        texts: TextFeatures,
        text_places: list[int],
        lost: Mapping[str, UnreadableVideo],
    ) -> Similarities:
        ids = {video.id: place for place, video in enumerate(self._split.videos)}
        owners = np.array([ids[caption.video_id] for caption in self._split.captions], np.int64)
        gone = np.array([video.id in lost for video in self._source.videos])[self._places]
        if _matrix_mb(self._split) <= self._rules.similarity_mb:
            unique = self._matrix(retriever, texts, videos)
            return Scores(matrix=unique[np.ix_(text_places, self._places)], owners=owners, lost=gone)
        if isinstance(retriever.matcher, InnerProduct) and retriever.matcher.stores == "vector":
            rows, columns = product_vectors(retriever, texts, videos, label=retriever.labels["matcher"])
            return Vectors(rows[text_places], columns[self._places], owners, gone)

        def score(some: NDArray[np.int64], shown: NDArray[np.int64]) -> NDArray[np.float32]:
            chosen = texts.rows(torch.from_numpy(some)), videos.rows(torch.from_numpy(shown))
            return self._matrix(retriever, *chosen)

        return Pairs(score, np.array(text_places), np.array(self._places), owners, gone)

    def _ranked(self, queries: Similarities, documents: Similarities) -> Rankings:
        """Return the rankings of both directions: captions are queries in one, documents in the other."""
        mode, device = self._rules.video_to_text, str(self._device)
        found = rank_both_directions(queries, mode=mode, device=device, progress=self._progress)
        if documents is not queries:
            again = rank_both_directions(documents, mode=mode, device=device, progress=self._progress)
            found["v2t"] = again["v2t"]
        return found


def _matrix_mb(split: Split) -> float:
    """Return the size of the similarities of a split."""
    return 4 * len(split.captions) * len(split.videos) / 1e6


def _places(keys: Sequence[Any]) -> list[int]:
    """Return for each key its index among the distinct keys, in order of first appearance."""
    seen: dict[Any, int] = {}
    return [seen.setdefault(key, len(seen)) for key in keys]
