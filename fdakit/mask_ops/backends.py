"""What the steps of a mask are computed with: scikit-image, numpy, OpenCV or torch, equal to the bit.

scikit-image is the reference. OpenCV is many times faster and used where it is installed, numpy otherwise; torch
works on the model's device. Arrays are numpy's or, with torch, tensors.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, Protocol

from fdakit.errors import PluginError
from fdakit.system.optional_libraries import library_fault

Backend = Literal["auto", "scikit-image", "numpy", "opencv", "torch"]
Connectivity = Literal[4, 8]

_MODULES = {
    "scikit-image": "skimage_engine",
    "numpy": "numpy_engine",
    "opencv": "opencv_engine",
    "torch": "torch_engine",
}
_LIBRARIES = {"scikit-image": "skimage", "numpy": "numpy", "opencv": "cv2", "torch": "torch"}


class MaskBackend(Protocol):
    """The steps, on stacks `(t, h, w)`; `Any` is the engine's own array type."""

    def grey(self, frames: Any) -> Any:
        """uint8 RGB frames, as the clip holds them -> BT.601 luma uint8 `(t, h, w)`, rounded half up."""
        ...

    def channels(self, frames: Any) -> Any:
        """uint8 RGB frames, as the clip holds them -> uint8 `(3, t, h, w)`."""
        ...

    def difference(self, one: Any, other: Any) -> Any:
        """Absolute difference of uint8 stacks of one shape, uint8."""
        ...

    def largest(self, layers: Any) -> Any:
        """The largest of each pixel over the first axis."""
        ...

    def smallest(self, layers: Any) -> Any:
        """The smallest of each pixel over the first axis."""
        ...

    def stack(self, layers: Any) -> Any:
        """A list of arrays as one, along a new first axis."""
        ...

    def counts(self, levels: Any) -> Any:
        """How often each level occurs in each picture of a uint8 stack: numpy int64 `(t, 256)`."""
        ...

    def above(self, levels: Any, thresholds: Any) -> Any:
        """bool: strictly above the threshold of each picture, numpy float64 `(t,)`."""
        ...

    def close(self, masks: Any, footprint: Any) -> Any:
        """bool masks -> closed by the footprint, numpy uint8 `(k, k)`; what lies outside the picture has no say."""
        ...

    def open(self, masks: Any, footprint: Any) -> Any:
        """bool masks -> opened by the footprint; what lies outside the picture has no say."""
        ...

    def dilate(self, masks: Any, footprint: Any) -> Any:
        """bool masks -> dilated by the footprint."""
        ...

    def drop_small(self, masks: Any, area: int, connectivity: Connectivity) -> Any:
        """bool masks without components of less than `area` pixels."""
        ...

    def fill_holes(self, masks: Any, connectivity: Connectivity) -> Any:
        """bool masks with what they enclose; the ground connects the other way than the masks."""
        ...

    def numpy(self, array: Any) -> Any:
        """The array as numpy's."""
        ...


def get_backend(backend: Backend) -> MaskBackend:
    """The engine of that name; `auto` takes OpenCV where it is installed and can be loaded, else numpy.

    Raises `PluginError` where the library is not installed, or OpenCV cannot be loaded.
    """
    if backend == "auto":
        backend = "opencv" if find_spec("cv2") and not library_fault("cv2") else "numpy"
    if not find_spec(_LIBRARIES[backend]):
        raise PluginError(
            f"mask backend {backend!r}: {_LIBRARIES[backend]} is not installed; "
            "pip install \"fdakit[opencv]\", or set backend = 'auto'"
        )
    if backend == "opencv" and (fault := library_fault("cv2")):
        raise PluginError(f"mask backend 'opencv': {fault}, or set backend = 'auto'")
    engine: MaskBackend = import_module(f".{_MODULES[backend]}", __package__).ENGINE
    return engine
