"""Small weights files that ask for work without end: values shared many times over, and contradicting directories."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

from helpers.hostile_weights import BAD, FLOATS, HEAD, Case, archive, module_pickle, state, storage, tensor, text

LISTS = b"]r\xe7\x03\0\0" + b"".join(
    b"](j" + struct.pack("<I", 999 + k) + b"j" + struct.pack("<I", 999 + k) + b"er" + struct.pack("<I", 1000 + k)
    for k in range(60)
)
"""Opcodes of lists that each hold the one before twice: 2**60 in all. All but the last stay below it."""
DOUBLED = b"(" + LISTS + b"1j" + struct.pack("<I", 1059)
TUPLES = b"K\x01" + b"2\x86" * 60
WIDE_END = struct.Struct("<4sQ2H2L4Q")


def costly_cases() -> list[Case]:
    """Files whose refusal must not cost what they ask for."""
    typed = b"ctorch._utils\n_rebuild_tensor_v3\n(" + storage() + b"K\x00K\x04\x85K\x01\x85\x89N" + DOUBLED + b"tR"
    code = "class M(Module):\n" + "  __buffers__ = [\n" * 100_000
    long = b"c__torch__." + b"n" * 100_000 + b"\nM\nq\x01("
    found = {
        "a storage of shared lists": archive(b"\x80\x02(" + text("storage") + DOUBLED + text("0") + b"NK\x04tQ."),
        "a type of shared lists": archive(state(typed)),
        "a subclass of shared lists": archive(
            state(b"ctorch._tensor\n_rebuild_from_type_v2\n(N" + DOUBLED + b")NtR")
        ),
        "a subclass of a subclass": archive(state(subclasses(2000))),
        "a storage key of 200,000 tuples": legacy_keys(b"N" + b"\x85" * 200_000),
        "a storage key of shared tuples": legacy_keys(TUPLES),
        "a storage key that is a list": legacy_keys(b"]"),
        "lists in a class without end": archive(module_pickle(), code=code),
        "a class of 100,000 letters": archive(b"\x80\x02" + long + b"h\x01)\x81" * 100_000 + b"t."),
        "a key of shared texts": archive(b"\x80\x02}" + text("k" * 100_000) + b"q\x01(" + b"h\x01" * 60 + b"tNs0."),
        "a zip with two ends": two_ends(),
    }
    return [
        (name, lambda path, content=content: Path(path).write_bytes(content), BAD) for name, content in found.items()
    ]


def subclasses(depth: int) -> bytes:
    """A tensor subclass that is made of one, which is made of one, and so on."""
    head = b"ctorch._tensor\n_rebuild_from_type_v2\n"
    return (head + b"(") * depth + b"N" + (b"ctorch\nTensor\n)NtR") * depth


def legacy_keys(key: bytes) -> bytes:
    """A file as torch wrote it before 1.6, with one storage of this key."""
    return HEAD + state(tensor()) + b"\x80\x02](" + key + b"e." + struct.pack("<q", 4) + FLOATS


def two_ends() -> bytes:
    """A zip64 archive whose locator points at another record of its end than the one that stands before it."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as made:
        made.writestr("a/data.pkl", state(tensor()))
        made.writestr("a/data/0", FLOATS)
    whole = memory.getvalue()
    end = whole[-22:]
    entries, length, start = struct.unpack("<10xHLL2x", end)
    wide = WIDE_END.pack(b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, length, start)
    place = len(whole) - 22
    return whole[:-22] + wide + wide + struct.pack("<4sLQL", b"PK\x06\x07", 0, place, 1) + end
