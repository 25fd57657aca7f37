"""The kind of a file, by its first bytes: names and suffixes of weights files are not reliable."""

from __future__ import annotations

import re
import struct
from typing import Literal

Kind = Literal["safetensors", "zip", "legacy torch", "pickle"]
HEAD = 1024
"""Bytes examined at the start of a file."""
_LARGEST_HEADER = 100_000_000  # of safetensors, by its specification
_LEGACY = re.compile(rb"\x80[\x02-\x05](?:\x95.{8})?\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19\.", re.DOTALL)
_PICKLE = re.compile(rb"\x80[\x02-\x05]|\(?[dl]p?\d*\n|c[\w.]+\n\w+\n|\([dl][VS]")
_FETCH = "download it again"
_UNPACK = "unpack it and name the weights file in it"
_ANOTHER = "name the weights file"
_FOREIGN = "fdakit reads safetensors and torch files"
_MARKS: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file that it points to", "fetch it with git lfs pull"),
    (b"\x1f\x8b", "compressed with gzip", _UNPACK),
    (b"BZh", "compressed with bzip2", _UNPACK),
    (b"\xfd7zXZ\x00", "compressed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"GGUF", "a GGUF file of llama.cpp", _FOREIGN),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes them", _FOREIGN),
    (b"\x93NUMPY", "a NumPy array", _FOREIGN),
    (b"%PDF", "a PDF document", _FETCH),
    (b"\x89PNG", "a picture", _ANOTHER),
    (b"\xff\xd8\xff", "a picture", _ANOTHER),
    (b"\x7fELF", "a program", _ANOTHER),
    (b"SQLite format 3", "an SQLite database", _ANOTHER),
)
_WEB = re.compile(r"<(!doctype\s+html|html|head|body|script|meta)\b", re.IGNORECASE)


class ForeignFileError(ValueError):
    """A file that is not a weights file, or in an unsupported form: what it is, and what to do."""


def tell_kind(head: bytes, *, size: int) -> Kind:
    """Return the kind of a file that starts with `head` (its first `HEAD` bytes).

    Raises `ForeignFileError` with its description if it is something else.
    """
    if not size:
        raise ForeignFileError(f"is empty; {_FETCH}, or write it anew")
    if _is_safetensors(head, size=size):
        return "safetensors"
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    if _LEGACY.match(head):
        return "legacy torch"
    for mark, what, remedy in _MARKS:
        if head.startswith(mark):
            raise ForeignFileError(f"is {what}; {remedy}")
    return _told_by_content(head)


def _is_safetensors(head: bytes, *, size: int) -> bool:
    """Return whether it starts with 8 bytes giving the length of a JSON object, and the object, even if cut."""
    if len(head) < 9 or head[8:9] != b"{":
        return False
    return bool(struct.unpack_from("<Q", head)[0] <= _LARGEST_HEADER)


def _told_by_content(head: bytes) -> Kind:
    if _PICKLE.match(head):
        return "pickle"
    if not head.strip(b"\0"):
        what, remedy = "zeros at its start, as after an interrupted download", _FETCH
    elif head[257:262] == b"ustar":
        what, remedy = "a tar archive", _UNPACK
    elif head[4:8] == b"ftyp" or head[:4] == b"\x1aE\xdf\xa3":
        what, remedy = "a video", _ANOTHER
    elif head[:1] == b"\x08" and head[1:2] <= b"\x20" and head[2:3] in (b"\x12", b":", b"B"):
        what, remedy = "an ONNX model, by its first bytes", _FOREIGN
    else:
        return _told_by_text(head)
    raise ForeignFileError(f"is {what}; {remedy}")


def _told_by_text(head: bytes) -> Kind:
    try:
        text = head.decode("utf-8-sig", "strict" if len(head) < HEAD else "ignore").lstrip()
    except UnicodeDecodeError:
        text = "\0"
    if any(not character.isprintable() and not character.isspace() for character in text):
        what, remedy = f"no kind of weights file that fdakit knows (it begins with {head[:8].hex(' ')})", _FOREIGN
    elif _WEB.match(text):
        what, remedy = "a web page, as after a failed download", _FETCH
    elif text.startswith("<"):
        what, remedy = "an XML document, as after a failed download", _FETCH
    elif text.startswith(("{", "[")):
        what, remedy = "a JSON text, not weights", _ANOTHER
    else:
        what, remedy = f"a text (it begins with {text[:30]!r})", _FETCH
    raise ForeignFileError(f"is {what}; {remedy}")
