"""The interface of mask backends. All backends give bit-identical results."""

from __future__ import annotations

from typing import Any, Literal, Protocol

Backend = Literal["auto", "scikit-image", "numpy", "opencv", "torch"]
Connectivity = Literal[4, 8]


class MaskBackend(Protocol):
    """The steps of a mask on stacks `(t, h, w)`; `Any` is the backend's own array type."""

    def grey(self, frames: Any) -> Any:
        """Return the BT.601 luma, uint8 `(t, h, w)` rounded half up, of uint8 RGB frames in the clip's layout."""
        ...

    def channels(self, frames: Any) -> Any:
        """Return uint8 RGB frames in the clip's layout as `(3, t, h, w)`."""
        ...

    def difference(self, one: Any, other: Any) -> Any:
        """Return the absolute difference of two uint8 stacks of one shape, uint8."""
        ...

    def largest(self, layers: Any) -> Any:
        """Return the maximum of each pixel over the first axis."""
        ...

    def smallest(self, layers: Any) -> Any:
        """Return the minimum of each pixel over the first axis."""
        ...

    def stack(self, layers: Any) -> Any:
        """Return a list of arrays stacked along a new first axis."""
        ...

    def counts(self, levels: Any) -> Any:
        """Return the histogram of each frame of a uint8 stack: numpy int64 `(t, 256)`."""
        ...

    def above(self, levels: Any, thresholds: Any) -> Any:
        """Return the bool masks of levels strictly above each frame's threshold, numpy float64 `(t,)`."""
        ...

    def close(self, masks: Any, footprint: Any) -> Any:
        """Return bool masks closed by the footprint, numpy uint8 `(k, k)`.

        Pixels outside the frame are ignored.
        """
        ...

    def open(self, masks: Any, footprint: Any) -> Any:
        """Return bool masks opened by the footprint; pixels outside the frame are ignored."""
        ...

    def dilate(self, masks: Any, footprint: Any) -> Any:
        """Return bool masks dilated by the footprint."""
        ...

    def drop_small(self, masks: Any, area: int, connectivity: Connectivity) -> Any:
        """Return bool masks without components of less than `area` pixels."""
        ...

    def fill_holes(self, masks: Any, connectivity: Connectivity) -> Any:
        """Return bool masks with their holes filled; the background has the other connectivity."""
        ...

    def numpy(self, array: Any) -> Any:
        """Return the array as a numpy array."""
        ...
