"""The folder of `--out`, made before the work whose files it is for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fdakit.errors import FdakitError


@contextmanager
def target_folder(out: Path | None) -> Iterator[None]:
    """Make the folder, so that nobody counts for an hour to learn that it cannot be; None makes none.

    A folder that was made and is empty in the end is taken away again. Raises `FdakitError` if it cannot be made.
    """
    made = [] if out is None else [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        if out is not None:
            try:
                out.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise FdakitError(
                    f"{out.absolute()}: cannot be made ({error.strerror}); choose with --out"
                ) from error
        yield
    finally:
        with suppress(OSError):  # something lies in it
            for folder in made:
                folder.rmdir()
