"""Lance, the format of the table: an optional library."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from fdakit.errors import FdakitError
from fdakit.system.optional_libraries import library_fault


@cache
def lance() -> Any:
    """Return the module `lance`. Raises `FdakitError` if it cannot be used."""
    os.environ.setdefault("LANCE_LOG", "error")  # a line of deprecation a query otherwise
    fault = library_fault("lance")
    if fault:
        raise FdakitError(f'{fault}; an index needs it: pip install "fdakit[search]"')
    import lance as library
    import lance.fragment

    return library
