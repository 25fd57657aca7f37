"""The steps of a mask that a backend computes: what every backend has, equal to the bit."""

from __future__ import annotations

from typing import Any, Literal, Protocol

Backend = Literal["auto", "scikit-image", "numpy", "opencv", "torch"]
Connectivity = Literal[4, 8]


class MaskBackend(Protocol):
    """The steps, on stacks `(t, h, w)`; `Any` is the engine's own array type."""

    def grey(self, frames: Any) -> Any:
        """Return uint8 RGB frames, as the clip holds them -> BT.601 luma uint8 `(t, h, w)`, rounded half up."""
        ...

    def channels(self, frames: Any) -> Any:
        """Return uint8 RGB frames, as the clip holds them -> uint8 `(3, t, h, w)`."""
        ...

    def difference(self, one: Any, other: Any) -> Any:
        """Absolute difference of uint8 stacks of one shape, uint8."""
        ...

    def largest(self, layers: Any) -> Any:
        """Return the largest of each pixel over the first axis."""
        ...

    def smallest(self, layers: Any) -> Any:
        """Return the smallest of each pixel over the first axis."""
        ...

    def stack(self, layers: Any) -> Any:
        """Return a list of arrays as one, along a new first axis."""
        ...

    def counts(self, levels: Any) -> Any:
        """Return how often each level occurs in each picture of a uint8 stack: numpy int64 `(t, 256)`."""
        ...

    def above(self, levels: Any, thresholds: Any) -> Any:
        """Return bool: strictly above the threshold of each picture, numpy float64 `(t,)`."""
        ...

    def close(self, masks: Any, footprint: Any) -> Any:
        """Return bool masks -> closed by the footprint, numpy uint8 `(k, k)`.

        What lies outside the picture has no say.
        """
        ...

    def open(self, masks: Any, footprint: Any) -> Any:
        """Return bool masks -> opened by the footprint; what lies outside the picture has no say."""
        ...

    def dilate(self, masks: Any, footprint: Any) -> Any:
        """Return bool masks -> dilated by the footprint."""
        ...

    def drop_small(self, masks: Any, area: int, connectivity: Connectivity) -> Any:
        """Return bool masks without components of less than `area` pixels."""
        ...

    def fill_holes(self, masks: Any, connectivity: Connectivity) -> Any:
        """Return bool masks with what they enclose; the ground connects the other way than the masks."""
        ...

    def numpy(self, array: Any) -> Any:
        """Return the array as numpy's."""
        ...
