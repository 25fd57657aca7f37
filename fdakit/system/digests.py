"""SHA-256 digests of a folder's files in the format of `sha256sum`: written once, verified at every reading."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import file_digest
from pathlib import Path

from fdakit.errors import FdakitError

from .regular_files import ADVICE, full, open_regular, read_text, unreadable

SUMS = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")
_LIMIT = 1 << 20
_PUT_BACK = "put back the one that was written with them"


def file_sha256(path: Path, *, error: type[FdakitError] = FdakitError, advice: str = ADVICE) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal.

    Raises `error`, ending in `advice`, unless it is a regular file that can be read.
    """
    with open_regular(path, error=error, advice=advice) as handle:
        try:
            return file_digest(handle, "sha256").hexdigest()
        except OSError as fault:
            raise unreadable(path, fault, error=error, advice=advice) from fault


def digest_lines(folder: Path, names: Iterable[str]) -> str:
    """Return the lines of SHA256SUMS for files of a folder. Raises `FdakitError` if one cannot be read."""
    return listed({name: file_sha256(folder / name) for name in sorted(names)})


def listed(digests: Mapping[str, str]) -> str:
    """Return digests by file name as the text of SHA256SUMS."""
    return "".join(f"{digest}  {name}\n" for name, digest in digests.items())


def read_digests(
    folder: Path, *, error: type[FdakitError] = FdakitError, advice: str = _PUT_BACK
) -> dict[str, str] | None:
    """Return the digests in a folder's SHA256SUMS by file name; None if there is no such file.

    Raises `error`, ending in `advice`, if the list itself is damaged.
    """
    path = folder / SUMS
    if not path.exists():
        return None
    found = {}
    text = read_text(path, limit=_LIMIT, error=error, advice=advice, names=True)
    for number, line in enumerate(text.splitlines(), 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise error(
                f"{full(path)}: line {number}: not a SHA-256 and a file name; this list itself is damaged, so that "
                f"the files beside it cannot be checked; {advice}"
            )
        found[match[2]] = match[1]
    return found


def check_digest(path: Path, *, error: type[FdakitError], advice: str) -> bool:
    """Compare a file with the SHA256SUMS next to it; return whether there is one.

    Raises `error`, ending in `advice`, if the file has another digest, is not listed, or cannot be read, or the list
    cannot.
    """
    digests = read_digests(path.parent, error=error, advice=advice)
    if digests is None:
        return False
    if path.name not in digests:
        raise error(f"{full(path)}: not listed in its folder's {SUMS}; {advice}")
    if file_sha256(path, error=error, advice=advice) != digests[path.name]:
        raise error(
            f"{full(path)}: changed or damaged since it was written (its SHA-256 is not that in {SUMS}); {advice}"
        )
    return True
