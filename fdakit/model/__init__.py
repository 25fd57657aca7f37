"""CLIP towers, their weights, and the retriever.

The names for authors of encoders and fusions are listed in `__init__.pyi`; they arrive when first used, and torch
with them.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
