"""Optional libraries: whether one can be used here, and what to install if not.

An import may succeed, or fail, depending on system libraries: torchcodec loads FFmpeg's when its first decoder is
created, OpenCV's package with windows loads those of a desktop.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

_CURES = {
    "torchcodec": "install FFmpeg's shared libraries, as by `apt install ffmpeg`, and the torchcodec of your torch",
    "cv2": "pip install opencv-python-headless in place of opencv-python",
}
OPTIONAL = ("cv2", "torchcodec", "decord")


def is_installed(module: str) -> bool:
    """Return whether the package is installed, usable or not; imports nothing."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # a partly removed package
        return False


def library_fault(module: str) -> str:
    """Return why a module cannot be used, in one line with the remedy; "" if it can. Imports it."""
    if not is_installed(module):
        return f"{module} cannot be imported (No module named {module!r})"
    try:
        import_module(module)
        if module == "torchcodec":
            _load_ffmpeg()
    except (ImportError, OSError, RuntimeError) as error:
        said = str(error).strip().partition("\n")[0].partition(". Likely causes")[0]
        return f"{module} cannot load its libraries ({said}); {_CURES.get(module, 'install it again')}"
    return ""


def _load_ffmpeg() -> None:
    """Make torchcodec load FFmpeg. Raises `RuntimeError` if it cannot."""
    decoder = import_module("torchcodec.decoders").VideoDecoder
    try:
        decoder(b"\0")
    except Exception as error:
        if "libtorchcodec" in str(error):
            raise
        return  # FFmpeg was loaded and found no video
