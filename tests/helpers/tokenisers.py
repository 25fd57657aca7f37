"""Tokenisers of strangers' encoders, for loader workers: one that works, and three that do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Letters:
    """A text's first letters, as `{"letters": (q, 8)}`."""

    def __call__(self, texts: Sequence[str]) -> dict[str, NDArray[Any]]:
        return {"letters": np.array([[ord(letter) for letter in f"{text:8.8}"] for text in texts])}


class Ragged(Letters):
    """As many letters as a text has."""

    def __call__(self, texts: Sequence[str]) -> dict[str, NDArray[Any]]:
        return {"letters": np.array([[ord(letter) for letter in text] for text in texts])}


class Failing(Letters):
    """Fails when it is called."""

    def __call__(self, texts: Sequence[str]) -> dict[str, NDArray[Any]]:
        raise ValueError("no vocabulary")


def _refuse() -> None:
    raise OSError("its vocabulary is not here")


class Unloadable(Letters):
    """Is pickled, and cannot be unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _refuse, ()
