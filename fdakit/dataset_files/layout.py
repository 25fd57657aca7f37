"""A data set's folder: which of a file's possible names exists."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fdakit.errors import DatasetError
from fdakit.values import SourceFile


def require_root(root: Path, name: str, sources: Iterable[SourceFile]) -> None:
    """Raise `DatasetError` if the folder of data set `name` is absent, with all that belongs into it.

    Checked before any split's own files, it is reported once and not for each split.
    """
    if root.is_file():
        raise DatasetError(f"{root.absolute()}: found a file; name the folder of {name} as dataset.root")
    if not root.is_dir():
        paths = ", ".join(dict.fromkeys(source.path for source in sources))
        raise DatasetError(
            f"{root.absolute()}: {name} is absent; `fdakit data prepare {name} --root {root}` says from where to get "
            f"{paths}"
        )


def locate_source(root: Path, source: SourceFile) -> Path | None:
    """Return the first existing file or folder among its names, or None; an empty folder only if nothing else.

    Raises `DatasetError` if the folder cannot be listed.
    """
    try:
        found = [root / name for name in (source.path, *source.others) if (root / name).exists()]
        return next((path for path in found if not _empty_folder(path)), found[0] if found else None)
    except OSError as error:
        path = Path(error.filename or root).absolute()
        raise DatasetError(f"{path}: cannot be read ({error.strerror}); correct its rights") from error


def _empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def find_source(root: Path, source: SourceFile) -> Path:
    """Return the first existing file or folder among its names.

    Raises `DatasetError` with what it is, its possible names, and where to get it.
    """
    found = locate_source(root, source)
    if found is None:
        be = "are" if len(source.others) > 1 else "is"
        others = f", and so {be} {', '.join(source.others)}" if source.others else ""
        path = (root / source.path).absolute()
        raise DatasetError(f"{path}: absent{others}; put there: {source.what}, from {source.origin}")
    return found
