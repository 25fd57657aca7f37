"""Reading the files of data sets: tables, caption files, archives, videos by id.

`__init__.pyi` lists the names for authors of data sets; they are imported on first use.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
