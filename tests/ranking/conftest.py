"""Scores for the ranking tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fdakit.values import Scores


@pytest.fixture(scope="session")
def make_scores() -> Callable[..., Scores]:
    """`make_scores(matrix, owners=None, lost=())`: caption i owns video i unless told, `lost` are columns."""

    def make(matrix: Any, owners: Any = None, lost: Any = ()) -> Scores:
        matrix = np.asarray(matrix, np.float32)
        owners = np.arange(matrix.shape[0]) if owners is None else np.asarray(owners)
        marks = np.zeros(matrix.shape[1], np.bool_)
        marks[list(lost)] = True
        return Scores(matrix, owners.astype(np.int64), marks)

    return make
