"""Exact video decoding, and the transform of frames.

`__init__.pyi` lists the names for authors of readers and masks; they are imported on first use.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
