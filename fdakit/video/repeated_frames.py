"""Repeated frames: videos converted to a higher frame rate, 25 to 30, show some frames twice.

A neighbour that repeats its frame carries no information for a mask. Encoders do not keep repeats identical, so the
change between two frames alone does not identify a repeat; compared with the change to the following frame it does.
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
"""Frames examined beyond a neighbour: what repeats longer than that is a still image."""

_DOUBT = 2.0  # a larger change means a new frame; 99 of 100 repeats in 11 natural videos change by less
_JUMP = 3.0  # times the change before; a uniform motion changes at most twice as much over twice the time
_LEAST = 0.3  # smallest change that is evaluated

Miniature = NDArray[np.uint8]


def change(one: Miniature, other: Miniature) -> float:
    """Return the root mean square difference of two miniatures, in grey levels."""
    away = one.astype(np.float32) - other
    return float(np.sqrt(np.mean(away * away)))


def doubtful(changed: float) -> bool:
    """Return whether a change is so small that its frame may be a repeat."""
    return changed < _DOUBT


def first_other(changes: Sequence[float]) -> int:
    """Return the index of the first of the frames going away from a frame that shows another image.

    `changes` are the changes from that frame to each of them. The first is returned unless it is doubtful and the
    change jumps, from one frame to the next, to three times as much: then the frame after the jump. So slow or absent
    motion does not count as a repeat.
    """
    if not doubtful(changes[0]):
        return 0
    for place in range(1, len(changes)):
        if changes[place] >= max(_JUMP * changes[place - 1], _LEAST):
            return place
    return 0


def repeats(changes: Sequence[float]) -> bool:
    """Return whether the first of these frames repeats the frame that `changes` were measured from."""
    return first_other(changes) > 0 or changes[0] < _LEAST


def step_over_repeats(
    here: NDArray[np.int64],
    there: NDArray[np.int64],
    *,
    last: int,
    read: Callable[[NDArray[np.int64]], NDArray[np.uint8]],
) -> NDArray[np.int64]:
    """Return, for readers, the positions `(t,)` of neighbours that differ from the frames at `here (t,)`.

    `there (t,)` are the neighbours at their gap, clamped to the file; `last` is its last position. `read` returns the
    frames uint8 `(n, h, w, 3)` at ascending positions `(n,)`; it is called once, and again if some may be repeats.
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
    """Return the positions in a file beyond a neighbour that a search examines, the nearest first."""
    step = int(np.sign(there - here))
    places = (there + step * away for away in range(1, REACH + 1))
    return tuple(place for place in places if step and 0 <= place <= last)


def before_each(positions: Sequence[int]) -> set[int]:
    """Return the positions needed to decide whether the frames at `positions` are repeats, and of which frame."""
    return {place - away for place in positions for away in range(1, REACH + 2) if place >= away}


def shown_first(position: int, miniatures: Mapping[int, Miniature]) -> int:
    """Return the position of the frame that a frame repeats; its own if it is not a repeat.

    Motion vectors of a repeat are zero. `miniatures` has the frame and, as far as they were decoded, the frames that
    `before_each` names.
    """
    changes = []
    for place in range(position - 1, position - 2 - REACH, -1):
        if place not in miniatures:
            break
        changes.append(change(miniatures[position], miniatures[place]))
    return position - first_other(changes) if changes else position


@dataclass
class RepeatSearch:
    """The search beyond the neighbour at (`layer`, `row`) of a canvas: `places`, the nearest first.

    `seen` is the miniature of the sampled frame, `changed` how much the neighbour differs from it.
    """

    layer: int
    row: int
    seen: Miniature
    changed: float
    places: tuple[int, ...]
    found: dict[int, tuple[float, Any]] = field(default_factory=dict)

    def chosen(self) -> Any:
        """Return the frame that replaces the neighbour; None if the neighbour stays."""
        near = [self.found[place] for place in self.places if place in self.found]
        best = first_other([self.changed, *(changed for changed, _ in near)])
        return near[best - 1][1] if best else None


def find_searches(canvas: FrameBuffer, layers: Sequence[Sequence[int]], *, last: int) -> list[RepeatSearch]:
    """Return a search for each neighbour on the canvas that may be a repeat.

    `layers` are positions in the file, the sampled frames first; `last` is the file's last position.
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
    """A frame sink that stores the replacements of repeats on another canvas.

    Frames are held until all that a search needs have arrived: a dozen at a time.
    """

    def __init__(self, canvas: FrameBuffer, searches: Iterable[RepeatSearch]) -> None:
        self.slots: dict[int, list[RepeatSearch]] = {}
        for search in searches:
            for place in search.places:
                self.slots.setdefault(place, []).append(search)
        self._canvas = canvas
        self.stack = canvas.stack

    def set_up(self, frame: VideoFrame) -> None:
        """Do nothing: the canvas already knows the geometry of its file."""

    def take(self, position: int, frame: VideoFrame, *, vectors: bool = False) -> None:
        """Pass a frame to the searches that need it."""
        seen = self._canvas.miniature(frame)
        for search in self.slots[position]:
            search.found[position] = (change(search.seen, seen), frame)
            if len(search.found) == len(search.places):
                self._settle(search)

    def finish(self) -> None:
        """Complete the searches whose frames did not all arrive, as in a damaged file."""
        for search in {id(one): one for asked in self.slots.values() for one in asked}.values():
            self._settle(search)

    def _settle(self, search: RepeatSearch) -> None:
        frame = search.chosen()
        if frame is not None:
            self._canvas.put(frame, [(search.layer, search.row)])
        search.found.clear()
