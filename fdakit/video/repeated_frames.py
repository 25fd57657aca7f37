"""Repeated frames: films shown at a higher rate than they were shot at, 25 as 30, show some pictures twice.

A neighbour that shows its frame's picture again tells a mask nothing. Encoders do not leave repeats equal, so the
change between two frames says little by itself; next to the change that comes with the following picture it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .frame_buffer import FrameBuffer, miniature_size

if TYPE_CHECKING:
    from av import VideoFrame

REACH = 5
"""Frames beyond a neighbour that are looked at: what repeats longer than that is a still picture."""

_DOUBT = 2.0  # a larger change is that of another picture; 99 of 100 repeats in 11 natural films change by less
_JUMP = 3.0  # times the change before; an even motion changes at most twice as much over twice the time
_LEAST = 0.3  # a change of which nothing is told

Miniature = NDArray[np.uint8]


def change(one: Miniature, other: Miniature) -> float:
    """By how many grey levels two miniatures differ, root mean square over their pixels."""
    away = one.astype(np.float32) - other
    return float(np.sqrt(np.mean(away * away)))


def doubtful(changed: float) -> bool:
    """Return whether a change is so small that its frame may be a repeat."""
    return changed < _DOUBT


def first_other(changes: Sequence[float]) -> int:
    """Return which of the frames that follow each other away from a frame is the first to show another picture.

    `changes` are those from that frame to each of them. The first is taken unless it is doubtful and the change
    jumps, from one to the next, to three times as much: then the frame after the jump. So what moves slowly, or not
    at all, is no repeat.
    """
    if not doubtful(changes[0]):
        return 0
    for place in range(1, len(changes)):
        if changes[place] >= max(_JUMP * changes[place - 1], _LEAST):
            return place
    return 0


def repeats(changes: Sequence[float]) -> bool:
    """Return whether the first of these frames shows the picture again that `changes` were measured from."""
    return first_other(changes) > 0 or changes[0] < _LEAST


def step_over_repeats(
    here: NDArray[np.int64],
    there: NDArray[np.int64],
    *,
    last: int,
    read: Callable[[NDArray[np.int64]], NDArray[np.uint8]],
) -> NDArray[np.int64]:
    """For readers: the positions `(t,)` of neighbours that show another picture than the frames at `here (t,)`.

    `there (t,)` are the neighbours at their gap, clamped to the file, `last` is its last position. `read` gives the
    frames uint8 `(n, h, w, 3)` at ascending positions `(n,)`; it is called once, and again where some may be repeats.
    """
    wanted = np.union1d(here, there)
    known = dict(zip(wanted.tolist(), map(luma_miniature, read(wanted)), strict=True))
    searches = {
        row: places
        for row, (one, other) in enumerate(zip(here.tolist(), there.tolist(), strict=True))
        if (places := _beyond(one, other, last)) and doubtful(change(known[one], known[other]))
    }
    missing = np.array(sorted({place for places in searches.values() for place in places} - known.keys()), np.int64)
    if len(missing):
        known.update(zip(missing.tolist(), map(luma_miniature, read(missing)), strict=True))
    found = there.copy()
    for row, places in searches.items():
        chain = (int(there[row]), *places)
        found[row] = chain[first_other([change(known[int(here[row])], known[place]) for place in chain])]
    return found


def luma_miniature(frame: NDArray[np.uint8]) -> Miniature:
    """Return the luma `(h, w)` of an RGB frame `(h, w, 3)`, averaged to `SHORT_SIDE` px on its shorter side."""
    height, width = miniature_size(frame.shape[:2])
    return np.asarray(Image.fromarray(frame).convert("L").resize((width, height), Image.Resampling.BOX))


def _beyond(here: int, there: int, last: int) -> tuple[int, ...]:
    """Return the positions in a file beyond a neighbour that a search looks at, the nearest first."""
    step = int(np.sign(there - here))
    places = (there + step * away for away in range(1, REACH + 1))
    return tuple(place for place in places if step and 0 <= place <= last)


def before_each(positions: Sequence[int]) -> set[int]:
    """Return the positions that tell whether the frames at `positions` are repeats, and of which frame."""
    return {place - away for place in positions for away in range(1, REACH + 2) if place >= away}


def shown_first(position: int, miniatures: Mapping[int, Miniature]) -> int:
    """Return the position of the frame that first showed the picture of a frame: its own where it is no repeat.

    Motion vectors of a repeat say that nothing moved. `miniatures` has the frame and, as far as they were decoded,
    those `before_each` names.
    """
    changes = []
    for place in range(position - 1, position - 2 - REACH, -1):
        if place not in miniatures:
            break
        changes.append(change(miniatures[position], miniatures[place]))
    return position - first_other(changes) if changes else position


@dataclass
class RepeatSearch:
    """For the neighbour at (`layer`, `row`) of a canvas, what lies beyond it: `places`, the nearest first.

    `seen` is the miniature of the sampled frame, `changed` how much the neighbour differs from it.
    """

    layer: int
    row: int
    seen: Miniature
    changed: float
    places: tuple[int, ...]
    found: dict[int, tuple[float, Any]] = field(default_factory=dict)

    def chosen(self) -> Any:
        """Return the frame that stands in for the neighbour; None if that stays."""
        near = [self.found[place] for place in self.places if place in self.found]
        best = first_other([self.changed, *(changed for changed, _ in near)])
        return near[best - 1][1] if best else None


def find_searches(canvas: FrameBuffer, layers: Sequence[Sequence[int]], *, last: int) -> list[RepeatSearch]:
    """Return a search for each neighbour on the canvas that may be a repeat.

    `layers` are positions in the file, those of the sampled frames first; `last` is the file's last position.
    """
    found = []
    for layer, positions in enumerate(layers[1:], 1):
        for row, (here, there) in enumerate(zip(layers[0], positions, strict=True)):
            places = _beyond(here, there, last)
            changed = change(canvas.miniatures[here], canvas.miniatures[there])
            if places and doubtful(changed):
                found.append(RepeatSearch(layer, row, canvas.miniatures[here], changed, places))
    return found


class RepeatDetector:
    """Takes frames as a `FrameBuffer` does, and puts those that stand in for repeats onto another one.

    Frames are held until all that a search asks for have come: a dozen at a time.
    """

    def __init__(self, canvas: FrameBuffer, searches: Iterable[RepeatSearch]) -> None:
        self.slots: dict[int, list[RepeatSearch]] = {}
        for search in searches:
            for place in search.places:
                self.slots.setdefault(place, []).append(search)
        self._canvas = canvas
        self.stack = canvas.stack

    def set_up(self, frame: VideoFrame) -> None:
        """Nothing: the canvas knows the geometry of its file."""

    def take(self, position: int, frame: VideoFrame, *, vectors: bool = False) -> None:
        """Show a frame to the searches that asked for it."""
        seen = self._canvas.miniature(frame)
        for search in self.slots[position]:
            search.found[position] = (change(search.seen, seen), frame)
            if len(search.found) == len(search.places):
                self._settle(search)

    def finish(self) -> None:
        """Settle the searches whose frames did not all come, as those of a damaged file."""
        for search in {id(one): one for asked in self.slots.values() for one in asked}.values():
            self._settle(search)

    def _settle(self, search: RepeatSearch) -> None:
        frame = search.chosen()
        if frame is not None:
            self._canvas.put(frame, [(search.layer, search.row)])
        search.found.clear()
