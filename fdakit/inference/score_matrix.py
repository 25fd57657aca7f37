"""The scores of texts and videos as one matrix, computed in blocks both ways so that memory is bounded."""

from __future__ import annotations

from math import isqrt
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from fdakit.features import TextFeatures, VideoFeatures
from fdakit.plugin.abilities import InnerProduct
from fdakit.plugin.contracts import Matcher

ROOM = 64_000_000
"""Numbers that a block of texts and videos may take while it is compared: 256 MB of float32."""


class Scorer(Protocol):
    """A retriever, or whatever compares by a matcher."""

    @property
    def matcher(self) -> Matcher:
        """The matcher that `scores` asks."""
        ...

    def scores(self, texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
        """Return similarities `(q, v)`."""
        ...


def score_matrix(
    scorer: Scorer, texts: TextFeatures, videos: VideoFeatures, *, device: torch.device, room: int = ROOM
) -> NDArray[np.float32]:
    """Return the matcher's scores `(q, v)` float32, in blocks of texts and of videos.

    A block takes at most about `room` numbers, if the matcher looks at no more than every vector of a video beside
    every token or the vector of a text.
    """
    count, width = len(texts.vectors), len(videos.vectors)
    rows, columns = _block(count, width, _numbers_a_pair(scorer.matcher, texts, videos), room)
    found = np.empty((count, width), np.float32)
    for left in range(0, width, columns):
        shown = videos.rows(slice(left, left + columns)).to(device)
        for top in range(0, count, rows):
            asked = texts.rows(slice(top, top + rows)).to(device)
            found[top : top + rows, left : left + columns] = scorer.scores(asked, shown).cpu().numpy()
    return found


def _numbers_a_pair(matcher: Matcher, texts: TextFeatures, videos: VideoFeatures) -> int:
    """Return how many numbers a matcher may hold for a text and a video."""
    if isinstance(matcher, InnerProduct):
        return 1
    tokens = texts.tokens.shape[1] if texts.tokens is not None else 1
    return int(videos.vectors.shape[1] * tokens + videos.vectors.shape[2])


def _block(texts: int, videos: int, numbers: int, room: int) -> tuple[int, int]:
    """Return texts and videos of a block, as near to a square as both allow, at least one each."""
    pairs = max(1, room // numbers)
    columns = min(max(1, videos), max(isqrt(pairs), pairs // max(1, texts)))
    return max(1, pairs // columns), columns
