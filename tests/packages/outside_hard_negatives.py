"""A batcher of hard negatives: each batch is a caption and those that a former model finds nearest to it.

The file holds a vector of every caption of the training split, as `fdakit.load(run).encode_texts(captions)` gives
them. Source: Xiong et al., *Approximate Nearest Neighbor Negative Contrastive Learning*, arXiv 2007.00808.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fdakit.plugin import Batcher, BuildContext, Component, DatasetError, Options, TrainingPairs, hookimpl


class HardNegativesOptions(Options):
    """The vectors, and how much of a batch is hard."""

    vectors: Path = Field(description="array of a former model's text vectors (.npy), a row a caption of the split")
    group: int = Field(4, ge=1, description="captions that are neighbours; a batch is made of such groups")


class HardNegatives:
    """Groups of neighbouring captions of different videos, each pair once an epoch."""

    repeats = False

    def __init__(self, vectors: Path, group: int) -> None:
        self.path, self.group = vectors, group

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """The vectors of all captions of the split `(n, d)`, read on first use."""
        try:
            return np.asarray(np.load(self.path), np.float32)
        except (OSError, ValueError) as error:
            raise DatasetError(f"{self.path.absolute()}: not an array ({error}); save it with numpy.save") from error

    def __call__(
        self, pairs: TrainingPairs, batch_size: int, epoch: int, rng: np.random.Generator
    ) -> list[list[int]]:
        """Return full batches alone, without a video twice in one."""
        if len(self.vectors) <= pairs.places.max(initial=-1):
            raise DatasetError(f"{self.path.absolute()}: {len(self.vectors)} rows; wanted one a caption of the split")
        known, free = self.vectors[pairs.places], np.ones(len(pairs), bool)
        batches, batch = list[list[int]](), list[int]()
        for first in rng.permutation(len(pairs)).tolist():
            order: list[int] = np.argsort(-(known @ known[first]), kind="stable").tolist()
            near = order if free[first] else list[int]()
            wanted = min(len(batch) + self.group, batch_size)
            for row in near:
                if len(batch) < wanted and free[row] and pairs.contents[row] not in pairs.contents[batch]:
                    batch.append(row)
                    free[row] = False
            if len(batch) == batch_size:
                batches.append(batch)
                batch = []
        return batches


def build(options: HardNegativesOptions, shapes: BuildContext) -> Batcher:
    """Return the batcher, which has read nothing yet."""
    return HardNegatives(options.vectors, options.group)


HARD_NEGATIVES = Component("hard-negatives", "captions that a model confuses meet", HardNegativesOptions, build)


@hookimpl
def fdakit_batchers() -> Iterable[Component[Any, Batcher]]:
    return (HARD_NEGATIVES,)
