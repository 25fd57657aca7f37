"""What parts know of the pairs of a batch beside clips and captions: the values of `Batch.extra`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from fdakit.errors import PartError, attribute_errors
from fdakit.plugin.abilities import GivesExtra
from fdakit.plugin.batching import TrainingPairs, extra_rows
from fdakit.values import Batch


class ExtraValues:
    """The values of those parts that give any; each part comes with the label that errors name it by.

    Rows are found by video and caption, so they are right for whatever clips are left of a batch, in any order.
    """

    def __init__(self, parts: Iterable[tuple[str, object]], pairs: TrainingPairs) -> None:
        self._givers = [(label, part) for label, part in parts if isinstance(part, GivesExtra)]
        self._pairs = pairs

    def of(self, batch: Batch) -> dict[str, Any]:
        """Return the values by name, a row a clip: tensors, or tuples of what is none.

        Raises `PartError` if a part fails, gives another number of rows, or a name that another part gives.
        """
        found: dict[str, Any] = {}
        if not self._givers or not batch.ids:
            return found
        pairs = self._pairs.rows([self._rows[key] for key in zip(batch.ids, batch.texts, strict=True)])
        for label, part in self._givers:
            with attribute_errors(label, "in extra"):
                given = extra_rows(part.extra(pairs))
            for name, value in given.items():
                if len(value) != len(pairs):
                    raise PartError(f"{label} failed in extra: {name!r} has {len(value)} rows for {len(pairs)} pairs")
                if name in found:
                    raise PartError(f"{label} failed in extra: {name!r} is given by another part too; rename it")
                found[name] = value
        return found

    @cached_property
    def _rows(self) -> dict[tuple[str, str], int]:
        keys = list(zip(self._pairs.ids, self._pairs.texts, strict=True))
        return {key: row for row, key in reversed(list(enumerate(keys)))}
