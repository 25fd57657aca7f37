"""Files of vectors compared by a matcher, as `fdakit metrics --texts --videos --matcher` does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fdakit.catalog import Part
from fdakit.errors import ScoreError, attribute_errors
from fdakit.plugin.abilities import InnerProduct
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Matcher
from fdakit.ranking.streamed import Vectors
from fdakit.values import Scores

if TYPE_CHECKING:
    import torch

    from fdakit.features import TextFeatures, VideoFeatures

Array = NDArray[np.float32]


def matched_vectors(
    texts: tuple[Path, Array],
    videos: tuple[Path, Array],
    owners: NDArray[np.int64],
    *,
    matcher: Part[Matcher],
    device: str,
) -> Scores | Vectors:
    """Return what a matcher makes of texts `(q, d)` or tokens `(q, l, d)` and videos `(v, d)` or `(v, m, d)`.

    A token or vector of NaN only pads. A matcher whose score is an inner product keeps vectors, to be ranked in
    tiles. Raises `ScoreError` for a matcher with weights, which only a checkpoint has, and for arrays of other shapes
    than it compares.
    """
    import torch

    part: Matcher = matcher.build(BuildContext(embedding=texts[1].shape[-1]))
    if isinstance(part, torch.nn.Module) and any(True for _ in part.parameters()):
        raise ScoreError(f"{matcher.offer}: has weights of its own, which vectors do not; use `fdakit eval` instead")
    asked, shown = _texts(*texts, part, matcher), _videos(*videos, part, matcher)
    lost = np.zeros(len(shown.vectors), np.bool_)
    if isinstance(part, InnerProduct):
        rows, columns = part.product_vectors(asked.vectors), part.product_vectors(shown.vector)
        return Vectors(rows.numpy(), columns.numpy(), owners, lost)
    return Scores(_matrix(part, asked, shown, str(matcher.offer), device), owners, lost)


class _Scorer:
    """A matcher without a retriever around it."""

    def __init__(self, matcher: Matcher, label: str) -> None:
        self.matcher = matcher
        self._label = label

    def scores(self, texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
        with attribute_errors(self._label, "while comparing texts with videos"):
            return self.matcher.score(texts, videos)


def _matrix(part: Matcher, texts: TextFeatures, videos: VideoFeatures, label: str, device: str) -> Array:
    import torch

    from fdakit.inference.score_matrix import score_matrix

    with torch.inference_mode():
        return score_matrix(_Scorer(part, label), texts, videos, device=torch.device(device))


def _texts(path: Path, values: Array, part: Matcher, matcher: Part[Matcher]) -> TextFeatures:
    import torch

    from fdakit.features import TextFeatures

    dimensions = 3 if part.needs_tokens else 2
    _check(
        path, values, dimensions, f"{matcher.offer} compares {'tokens (q, l, d)' if dimensions == 3 else '(q, d)'}"
    )
    if dimensions == 2:
        return TextFeatures(torch.from_numpy(values))
    tokens, mask = _padded(path, values, "text")
    return TextFeatures(tokens.sum(1), tokens, mask)


def _videos(path: Path, values: Array, part: Matcher, matcher: Part[Matcher]) -> VideoFeatures:
    import torch

    from fdakit.features import VideoFeatures

    dimensions = 2 if part.stores == "vector" else 3
    _check(path, values, dimensions, f"{matcher.offer} compares {'(v, d)' if dimensions == 2 else '(v, m, d)'}")
    if dimensions == 2:
        return VideoFeatures.of_clips(torch.from_numpy(values))
    vectors, valid = _padded(path, values, "video")
    return VideoFeatures(vectors, valid, kind="clip")


def _padded(path: Path, values: Array, what: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return vectors with 0 where they only pad, and which do not."""
    import torch

    real: NDArray[np.bool_] = np.asarray(~np.isnan(values).all(axis=-1))
    empty = np.flatnonzero(np.asarray(~real.any(axis=1)))
    if empty.size:
        row = int(empty[0])
        raise ScoreError(f"{path.absolute()}: {what} {row} has nothing but NaN; give it at least one vector")
    return torch.from_numpy(np.where(real[..., None], values, np.float32(0))), torch.from_numpy(real)


def _check(path: Path, values: Array, dimensions: int, wanted: str) -> None:
    if values.ndim != dimensions:
        raise ScoreError(f"{path.absolute()}: found an array {values.shape}; {wanted}")
