"""Reading what data sets ship: tables, caption files, archives, videos by id.

The names for authors of data sets are listed in `__init__.pyi`; they arrive when first used.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
