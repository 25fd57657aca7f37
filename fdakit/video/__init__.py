"""Exact decoding of video, and the transform of its frames.

The names for authors of readers and masks are listed in `__init__.pyi`; they arrive when first used.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
