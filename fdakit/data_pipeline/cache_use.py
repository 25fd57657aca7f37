"""Markers for sets of clips in the cache folder that a run reads, so that `fdakit cache clear` leaves them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fdakit.errors import FdakitError
from fdakit.system.cache_folder import cache_folder
from fdakit.system.locks import is_free, shared_lock
from fdakit.values import Split

_LOCK = ".in-use"


@contextmanager
def cached_clips_in_use(splits: Iterable[Split]) -> Iterator[None]:
    """Protect the sets `<cache>/<kind>/<set>` that hold videos of these splits from being cleared."""
    with ExitStack() as stack:
        for folder in sorted(set(_sets(splits))):
            stack.enter_context(shared_lock(folder / _LOCK))
        yield


def in_use(folder: Path) -> bool:
    """Return whether a run reads clips of this set."""
    return not is_free(folder / _LOCK)


def vanished(path: Path) -> FdakitError | None:
    """Return the error for a clip that is gone from the cache folder; None for any other file.

    Such a clip is not damaged: it is rendered again when its split is loaded again.
    """
    if path.exists() or not path.absolute().is_relative_to(cache_folder().absolute()):
        return None
    return FdakitError(
        f"{path.absolute()}: gone from the cache folder since this began, as it was cleared; do the same again, or "
        "go on with `fdakit run --resume` and the run folder: it is rendered anew"
    )


def _sets(splits: Iterable[Split]) -> Iterator[Path]:
    cache = cache_folder().absolute()
    for path in {video.path.absolute().parent for split in splits for video in split.videos}:
        if path.is_relative_to(cache) and len(path.relative_to(cache).parts) >= 2:
            yield cache.joinpath(*path.relative_to(cache).parts[:2])
