"""Selection of the mask backend: scikit-image, numpy, OpenCV or torch, with bit-identical results.

scikit-image is the reference. OpenCV is many times faster and used if it is installed, numpy otherwise; torch works
on the model's device. Arrays are numpy's or, with torch, tensors.
"""

from __future__ import annotations

from importlib.util import find_spec

from fdakit.errors import PluginError
from fdakit.system.optional_libraries import library_fault

from .backend import Backend, MaskBackend


def get_backend(backend: Backend) -> MaskBackend:
    """Return the backend of that name; `auto` takes OpenCV if it is installed and can be loaded, else numpy.

    Raises `PluginError` if the library is not installed, or OpenCV cannot be loaded.
    """
    if backend == "auto":
        backend = "opencv" if find_spec("cv2") and not library_fault("cv2") else "numpy"
    if backend == "opencv":
        require_opencv("mask backend 'opencv'", advice="set backend = 'auto'")
    return _load(backend)


def require_opencv(user: str, *, advice: str) -> None:
    """Raise `PluginError` if OpenCV is not installed or cannot be loaded: `user` needs it, `advice` does without."""
    if not find_spec("cv2"):
        raise PluginError(f'{user}: cv2 is not installed; pip install "fdakit[opencv]", or {advice}')
    if fault := library_fault("cv2"):
        raise PluginError(f"{user}: {fault}, or {advice}")


def _load(backend: Backend) -> MaskBackend:
    # Imports are explicit, so that the cache keys cover the code of every backend.
    if backend == "opencv":
        from . import opencv_backend

        return opencv_backend.BACKEND
    if backend == "torch":
        from . import torch_backend

        return torch_backend.BACKEND
    if backend == "scikit-image":
        from . import skimage_backend

        return skimage_backend.BACKEND
    from . import numpy_backend

    return numpy_backend.BACKEND
