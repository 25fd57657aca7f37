"""fdakit: find videos by text. What users of the library import; plugin authors import `fdakit.plugin`.

Importing it is cheap: the names, listed in `__init__.pyi`, arrive when first used, and torch only when it is needed.
"""

from lazy_loader import attach_stub

from .version import __version__ as __version__

_find, __dir__, __all__ = attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    try:
        return _find(name)
    except AttributeError:
        from .moved_names import refuse_moved

        refuse_moved(name)
        raise
