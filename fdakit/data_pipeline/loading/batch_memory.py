"""Where the arrays of a batch lie in one block of memory, which loader workers write and the main process reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.data_pipeline.alpha_levels import Alpha
from fdakit.data_pipeline.clip_item import ClipItem
from fdakit.errors import PartError

_ALIGN = 4096  # bytes, a page: arrays are pinned one by one
Views = Mapping[str, NDArray[Any]]
PARTNER = "partner "


@dataclass(frozen=True)
class ClipContents:
    """What a data set gives of every clip, padded to `length` frames of `size` px: frames, and alpha by control.

    If the mask works on the device there are no controls but `neighbours` and `luma`, by gap; `partner` is whether a
    second clip comes along.
    """

    length: int
    size: int
    controls: tuple[str, ...] = ()
    neighbours: tuple[int, ...] = ()
    luma: tuple[int, ...] = ()
    partner: bool = False

    def arrays(self) -> Iterator[tuple[str, tuple[int, ...], np.dtype[Any]]]:
        """Yield name, shape of one clip and type of each array: what every clip fills first, then `floats`."""
        pictures, planes = (self.length, 3, self.size, self.size), (self.length, self.size, self.size)
        byte = np.dtype(np.uint8)
        for whose in ("", PARTNER) if self.partner else ("",):
            yield f"{whose}frames", pictures, byte
            yield from ((f"{whose}near {gap}", pictures, byte) for gap in self.neighbours)
            yield from ((f"{whose}luma {gap}", planes, byte) for gap in self.luma)
        yield from ((f"levels {control}", planes, byte) for control in self.controls)
        yield from ((f"floats {control}", planes, np.dtype(np.float32)) for control in self.controls)


@dataclass(frozen=True)
class BatchLayout:
    """The arrays of `clips` clips one after another: `floats` last, as most masks never write there."""

    contents: ClipContents
    clips: int

    @property
    def size(self) -> int:
        """The bytes of a batch."""
        return max((end for _, end, *_ in self.places()), default=0) or _ALIGN

    def places(self) -> Iterator[tuple[int, int, str, tuple[int, ...], np.dtype[Any]]]:
        """Yield first byte, end, name, shape and type of each array."""
        start = 0
        for name, shape, dtype in self.contents.arrays():
            end = start + self.clips * int(np.prod(shape)) * dtype.itemsize
            yield start, end, name, (self.clips, *shape), dtype
            start = end + -end % _ALIGN

    def views(self, memory: Any) -> Views:
        """Return the arrays of a block by name, each `(clips, length, ...)`."""
        flat = np.frombuffer(memory, np.uint8)
        return {name: flat[start:end].view(dtype).reshape(shape) for start, end, name, shape, dtype in self.places()}


@dataclass(frozen=True)
class ClipFacts:
    """What is told of a clip whose arrays lie in a batch; `soft` are the controls whose alpha is in `floats`."""

    id: str
    times: NDArray[np.float64]
    repaired: str = ""
    notes: tuple[str, ...] = ()
    soft: frozenset[str] = frozenset()
    partner: ClipFacts | None = None
    tokens: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def write_clip(item: ClipItem, contents: ClipContents, views: Views, row: int) -> ClipFacts:
    """Write a clip into a row of a batch, frames as planes `(t, 3, s, s)`, 0 where it is padded."""
    partner = None
    if contents.partner and item.partner is not None:
        _write_pictures(item.partner, contents, views, row, PARTNER)
        partner = ClipFacts(item.partner.id, item.partner.times)
    _write_pictures(item, contents, views, row, "")
    soft = frozenset(c for c in contents.controls if _write_alpha(item.masks[c], views, row, c))
    return ClipFacts(item.id, item.times, item.repaired, item.notes, soft, partner, item.tokens)


def _write_alpha(alpha: Alpha, views: Views, row: int, control: str) -> bool:
    """Write the masks of a clip, and return whether they are no levels."""
    soft = alpha.dtype != np.uint8
    _fill(views[f"{'floats' if soft else 'levels'} {control}"][row], alpha)
    return soft


def _write_pictures(item: ClipItem, contents: ClipContents, views: Views, row: int, whose: str) -> None:
    try:
        _fill(views[f"{whose}frames"][row], item.frames.transpose(0, 3, 1, 2))
        for gap in contents.neighbours:
            _fill(views[f"{whose}near {gap}"][row], item.neighbours[gap].transpose(0, 3, 1, 2))
        for gap in contents.luma:
            _fill(views[f"{whose}luma {gap}"][row], item.luma[gap])
    except KeyError as error:
        raise PartError(
            f"video {item.id!r}: the reader gave no frames at gap {error}, which the mask needs"
        ) from error


def _fill(place: NDArray[Any], values: NDArray[Any]) -> None:
    place[: len(values)] = values
    place[len(values) :] = 0
