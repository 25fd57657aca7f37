"""Tokens of captions, made where clips are read: in loader workers, when they have loaded the encoder's tokeniser.

They load it as soon as they have nothing to read, so that the first batches do not wait for it. Until then, and in a
process that reads without workers, captions are left to the encoder, which gives the same.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Tokens = Mapping[str, NDArray[Any]]


class CaptionTokens:
    """Holds a tokeniser, pickled on the way to a worker; it gives nothing before `load`."""

    def __init__(self, tokenise: Callable[[Sequence[str]], Tokens] | None) -> None:
        self._own = tokenise
        self._sent: bytes | None = None
        self._loaded: Callable[[Sequence[str]], Tokens] | None = None
        self.notes: list[str] = []

    def __getstate__(self) -> dict[str, Any]:
        return {"_own": None, "_sent": _pickled(self._own), "_loaded": None, "notes": []}

    def load(self) -> None:
        """Load the tokeniser that was sent, once; if that fails, captions stay with the encoder, as a note says."""
        sent, self._sent = self._sent, None
        if sent is not None:
            try:
                self._loaded = pickle.loads(sent)
            except Exception as error:  # noqa: BLE001 - whatever a stranger's class raises
                self._give_up(error)

    def of(self, text: str) -> Tokens:
        """Return the tokens of a caption by name, without a first axis; none if the encoder is to make them."""
        if self._loaded is None:
            return {}
        try:
            return {name: np.asarray(rows)[0] for name, rows in self._loaded([text]).items()}
        except Exception as error:  # noqa: BLE001 - as above; the encoder will raise it again, if it does too
            self._give_up(error)
            return {}

    def _give_up(self, error: Exception) -> None:
        self._loaded = None
        self.notes.append(
            f"captions are tokenised in the training process, as a loader worker could not ({type(error).__name__}: "
            f"{error})"
        )


def _pickled(tokenise: object) -> bytes | None:
    try:
        return None if tokenise is None else pickle.dumps(tokenise)
    except Exception:  # noqa: BLE001 - whatever a stranger's class raises: it stays where it is
        return None


def stacked(rows: Sequence[Tokens]) -> dict[str, torch.Tensor]:
    """Return the tokens of a batch, a row a caption; none unless all captions have them, in equal shapes."""
    shapes = [{name: values.shape for name, values in row.items()} for row in rows]
    if not rows or not all(shapes) or any(shape != shapes[0] for shape in shapes):
        return {}
    return {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}
