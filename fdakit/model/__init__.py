"""CLIP towers, their weights, and the retriever.

`__init__.pyi` lists the names for authors of encoders and fusions; they, and torch, are imported on first use.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
